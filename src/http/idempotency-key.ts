import type { IncomingMessage } from 'node:http';
import { AppError } from '../error.ts';
import { IDEMPOTENCY_KEY } from '../jobs/job.ts';

/**
 * The header `Idempotency-Key`; undefined when there is none. The IETF's draft has it as a string in double
 * quotes, most clients send it without: both are the same key.
 * @throws AppError BAD_USER_INPUT
 */
export function readIdempotencyKey(request: IncomingMessage): string | undefined {
  const value = request.headers['idempotency-key'];
  if (value === undefined) return undefined;
  const text = String(value).trim();
  const key = /^"([^"\\]*)"$/.exec(text)?.[1] ?? text;
  if (IDEMPOTENCY_KEY.test(key)) return key;
  throw new AppError(
    'BAD_USER_INPUT',
    'Idempotency-Key must be 1 to 255 printable ASCII characters',
  );
}
