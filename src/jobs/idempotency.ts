import { createHash } from 'node:crypto';
import { AppError } from '../error.ts';
import type { Job, JobRequest } from './job.ts';
import type { Journal } from './journal.ts';

/** What tells requests with the same key apart: a digest, for what was asked may be long. */
export function digestRequest({ kind, repo, trigger, idempotency }: JobRequest): string {
  const asked = Object.entries(idempotency?.asked ?? {}).toSorted(([a], [b]) => (a < b ? -1 : 1));
  // What was left out and what was null are the same.
  const said = asked.filter(([, value]) => value !== null && value !== undefined);
  return createHash('sha256')
    .update(JSON.stringify([kind, repo, trigger, said]))
    .digest('base64url');
}

/**
 * Finds the job that the same request of the same caller started before; null when it has no idempotency key,
 * or is the first.
 * @throws AppError BAD_USER_INPUT when its key was another request's
 */
export function findRepeated(journal: Journal, request: JobRequest): Job | null {
  const { idempotency, caller } = request;
  if (idempotency === undefined) return null;
  const found = journal.findByKey(caller, idempotency.key);
  if (found === null || found.digest === digestRequest(request)) return found?.job ?? null;
  throw new AppError(
    'BAD_USER_INPUT',
    `the idempotency key ${JSON.stringify(idempotency.key)} was used for another request, which started job ${found.job.id}: ` +
      'take a new key for each request, and the same only to repeat one',
    { job: found.job.id },
  );
}
