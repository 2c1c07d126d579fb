/**
 * HTTP by hand: what is sent is exactly what the test wrote, and what comes back is told byte for byte.
 *
 *     const { status, text } = await exchange(url, 'GET /repo HTTP/1.1\r\nHost: x\r\n\r\n');
 */
import assert from 'node:assert/strict';
import { connect, type Socket } from 'node:net';
import { within } from './deadline.ts';

export interface RawResponse {
  readonly version: string;
  readonly status: number;
  readonly reason: string;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
  /** The body as UTF-8. */
  readonly text: string;
}

/** What ends a head, and a chunked body. */
const BLANK = Buffer.from('\r\n\r\n');

/** One connection, on which requests are sent and answers read one after the other. */
export interface RawConnection extends Disposable {
  readonly socket: Socket;
  write(bytes: string | Buffer): void;
  /** Reads a whole answer. Pass `HEAD` for a request whose answer has no body. */
  read(method?: 'HEAD'): Promise<RawResponse>;
  /** Waits until so many bytes are there that `enough` is satisfied, and gives all of them without taking them. */
  peek(enough: (received: Buffer) => boolean): Promise<Buffer>;
  /** Takes what has been received and not been read. */
  take(): Buffer;
}

export async function openConnection(url: string): Promise<RawConnection> {
  const { hostname, port } = new URL(url);
  const socket = connect(Number(port), hostname);
  let received: Buffer = Buffer.alloc(0);
  /** What `received` is the beginning of: it grows by doubling, or long answers would be copied over and over. */
  let room: Buffer = Buffer.alloc(0);
  let hasEnded = false;
  let wake = (): void => undefined;
  socket.on('data', (bytes: Buffer) => {
    const length = received.length + bytes.length;
    if (received.buffer !== room.buffer || received.byteOffset + length > room.length) {
      room = Buffer.allocUnsafeSlow(length * 2);
      received.copy(room);
      received = room.subarray(0, received.length);
    }
    bytes.copy(room, received.byteOffset + received.length);
    received = room.subarray(received.byteOffset, received.byteOffset + length);
    wake();
  });
  const end = (): void => {
    hasEnded = true;
    wake();
  };
  socket.on('end', end);
  socket.on('close', end);
  socket.on('error', end);
  await within(
    new Promise<void>((resolve, reject) => {
      socket.once('connect', resolve);
      socket.once('error', reject);
    }),
    'the agent takes the connection',
  );

  const peek = async (enough: (received: Buffer) => boolean): Promise<Buffer> => {
    const wait = async (): Promise<void> => {
      while (!enough(received)) {
        // A message for `assert.ok` would be made each time, of all that was received.
        if (hasEnded) assert.fail(`the connection ended too early: ${received.toString()}`);
        await new Promise<void>((resolve) => {
          wake = resolve;
        });
      }
    };
    await within(wait(), 'the agent answers', 30_000);
    return received;
  };
  const readHead = async (): Promise<{ head: string; rest: Buffer }> => {
    const bytes = await peek((all) => all.includes('\r\n\r\n'));
    const end = bytes.indexOf('\r\n\r\n');
    return { head: bytes.toString('latin1', 0, end), rest: bytes.subarray(end + 4) };
  };
  /** null while the chunked body is not whole. */
  const parseChunks = (bytes: Buffer): { body: Buffer; length: number } | null => {
    const chunks: Buffer[] = [];
    for (let at = 0; ;) {
      const line = bytes.indexOf('\r\n', at);
      if (line === -1) return null;
      const size = Number.parseInt(bytes.toString('latin1', at, line), 16);
      if (size === 0) {
        // Trailers may follow.
        const end = bytes.indexOf('\r\n\r\n', line);
        return end === -1 ? null : { body: Buffer.concat(chunks), length: end + 4 };
      }
      const next = line + 2 + size + 2;
      if (bytes.length < next) return null;
      chunks.push(bytes.subarray(line + 2, line + 2 + size));
      at = next;
    }
  };

  return {
    socket,
    write: (bytes) => void socket.write(bytes),
    peek,
    take() {
      const taken = received;
      received = Buffer.alloc(0);
      return taken;
    },
    async read(method) {
      const { head } = await readHead();
      const start = Buffer.byteLength(head, 'latin1') + 4;
      const [line = '', ...lines] = head.split('\r\n');
      const [, version = '', status = '', reason = ''] = /^(\S+) (\d+) ?(.*)$/.exec(line) ?? [];
      const headers = Object.fromEntries(
        lines.map((each) => {
          const colon = each.indexOf(':');
          return [each.slice(0, colon).toLowerCase(), each.slice(colon + 1).trim()];
        }),
      );
      let body: Buffer = Buffer.alloc(0);
      let length = 0;
      const hasBody = method !== 'HEAD' && Number(status) >= 200 && status !== '304';
      if (hasBody && headers['transfer-encoding'] === 'chunked') {
        // A long body is looked at whenever it has grown by much, and when it may be at its end.
        let looked = 0;
        const all = await peek((bytes) => {
          const isWorthIt = bytes.length > looked * 1.1 || bytes.subarray(-4).equals(BLANK);
          if (!isWorthIt) return false;
          looked = bytes.length;
          return parseChunks(bytes.subarray(start)) !== null;
        });
        ({ body, length } = parseChunks(all.subarray(start)) ?? { body, length });
      } else if (hasBody && headers['content-length'] !== undefined) {
        length = Number(headers['content-length']);
        body = (await peek((bytes) => bytes.length >= start + length)).subarray(
          start,
          start + length,
        );
      } else if (hasBody) {
        body = (await peek(() => hasEnded)).subarray(start);
        length = body.length;
      }
      received = received.subarray(start + length);
      return {
        version,
        status: Number(status),
        reason,
        headers,
        body: Buffer.from(body),
        text: body.toString('utf8'),
      };
    },
    [Symbol.dispose]() {
      socket.destroy();
    },
  };
}

/** Sends a request on a connection of its own and reads the answer. */
export async function exchange(url: string, request: string | Buffer): Promise<RawResponse> {
  using connection = await openConnection(url);
  connection.write(request);
  const isHead = request.toString().startsWith('HEAD ');
  return await connection.read(isHead ? 'HEAD' : undefined);
}

/** A request's bytes. `Host`, and with a body `Content-Length`, are added unless they are given. */
export function formatRequest(
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
  body: string | Buffer = '',
): Buffer {
  const bytes = Buffer.from(body);
  const length = bytes.length > 0 ? { 'Content-Length': String(bytes.length) } : {};
  const lines = Object.entries({ Host: '127.0.0.1', ...length, ...headers });
  const head = [
    `${method} ${target} HTTP/1.1`,
    ...lines.map(([name, value]) => `${name}: ${value}`),
  ];
  return Buffer.concat([Buffer.from(`${head.join('\r\n')}\r\n\r\n`), bytes]);
}

const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

/** Sends a form, on any method, and reads the answer. */
export async function sendForm(
  url: string,
  method: string,
  target: string,
  form: string | Readonly<Record<string, string>> = {},
  headers: Readonly<Record<string, string>> = {},
): Promise<RawResponse> {
  const body = typeof form === 'string' ? form : new URLSearchParams(form).toString();
  return await exchange(url, formatRequest(method, target, { ...FORM, ...headers }, body));
}

/** Sends a request without a body and reads the answer. */
export async function request(
  url: string,
  method: string,
  target: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<RawResponse> {
  return await exchange(url, formatRequest(method, target, headers));
}
