import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import type { Job } from '../jobs/job.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { OutputChunk } from '../jobs/output-chunk.ts';
import { formatCursor } from '../jobs/output-cursor.ts';
import { followOutput } from './follow-output.ts';
import type { Exchange } from './rest-route.ts';

/** Whether a client asked for server-sent events, as `EventSource` does. */
export function wantsEvents({ headers }: IncomingMessage): boolean {
  const types = headers.accept?.split(',') ?? [];
  return types.some((type) => type.split(';', 1)[0]?.trim().toLowerCase() === 'text/event-stream');
}

/** A browser whose connection broke comes back after so long. */
const RETRY_MS = 1000;

/**
 * Sends what a job has printed from `offset` on, and what it will print, as server-sent events, each with
 * its cursor as id. The last one is `end`, which says how the job ended: also to who comes after that. A
 * comment is sent after so many seconds of silence, so that proxies keep the connection.
 *
 * The data are JSON: an event's lines may end with CR, LF or both, which would all become LF.
 * https://html.spec.whatwg.org/multipage/server-sent-events.html
 */
export async function sendOutputEvents(
  jobs: Jobs,
  jobId: string,
  offset: number,
  { request, response, signal }: Exchange,
  heartbeatSeconds: number,
): Promise<void> {
  response.writeHead(200, {
    'Content-Type': 'text/event-stream',
    'Cache-Control': 'no-cache',
    // nginx would wait for more before it hands anything on.
    'X-Accel-Buffering': 'no',
  });
  if (request.method === 'HEAD') {
    response.end();
    return;
  }
  response.write(`retry: ${RETRY_MS}\n\n`);
  const heartbeat = setInterval(() => {
    // Who has not even taken the last event needs no other.
    if (!response.writableNeedDrain) response.write(':\n\n');
  }, heartbeatSeconds * 1000);
  let position = offset;
  try {
    await followOutput(jobs, jobId, offset, signal, async (chunk) => {
      position = chunk.end;
      const isTaken = response.write(formatChunk(formatCursor(jobId, position), chunk));
      heartbeat.refresh();
      if (!isTaken) await once(response, 'drain', { signal });
    });
    const job = jobs.find(jobId);
    if (job !== null && !signal.aborted) {
      response.write(formatEnd(formatCursor(jobId, position), job));
    }
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    clearInterval(heartbeat);
  }
  response.end();
}

function formatChunk(cursor: string, { offset, text, raw, leftOut }: OutputChunk): string {
  const data = {
    offset,
    text,
    ...(raw !== undefined && { raw: raw.toString('base64') }),
    ...(leftOut !== undefined && { left_out: leftOut }),
  };
  return `id: ${cursor}\ndata: ${JSON.stringify(data)}\n\n`;
}

function formatEnd(cursor: string, { state, exitCode, signal, error }: Job): string {
  const data = {
    state,
    exit_code: exitCode,
    signal,
    err_code: error?.code ?? null,
    err_msg: error?.message ?? null,
  };
  return `id: ${cursor}\nevent: end\ndata: ${JSON.stringify(data)}\n\n`;
}
