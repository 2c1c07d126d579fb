import type { IncomingMessage, ServerResponse } from 'node:http';

/** One request and its answer, and whether anybody still waits for it. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** Aborted when the client has gone, has stalled for too long, or the handler is closed. */
  readonly signal: AbortSignal;
  /** A client that takes nothing, or sends nothing that is waited for, for so long is given up. */
  readonly stallMs: number;
  /** Gives the client up as if it had gone: aborts the signal and resets the connection. */
  readonly giveUp: () => void;
}

/**
 * Watches an exchange until its answer has been sent or can no longer be.
 * @param stallMs a client that takes nothing, or sends nothing that is waited for, for so long has gone
 * @param closing the handler's end
 */
export function watchExchange(
  request: IncomingMessage,
  response: ServerResponse,
  stallMs: number,
  closing: AbortSignal,
): Exchange {
  const gone = new AbortController();
  const leave = (): void => {
    gone.abort();
  };
  const giveUp = (): void => {
    leave();
    // Nobody reads what we would say.
    request.socket.resetAndDestroy();
  };
  const timer = watchProgress(request, response, stallMs, giveUp);
  response.once('close', () => {
    // A client may still be sending what nobody wants: it is heard out, and watched.
    if (request.complete || request.destroyed) clearInterval(timer);
    closing.removeEventListener('abort', leave);
    if (!response.writableFinished) leave();
  });
  closing.addEventListener('abort', leave);
  if (closing.aborted || response.destroyed) leave();
  return { request, response, signal: gone.signal, stallMs, giveUp };
}

/** How often progress is looked at, in parts of the time that may pass without any. */
const LOOKS = 4;

/**
 * Calls `onStall` when it is the client's turn and nothing has moved for `stallMs`. While git counts, or
 * the request waits for its turn, it is not the client's.
 */
function watchProgress(
  request: IncomingMessage,
  response: ServerResponse,
  stallMs: number,
  onStall: () => void,
): NodeJS.Timeout {
  let moved = 0;
  let idleLooks = 0;
  const timer = setInterval(() => {
    if (response.closed && (request.complete || request.destroyed)) clearInterval(timer);
    const { bytesRead, bytesWritten } = request.socket;
    const isClientsTurn = isToTake(response) || isToSend(request);
    if (!isClientsTurn || bytesRead + bytesWritten !== moved) idleLooks = 0;
    else idleLooks++;
    moved = bytesRead + bytesWritten;
    if (idleLooks >= LOOKS) onStall();
  }, stallMs / LOOKS);
  timer.unref();
  return timer;
}

function isToTake(response: ServerResponse): boolean {
  return response.writableNeedDrain || (response.writableEnded && !response.writableFinished);
}

function isToSend(request: IncomingMessage): boolean {
  // An iterator waits for `readable`; a pipe makes the stream flow and stops it when git is behind.
  const isAwaited = request.readableFlowing === true || request.listenerCount('readable') > 0;
  return !request.complete && isAwaited;
}
