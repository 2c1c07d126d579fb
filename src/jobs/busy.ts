import { AppError } from '../error.ts';
import type { Job } from './job.ts';

/**
 * Refuses a job that may not wait, or behind which too many do, and says who holds the repository since when.
 * @param waiting how many jobs wait for it already
 * @throws AppError BUSY, LIMIT_EXCEEDED
 */
export function refuseBusy(
  holder: Job,
  waiting: number,
  ifBusy: 'REJECT' | 'WAIT',
  queueLimit: number,
): void {
  const since = new Date(holder.startedAt ?? holder.queuedAt).toISOString();
  const detail = { holder: holder.id, kind: holder.kind, caller: holder.caller, since };
  if (ifBusy === 'REJECT') {
    throw new AppError(
      'BUSY',
      `repo is busying: job ${holder.id} (${holder.kind.toLowerCase()}, by ${holder.caller}) holds it since ${since}; ` +
        'try again when it has ended, or wait for it',
      detail,
    );
  }
  if (waiting >= queueLimit) {
    throw new AppError(
      'LIMIT_EXCEEDED',
      `${queueLimit} jobs wait for this repository already (limits.queue); try again later`,
      detail,
    );
  }
}
