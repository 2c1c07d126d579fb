import { once } from 'node:events';
import { Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { TLSSocket } from 'node:tls';
import type { GitOutcome } from '../git/git-process.ts';
import type { Exchange } from './exchange.ts';
import { open, spawnServiceInto, toError, type Opening, type ServiceCall } from './service.ts';
import { findTcpConnection, readWritten, type TcpConnection } from './tcp-connection.ts';

/** The connection that a client waits at, and what the system shows of it. */
export interface DirectConnection {
  readonly socket: Socket;
  readonly tcp: TcpConnection;
}

/**
 * The connection that git may write a long answer to by itself, which saves a third of a clone's CPU and
 * all of this process's memory for it (docs/decisions/git-writes-packs-itself.md). null where the answer
 * has to go through this process: over TLS, through a middleware that changes answers, behind one that
 * has not been sent yet, and where the system does not show whether the client still reads.
 */
export async function findConnection({ response }: Exchange): Promise<DirectConnection | null> {
  const { socket } = response;
  const isPlain = socket instanceof Socket && !(socket instanceof TLSSocket);
  if (!isPlain || socket.remoteAddress === undefined || socket.writableLength > 0) return null;
  if (Object.hasOwn(response, 'write') || Object.hasOwn(response, 'end')) return null;
  const tcp = await findTcpConnection(socket);
  return tcp === null ? null : { socket, tcp };
}

/**
 * Starts git with the connection as its standard output. The answer has no length and no chunks: it ends
 * with the connection (RFC 9112, section 6.3), which is reset when git fails. The status is sent before
 * git's first byte, as git's own http-backend does.
 *
 * The order matters. Node makes what a child inherits as its output block, for itself too: were it to
 * write or read there afterwards, a client could stop this whole process. So the head is sent before,
 * and from then on the connection is left alone (Node stops reading it by itself); whether the client
 * is still there is asked of the system.
 * @param pieces the whole request
 */
export async function sendDirectly(
  call: ServiceCall,
  { socket, tcp }: DirectConnection,
  pieces: readonly Buffer[],
  opening: Opening,
): Promise<void> {
  const { response, signal } = call;
  response.removeHeader('Transfer-Encoding');
  response.setHeader('Connection', 'close');
  open(response, opening);
  response.flushHeaders();
  if (socket.writableLength > 0) await once(socket, 'drain', { signal });
  const child = await spawnServiceInto(socket, call, '--stateless-rpc');
  const watching = watchReader(child.pid, tcp, call);
  for (const piece of pieces) child.stdin.write(piece);
  child.stdin.end();
  const outcome = await child.ended;
  watching.stop();
  if (outcome.exitCode === 0 || hasToldClient(outcome)) {
    response.end();
    return;
  }
  // A client that has left makes git fail.
  if (!signal.aborted && (await tcp.read())?.isOpen === true) {
    call.onError(toError(call, outcome));
    await leaveTime(tcp);
  }
  socket.resetAndDestroy();
}

/**
 * Whether git has told the client by an `ERR` packet, which nobody but the client sees here: the answer is
 * whole then. git says the same to stderr in the same words, which are the only ones that are looked at.
 */
function hasToldClient({ exitCode, stderr }: GitOutcome): boolean {
  return exitCode === 128 && /^fatal: git upload-pack: not our ref [0-9a-f]+$/m.test(stderr);
}

/** What git said last is on its way, and a reset would overtake it. */
const LAST_WORDS_MS = 1_000;

async function leaveTime(tcp: TcpConnection): Promise<void> {
  const until = performance.now() + LAST_WORDS_MS;
  while (performance.now() < until) {
    const state = await tcp.read();
    // Who has read that it failed leaves by himself.
    if (state?.isOpen !== true) return;
    await delay(20);
  }
}

/** How often it is looked whether a client is still there while git writes to it. */
const LOOK_MS = 1_000;

/**
 * Gives up a client that has gone while git counts, which git notices only when it writes; and one that
 * has taken nothing for `stallMs` of what waits for it.
 */
function watchReader(
  pid: number,
  tcp: TcpConnection,
  { stallMs, giveUp }: Exchange,
): { stop(): void } {
  let seen: string | null = null;
  let since = performance.now();
  const look = async (): Promise<void> => {
    const [state, written] = await Promise.all([tcp.read(), readWritten(pid)]);
    if (written === null) return;
    if (state?.isOpen !== true) {
      giveUp();
      return;
    }
    const position = `${written} ${state.queued}`;
    if (position !== seen || state.queued === 0) since = performance.now();
    seen = position;
    if (performance.now() - since >= stallMs) giveUp();
  };
  const timer = setInterval(() => void look(), Math.min(LOOK_MS, stallMs / 4));
  timer.unref();
  return {
    stop: () => {
      clearInterval(timer);
    },
  };
}
