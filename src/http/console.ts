import { randomBytes } from 'node:crypto';
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import type { Caller } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import type { Jobs } from '../jobs/jobs.ts';
import { followOutput } from './follow-output.ts';
import { send } from './respond.ts';
import type { PublicRoute } from './rest-route.ts';

/**
 * The websocket of the Python GitAgent. A console is told an id that nobody can guess; a pull whose
 * `console_id` names it has its output sent there. It does nothing else: what it is sent, it ignores.
 *
 * The original's client shows no credentials when it connects, so a console needs none. What it gets is
 * decided by the pull: its caller was allowed to pull, and knew the id, which only the console was told.
 * A console that did show credentials takes only what the same caller started.
 */
export interface Consoles {
  /** Answers a request for a console that is no handshake, and says what it lacks. */
  readonly route: PublicRoute;
  /** Whether a request is a handshake that `open` can complete. */
  isHandshake(request: IncomingMessage): boolean;
  /** @throws AppError LIMIT_EXCEEDED */
  open(request: IncomingMessage, socket: Duplex, head: Buffer, caller: Caller): void;
  /**
   * Sends a job's output to the console with this id, if there is one and the caller may use it. Resolves
   * when all of it has been sent, or the console is gone. Never rejects.
   */
  follow(id: string, caller: Caller, jobId: string): Promise<void>;
  /** Closes the sockets: 1001, going away. What is still being sent, and each goodbye, has so long. */
  close(graceMs: number): Promise<void>;
}

interface Console {
  readonly socket: WebSocket;
  readonly caller: Caller;
  readonly closed: AbortSignal;
  /** One repository's jobs come one after the other, also when the console is slower than they are. */
  readonly lastOf: Map<string, Promise<void>>;
}

const PATH = /^\/console$/;
const MAX_CONSOLES = 1000;
const MAX_MESSAGE_BYTES = 1024 * 1024;
/** The old client's library loses the greeting when it comes in one read with the handshake's answer. */
const GREETING_DELAY_MS = 20;
/** RFC 6455, and the drafts that the original took as well, whose frames are the same. */
const VERSIONS = ['7', '8', '13'];

export function createConsoles(
  jobs: Jobs,
  heartbeatSeconds: number,
  onBug: (error: unknown) => string,
): Consoles {
  const server = new WebSocketServer({
    noServer: true,
    clientTracking: false,
    maxPayload: MAX_MESSAGE_BYTES,
    perMessageDeflate: false,
    // The old client offers `http-only` and `chat`, and knows neither.
    handleProtocols: () => false,
  });
  const consoles = new Map<string, Console>();
  const sending = new Set<Promise<void>>();
  // Proxies drop silent sockets. Who has not even taken the last frame needs no other.
  const heartbeat = setInterval(() => {
    for (const { socket } of consoles.values()) {
      if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount === 0) socket.ping();
    }
  }, heartbeatSeconds * 1000);
  heartbeat.unref();

  function accept(socket: WebSocket, caller: Caller): void {
    // 128 bits, in the decimal digits that the original's ids had.
    const id = BigInt(`0x${randomBytes(16).toString('hex')}`).toString();
    const closed = new AbortController();
    consoles.set(id, { socket, caller, closed: closed.signal, lastOf: new Map() });
    const greeting = setTimeout(() => {
      socket.send(formatFrame({ type: 'sys', message: 'Welcome to WebSocket', id }));
    }, GREETING_DELAY_MS);
    socket.on('close', () => {
      clearTimeout(greeting);
      consoles.delete(id);
      closed.abort();
    });
    // A broken frame, which ws answers by closing.
    socket.on('error', () => undefined);
  }

  async function sendAll({ socket, closed }: Console, jobId: string): Promise<void> {
    try {
      await followOutput(jobs, jobId, 0, closed, async ({ text }) => {
        await sendFrame(socket, formatFrame({ type: 'output', content: text }));
      });
    } catch (error) {
      // The frame that was being sent when the socket closed.
      if (!closed.aborted && socket.readyState === WebSocket.OPEN) onBug(error);
    }
  }

  return {
    route: {
      method: 'GET',
      path: PATH,
      answerAnybody(request, response) {
        sendRefusal(response, refusalOf(request));
      },
    },
    isHandshake: (request) => PATH.test(pathOf(request)) && refusalOf(request) === null,
    open(request, socket, head, caller) {
      if (consoles.size >= MAX_CONSOLES) {
        throw new AppError('LIMIT_EXCEEDED', `${MAX_CONSOLES} consoles are open: close some`);
      }
      request.headers['sec-websocket-version'] = '13';
      server.handleUpgrade(request, socket, head, (webSocket) => {
        accept(webSocket, caller);
      });
    },
    async follow(id, caller, jobId) {
      const found = consoles.get(id);
      const job = jobs.find(jobId);
      if (found === undefined || job === null) return;
      if (found.caller.name !== 'anonymous' && found.caller.name !== caller.name) return;
      const before = found.lastOf.get(job.repo) ?? Promise.resolve();
      const all = before.then(async () => {
        await sendAll(found, jobId);
      });
      found.lastOf.set(job.repo, all);
      sending.add(all);
      await all;
      sending.delete(all);
    },
    async close(graceMs) {
      clearInterval(heartbeat);
      const late = new AbortController();
      const grace = delay(graceMs, undefined, { signal: late.signal });
      await Promise.race([Promise.all(sending), grace]);
      late.abort();
      grace.catch(() => undefined);
      for (const { socket } of consoles.values()) {
        socket.close(1001, 'the agent stops');
        setTimeout(() => {
          socket.terminate();
        }, graceMs).unref();
      }
    },
  };
}

interface Refusal {
  readonly status: number;
  readonly message: string;
  readonly headers?: Readonly<Record<string, string>>;
}

/** In the original's words; null when it is a handshake. */
function refusalOf({ method, headers }: IncomingMessage): Refusal | null {
  const connection = headers.connection?.toLowerCase().split(/\s*,\s*/) ?? [];
  if (method !== 'GET' || headers.upgrade?.toLowerCase() !== 'websocket') {
    return { status: 400, message: 'Can "Upgrade" only to "WebSocket".' };
  }
  if (!connection.includes('upgrade')) {
    return { status: 400, message: '"Connection" must be "Upgrade".' };
  }
  if (!VERSIONS.includes(headers['sec-websocket-version'] ?? '')) {
    const supported = { 'Sec-WebSocket-Version': VERSIONS.join(', ') };
    return { status: 426, message: 'Upgrade Required', headers: supported };
  }
  if (!/^[+/0-9a-z]{22}==$/i.test(headers['sec-websocket-key'] ?? '')) {
    return { status: 400, message: 'Missing/Invalid WebSocket headers' };
  }
  return null;
}

function sendRefusal(response: ServerResponse, refusal: Refusal | null): void {
  const { status, message, headers } = refusal ?? { status: 400, message: 'Missing/Invalid' };
  send(response, status, 'text/html; charset=UTF-8', message, headers);
}

/** Resolves when the frame has been handed to the system: the pace of who reads it. */
async function sendFrame(socket: WebSocket, frame: string): Promise<void> {
  await new Promise<void>((resolve, reject) => {
    socket.send(frame, (error) => {
      if (error == null) resolve();
      else reject(error);
    });
  });
}

/** As Python's json.dumps does by default, and `</` as Tornado made it, so that it can stand in a page. */
function formatFrame(frame: Readonly<Record<string, string>>): string {
  const members = Object.entries(frame).map(([key, value]) => `"${key}": ${formatText(value)}`);
  return `{${members.join(', ')}}`;
}

function formatText(text: string): string {
  return JSON.stringify(text)
    .replaceAll('</', String.raw`<\/`)
    .replaceAll(
      /[\u007f-\uffff]/g,
      (unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`,
    );
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? '';
}
