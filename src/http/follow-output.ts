import type { Jobs } from '../jobs/jobs.ts';
import type { OutputChunk } from '../jobs/output-log.ts';

/**
 * Hands on a job's output from `offset` on, a chunk at a time, until the job has ended or nobody wants it
 * any more. The next chunk is read when the last one has been taken, so a slow reader costs one chunk.
 * @param signal aborted when who takes it has gone
 * @throws AppError NOT_FOUND; what `take` throws
 */
export async function followOutput(
  jobs: Jobs,
  jobId: string,
  offset: number,
  signal: AbortSignal,
  take: (chunk: OutputChunk) => Promise<void>,
): Promise<void> {
  const output = await jobs.followOutput(jobId, offset);
  const leave = (): void => void output.return?.();
  signal.addEventListener('abort', leave);
  try {
    if (signal.aborted) leave();
    for await (const chunk of output) await take(chunk);
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
