import { AppError } from '../error.ts';

/** A cursor is the job and the offset behind what was read, so that one job's offset is never taken for another's. */
export function formatCursor(jobId: string, offset: number): string {
  return `${jobId}:${offset}`;
}

/** @throws AppError BAD_USER_INPUT when it is none, or one of another job */
export function parseCursor(cursor: string, jobId: string): number {
  const [job, offset] = cursor.split(':');
  if (offset !== undefined && /^\d{1,15}$/.test(offset) && cursor === `${job}:${offset}`) {
    if (job === jobId) return Number(offset);
    throw new AppError(
      'BAD_USER_INPUT',
      `${quote(cursor)} is a cursor of another job's output, not of job ${jobId}'s: start without one`,
    );
  }
  throw new AppError(
    'BAD_USER_INPUT',
    `${quote(cursor)} is not a cursor of job ${jobId}'s output, which looks like "${jobId}:0"`,
  );
}

function quote(text: string): string {
  return JSON.stringify(text.slice(0, 80));
}

/** @throws AppError BAD_USER_INPUT when the output has not come so far, as when it is of another machine */
export function checkOffset(offset: number, size: number): void {
  if (offset <= size) return;
  throw new AppError('BAD_USER_INPUT', `this output has ${size} bytes so far, not ${offset}`);
}
