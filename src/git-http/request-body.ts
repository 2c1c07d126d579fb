import type { IncomingMessage } from 'node:http';
import { Transform, type Readable } from 'node:stream';
import { createGunzip } from 'node:zlib';
import { AppError } from '../error.ts';
import { Refusal } from './refusal.ts';

/**
 * Opens a request's body and takes its gzip off, as it comes. It is git's to read; what is wrong with it
 * is in the stream's `errored` and `error`, which need not be listened to.
 * @param maxBytes the most that may come out; more makes the stream fail with 413
 * @returns null for an encoding that git's clients do not use
 */
export function openRequestBody(
  request: IncomingMessage,
  limits: { readonly maxBytes: number; readonly maxInflatedBytes: number },
): Readable | null {
  const encoding = (request.headers['content-encoding'] ?? 'identity').toLowerCase();
  if (encoding === 'identity') {
    return limits.maxBytes === Infinity ? request : chain(request, bounded(limits.maxBytes));
  }
  if (encoding !== 'gzip' && encoding !== 'x-gzip') return null;
  const maxBytes = Math.min(limits.maxBytes, limits.maxInflatedBytes);
  return chain(chain(request, createGunzip()), bounded(maxBytes));
}

/** Pipes, and hands failures on: `pipeline` would destroy the request, and with it the answer. */
function chain<T extends Transform>(from: Readable, to: T): T {
  from.on('error', (error: Error) => {
    to.destroy(error);
  });
  const close = (): void => {
    if (!from.readableEnded) to.destroy(new AppError('CANCELLED', 'the client has gone'));
  };
  from.on('close', close);
  // It may have been before we came: nothing would ever tell.
  if (from.destroyed) close();
  // A failure before anybody reads is found there later; unheard it would end the process.
  return from.pipe(to).on('error', () => undefined);
}

function bounded(maxBytes: number): Transform {
  let size = 0;
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      size += chunk.length;
      if (size <= maxBytes) done(null, chunk);
      else done(new Refusal(413, `the request is larger than ${maxBytes} bytes`));
    },
  });
}

/**
 * Reads what is left of a body and throws it away. A client that is still sending sees an answer only
 * once it has been heard out; one that sends more than the bound is cut off.
 */
export async function drain(request: IncomingMessage, maxBytes: number): Promise<void> {
  if (request.readableEnded || request.destroyed) return;
  let size = 0;
  request.unpipe();
  await new Promise<void>((resolve) => {
    request.on('data', (chunk: Buffer) => {
      size += chunk.length;
      if (size > maxBytes) request.destroy();
    });
    request.once('end', resolve);
    request.once('close', resolve);
    request.once('error', () => {
      resolve();
    });
    request.resume();
  });
}
