import { once } from 'node:events';
import { AppError } from '../error.ts';
import type { Job } from '../jobs/job.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { OutputChunk } from '../jobs/output-chunk.ts';
import { checkOffset, formatCursor, parseCursor } from '../jobs/output-cursor.ts';
import type { OutputLog } from '../jobs/output-log.ts';
import { followOutput } from './follow-output.ts';
import { sendOutputEvents, wantsEvents } from './output-events.ts';
import { sendProblem } from './respond.ts';
import type { Exchange } from './rest-route.ts';

/**
 * Sends what a job has printed, byte for byte, from `after` on. With `follow` also what it will print, as
 * it comes, until it has ended. To who accepts `text/event-stream` it comes as events. A slow client slows
 * nobody: it is sent what it takes.
 * @throws AppError NOT_FOUND, BAD_USER_INPUT
 */
export async function sendOutput(
  jobs: Jobs,
  job: Job,
  exchange: Exchange,
  heartbeatSeconds: number,
): Promise<void> {
  const { request, response, args } = exchange;
  const isEvents = wantsEvents(request);
  // What a browser has seen last, when it connects again to the address it was given first.
  const lastEvent = isEvents ? request.headers['last-event-id'] : undefined;
  const after = typeof lastEvent === 'string' && lastEvent !== '' ? lastEvent : args.get('after');
  const offset = after === undefined ? 0 : readOffset(after, job.id);
  if (jobs.isOutputRemoved(job.id)) {
    const detail =
      'the output of this job is not kept any more: see "retention" in the configuration';
    sendProblem(response, 410, detail, { code: 'NOT_FOUND' });
    return;
  }
  const log = await jobs.openOutput(job.id);
  checkOffset(offset, log.size);
  if (isEvents) await sendOutputEvents(jobs, job.id, offset, exchange, heartbeatSeconds);
  else if ((args.get('follow') ?? '0') !== '0') await sendFollowed(jobs, job.id, offset, exchange);
  else await sendPresent(log, offset, exchange);
}

const HEADERS = {
  'Content-Type': 'text/plain; charset=utf-8',
  'Cache-Control': 'no-store',
  // nginx would wait for more before it hands anything on.
  'X-Accel-Buffering': 'no',
};

const TRAILERS = 'GitAgent-Cursor, GitAgent-State, GitAgent-Exit-Code';

/** What is there now. */
async function sendPresent(log: OutputLog, offset: number, exchange: Exchange): Promise<void> {
  const { request, response, signal } = exchange;
  const { size } = log;
  // Where the middle is cut out a line of ours stands for it.
  const isWhole = log.isEnded && log.keptBytes === size;
  response.writeHead(200, { ...HEADERS, ...(isWhole && { 'Content-Length': size - offset }) });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.flushHeaders();
  for (let position = offset; position < size && !signal.aborted;) {
    const chunk = await log.read(position);
    // The last bytes may be the beginning of a character whose rest has not been printed yet.
    if (chunk === null) break;
    if (isWhole && chunk.leftOut !== undefined) {
      // Removed meanwhile, and its length is promised: what breaks off must not look whole.
      response.destroy();
      return;
    }
    await write(exchange, chunk.raw ?? chunk.text);
    position = chunk.end;
  }
  response.end();
}

/** What is there and what comes, until the job has ended. How it did is told behind the body. */
async function sendFollowed(
  jobs: Jobs,
  jobId: string,
  offset: number,
  exchange: Exchange,
): Promise<void> {
  const { request, response, args, signal } = exchange;
  // Only an answer in chunks can have trailers, and Node throws at a head that promises them elsewhere.
  const isChunked = request.method !== 'HEAD' && request.httpVersion !== '1.0';
  response.writeHead(200, { ...HEADERS, ...(isChunked && { Trailer: TRAILERS }) });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.flushHeaders();
  let position = offset;
  let last = '\n';
  await followOutput(jobs, jobId, offset, signal, async (chunk) => {
    await write(exchange, chunk.raw ?? chunk.text);
    position = chunk.end;
    last = chunk.text;
  });
  const job = jobs.find(jobId);
  if (job !== null && !signal.aborted) {
    if ((args.get('outcome') ?? '0') !== '0') {
      response.write(`${last.endsWith('\n') ? '' : '\n'}gitagent: ${formatOutcome(job)}\n`);
    }
    response.addTrailers({
      'GitAgent-Cursor': formatCursor(jobId, position),
      'GitAgent-State': job.state,
      'GitAgent-Exit-Code': String(job.exitCode ?? ''),
    });
  }
  response.end();
}

/** Such as `succeeded, exit code 0`. */
function formatOutcome({ state, exitCode, signal }: Job): string {
  const how = exitCode === null ? signal : `exit code ${exitCode}`;
  return how === null ? state.toLowerCase() : `${state.toLowerCase()}, ${how}`;
}

/** Resolves when the client may be sent more, or has gone. */
async function write(
  { response, signal }: Exchange,
  bytes: OutputChunk['raw'] | string,
): Promise<void> {
  if (signal.aborted || response.write(bytes)) return;
  await once(response, 'drain', { signal }).catch((error: unknown) => {
    if (!signal.aborted) throw error;
  });
}

/** A count of bytes, or a cursor, `JOB:OFFSET`. */
function readOffset(after: string, jobId: string): number {
  if (after.includes(':')) return parseCursor(after, jobId);
  if (/^\d{1,15}$/.test(after)) return Number(after);
  throw new AppError(
    'BAD_USER_INPUT',
    `"after" must be a count of bytes, or a cursor of job ${jobId}`,
  );
}
