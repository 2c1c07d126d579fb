import { once } from 'node:events';
import { AppError } from '../error.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { OutputChunk } from '../jobs/output-log.ts';
import { followOutput } from './follow-output.ts';
import type { Exchange } from './rest-route.ts';

/**
 * Sends what a job has printed, byte for byte, from `after` on. With `follow` also what it will print, as
 * it comes, until it has ended. A slow client slows nobody: it is sent what it takes.
 * @throws AppError NOT_FOUND, BAD_USER_INPUT
 */
export async function sendOutput(
  jobs: Jobs,
  jobId: string,
  { request, response, args, signal }: Exchange,
): Promise<void> {
  const log = await jobs.openOutput(jobId);
  const offset = readOffset(args.get('after') ?? '0', jobId);
  const { size } = log;
  if (offset > size) {
    throw new AppError('BAD_USER_INPUT', `this output has ${size} bytes so far, not ${offset}`);
  }
  response.writeHead(200, {
    'Content-Type': 'text/plain; charset=utf-8',
    'Cache-Control': 'no-store',
    // nginx would wait for more before it hands anything on.
    'X-Accel-Buffering': 'no',
    ...(log.isEnded ? { 'Content-Length': size - offset } : {}),
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.flushHeaders();
  const write = async (chunk: OutputChunk): Promise<void> => {
    if (response.write(chunk.raw ?? chunk.text)) return;
    await once(response, 'drain', { signal });
  };
  try {
    if ((args.get('follow') ?? '0') !== '0') {
      await followOutput(jobs, jobId, offset, signal, write);
    } else {
      let position = offset;
      while (position < size && !signal.aborted) {
        const chunk = await log.read(position);
        // The last bytes may be the beginning of a character whose rest has not been printed yet.
        if (chunk === null) break;
        await write(chunk);
        position = chunk.end;
      }
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  }
  response.end();
}

/** A count of bytes, or a cursor as GraphQL gives it, `JOB:OFFSET`. */
function readOffset(after: string, jobId: string): number {
  const offset = after.startsWith(`${jobId}:`) ? after.slice(jobId.length + 1) : after;
  if (/^\d{1,15}$/.test(offset)) return Number(offset);
  throw new AppError(
    'BAD_USER_INPUT',
    `"after" must be a count of bytes, or a cursor of job ${jobId}`,
  );
}
