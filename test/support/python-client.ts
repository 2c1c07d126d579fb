/**
 * The Python GitAgent's client as it stands on the wire: `client.py` with requests 2.28.1, and its
 * console with ws4py 0.5.1. Written from what they send, not from what the agent reads.
 */
import { createHash, randomBytes } from 'node:crypto';
import { within } from './deadline.ts';
import { openConnection, type RawConnection } from './raw-http.ts';

export interface PythonClient {
  repoList(): Promise<unknown>;
  repoStatus(name: string): Promise<unknown>;
  pull(name: string, options?: PullOptions): Promise<unknown>;
  connectConsole(): Promise<PythonConsole>;
}

export interface PullOptions {
  /** Default: `master`. */
  readonly gitBranch?: string;
  readonly gitHash?: string;
  readonly command?: string;
  /** Default: 1. */
  readonly block?: 0 | 1;
  readonly consoleId?: string;
}

export interface PythonConsole extends Disposable {
  readonly id: string;
  /** The text frames after the greeting, as they come. */
  readonly frames: readonly string[];
  /** What the output frames said, joined. */
  output(): string;
  /** Resolves when the frames satisfy the condition. */
  until(condition: () => boolean): Promise<void>;
  readonly connection: RawConnection;
  /** The answer's head, as it came. */
  readonly handshake: string;
  /** Sends a masked frame. */
  send(opcode: number, payload: Buffer): void;
  /** Control frames that came: opcode and payload. */
  readonly controls: readonly { readonly opcode: number; readonly payload: Buffer }[];
}

export class RequestFailed extends Error {
  override readonly name = 'RequestFailed';
  readonly status: number;
  constructor(status: number, text: string) {
    super(`Request failed with status_code:${status} response:${text}`);
    this.status = status;
  }
}

const HEADERS = [
  'User-Agent: python-requests/2.28.1',
  'Accept-Encoding: gzip, deflate',
  'Accept: */*',
  'Connection: keep-alive',
];

export function createPythonClient(url: string, password?: string): PythonClient {
  const { host } = new URL(url);

  /** Signs the path as the program has it, before requests encodes it. */
  function sign(method: string, path: string, args: Map<string, string>): void {
    if (password === undefined) return;
    args.set('time', String(Math.floor(Date.now() / 1000)));
    const text = [...args.keys()]
      .toSorted()
      .map((name) => `${name}=${args.get(name) ?? ''}`)
      .join('&');
    const md5 = createHash('md5').update(`${method}${path}?${text}${password}`);
    args.set('sign', md5.digest('hex'));
  }

  async function send(method: string, path: string, args: Map<string, string>): Promise<unknown> {
    sign(method, path, args);
    const body = formEncode(args);
    const lines = [`${method} ${quoteUri(path)} HTTP/1.1`, `Host: ${host}`, ...HEADERS];
    if (body !== '' || method === 'POST') lines.push(`Content-Length: ${body.length}`);
    if (body !== '') lines.push('Content-Type: application/x-www-form-urlencoded');
    using connection = await openConnection(url);
    connection.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
    const { status, text } = await connection.read();
    if (status !== 200) throw new RequestFailed(status, text);
    return JSON.parse(text);
  }

  return {
    repoList: async () => await send('GET', '/repo', new Map()),
    repoStatus: async (name) => await send('GET', `/repo/${name}`, new Map()),
    async pull(name, options = {}) {
      const { gitBranch = 'master', gitHash, command, block = 1, consoleId } = options;
      const args = new Map([
        ['git_branch', gitBranch],
        ['block', String(block)],
      ]);
      if (gitHash !== undefined) args.set('git_hash', gitHash);
      if (consoleId !== undefined) args.set('console_id', consoleId);
      if (command !== undefined) args.set('command', command);
      return await send('POST', `/repo/${name}/pull`, args);
    },
    connectConsole: async () => await connectConsole(url),
  };
}

/** urllib.parse.urlencode */
function formEncode(args: ReadonlyMap<string, string>): string {
  const quote = (text: string): string =>
    encodeURIComponent(text)
      .replaceAll(/[!'()*]/g, percent)
      .replaceAll('%20', '+');
  return [...args].map(([name, value]) => `${quote(name)}=${quote(value)}`).join('&');
}

/** requests.utils.requote_uri */
function quoteUri(path: string): string {
  return encodeURI(path);
}

function percent(character: string): string {
  return `%${character.charCodeAt(0).toString(16).toUpperCase()}`;
}

/** ws4py's client, with its race: a greeting in the same read as the handshake's answer is lost. */
export async function connectConsole(
  url: string,
  target = '/console',
  headers: readonly string[] = [],
): Promise<PythonConsole> {
  const { host } = new URL(url);
  const connection = await openConnection(url);
  const lines = [
    `GET ${target} HTTP/1.1`,
    `Host: ${host}`,
    'Connection: Upgrade',
    'Upgrade: websocket',
    `Sec-WebSocket-Key: ${randomBytes(16).toString('base64')}`,
    'Sec-WebSocket-Version: 13',
    'Sec-WebSocket-Protocol: http-only,chat',
    ...(headers.some((each) => each.startsWith('Origin:')) ? [] : [`Origin: ws://${host}`]),
    ...headers,
  ];
  const frames: string[] = [];
  const controls: { opcode: number; payload: Buffer }[] = [];
  let wake = (): void => undefined;
  const until = async (condition: () => boolean): Promise<void> => {
    const wait = async (): Promise<void> => {
      while (!condition()) {
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    await within(wait(), 'the console hears', 30_000);
  };
  const send = (opcode: number, payload: Buffer): void => {
    const mask = randomBytes(4);
    const masked = payload.map((byte, i) => byte ^ (mask[i % 4] ?? 0));
    connection.write(
      Buffer.concat([Buffer.from([0x80 | opcode, 0x80 | payload.length]), mask, masked]),
    );
  };

  try {
    connection.write(`${lines.join('\r\n')}\r\n\r\n`);
    const first = await connection.peek((bytes) => bytes.includes('\r\n\r\n'));
    const end = first.indexOf('\r\n\r\n') + 4;
    const handshake = first.toString('latin1', 0, end);
    if (!handshake.startsWith('HTTP/1.1 101 ')) {
      const { status, text } = await connection.read();
      throw new RequestFailed(status, text);
    }
    if (first.length > end) throw new Error('WebSocket Connect Error');
    connection.take();
    let pending: Buffer = Buffer.alloc(0);
    const receive = (): void => {
      pending = Buffer.concat([pending, connection.take()]);
      for (let frame = parseFrame(pending); frame !== null; frame = parseFrame(pending)) {
        pending = pending.subarray(frame.length);
        if (frame.opcode === TEXT) frames.push(frame.payload.toString('utf8'));
        else controls.push({ opcode: frame.opcode, payload: Buffer.from(frame.payload) });
        if (frame.opcode === PING) send(PONG, frame.payload);
      }
      wake();
    };
    connection.socket.on('data', receive);
    await until(() => frames.length > 0);
    const greeting = JSON.parse(frames.shift() ?? '') as { type: string; id: string };
    if (greeting.type !== 'sys') throw new Error('WebSocket Connect Error');
    return {
      id: greeting.id,
      frames,
      controls,
      connection,
      handshake,
      send,
      until,
      output: () =>
        frames.map((frame) => (JSON.parse(frame) as { content: string }).content).join(''),
      [Symbol.dispose]() {
        connection[Symbol.dispose]();
      },
    };
  } catch (error) {
    connection[Symbol.dispose]();
    throw error;
  }
}

export const TEXT = 1;
export const CLOSE = 8;
export const PING = 9;
export const PONG = 10;

/** RFC 6455, section 5.2. null when the frame is not whole yet. Throws for what ws4py does not read. */
function parseFrame(bytes: Buffer): { opcode: number; payload: Buffer; length: number } | null {
  const [first, second] = bytes;
  if (first === undefined || second === undefined) return null;
  if ((first & 0xf0) !== 0x80) throw new Error('a fragment, or an extension nobody asked for');
  if (second >= 0x80) throw new Error('a server does not mask');
  let start = 2;
  let size = second;
  if (second === 126) {
    if (bytes.length < 4) return null;
    size = bytes.readUInt16BE(2);
    start = 4;
  } else if (second === 127) {
    if (bytes.length < 10) return null;
    size = Number(bytes.readBigUInt64BE(2));
    start = 10;
  }
  if (bytes.length < start + size) return null;
  return {
    opcode: first & 0x0f,
    payload: bytes.subarray(start, start + size),
    length: start + size,
  };
}
