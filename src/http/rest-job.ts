import { requireScope } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import { isFinished, type Job } from '../jobs/job.ts';
import type { Services } from '../schema/context.ts';
import { createLateAnswer } from './late-answer.ts';
import { sendOutput } from './rest-output.ts';
import { sendLegacyJson } from './respond.ts';
import type { Exchange, Route } from './rest-route.ts';

const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;

/** `GET /repo/NAME/jobs`, `GET /jobs/ID`, `GET /jobs/ID/output` and `DELETE /jobs/ID`. */
export function jobRoutes(
  { jobs, repositories }: Services,
  heartbeatSeconds: number,
  maxReaders: number,
): readonly Route[] {
  /** Each has a buffer of its own, and stays for as long as its job or its patience lasts. */
  let readers = 0;

  function getJob({ params }: Exchange): Job {
    const job = jobs.find(params[0] ?? '');
    if (job !== null) return job;
    throw new AppError('NOT_FOUND', `there is no job ${JSON.stringify(params[0]?.slice(0, 80))}`);
  }

  return [
    {
      method: 'GET',
      path: /^\/repo\/([^/]+)\/jobs$/,
      answer({ request, response, caller, params, args }) {
        requireScope(caller, 'read');
        const { name } = repositories.get(params[0] ?? '');
        const limit = Math.min(readCount(args.get('first'), 'first') ?? DEFAULT_PAGE, MAX_PAGE);
        const before = readCount(args.get('before'), 'before');
        const page = jobs.list({ repo: name, before, limit });
        sendLegacyJson(request, response, page.map(describeJob));
      },
    },
    {
      method: 'GET',
      path: /^\/jobs\/([^/]+)$/,
      answer(exchange) {
        requireScope(exchange.caller, 'read');
        sendLegacyJson(exchange.request, exchange.response, describeJob(getJob(exchange)));
      },
    },
    {
      method: 'DELETE',
      path: /^\/jobs\/([^/]+)$/,
      async answer(exchange) {
        const { response, caller, args, signal } = exchange;
        requireScope(caller, 'run');
        const { id } = jobs.cancel(getJob(exchange).id);
        using answer = createLateAnswer(response, {}, heartbeatSeconds);
        const isWaiting = (args.get('block') ?? '0') !== '0';
        answer.send(describeJob(isWaiting ? await jobs.wait(id, signal) : getJob(exchange)));
      },
    },
    {
      method: 'GET',
      path: /^\/jobs\/([^/]+)\/output$/,
      async answer(exchange) {
        requireScope(exchange.caller, 'read');
        const job = getJob(exchange);
        if (readers >= maxReaders) {
          throw new AppError(
            'LIMIT_EXCEEDED',
            `${readers} requests read outputs already (limits.output_readers): end some, or try again later`,
          );
        }
        readers += 1;
        try {
          await sendOutput(jobs, job, exchange, heartbeatSeconds);
        } finally {
          readers -= 1;
        }
      },
    },
  ];
}

/** How a finished job is told in the words of the original. */
export function outcomeOf(job: Job): { err_msg: string | null; ret: 'success' | 'failed' } {
  return job.state === 'SUCCEEDED'
    ? { err_msg: null, ret: 'success' }
    : { err_msg: job.error?.message ?? job.state.toLowerCase(), ret: 'failed' };
}

function describeJob(job: Job): object {
  return {
    ...(isFinished(job) ? outcomeOf(job) : { err_msg: null, ret: null }),
    after: job.after,
    before: job.before,
    branch: job.branch,
    caller: job.caller,
    command: job.command,
    err_code: job.error?.code ?? null,
    err_detail: job.error?.detail ?? null,
    exit_code: job.exitCode,
    finished_at: formatTime(job.finishedAt),
    git_hash: job.hash,
    id: job.id,
    kind: job.kind,
    progress: job.progress,
    queued_at: formatTime(job.queuedAt),
    repo: job.repo,
    sequence: job.sequence,
    signal: job.signal,
    started_at: formatTime(job.startedAt),
    state: job.state,
    strategy: job.strategy,
    trigger: job.trigger,
  };
}

function formatTime(milliseconds: number | null): string | null {
  return milliseconds === null ? null : new Date(milliseconds).toISOString();
}

function readCount(text: string | undefined, name: string): number | undefined {
  if (text === undefined) return undefined;
  if (/^\d{1,15}$/.test(text)) return Number(text);
  throw new AppError('BAD_USER_INPUT', `"${name}" must be a whole number`);
}
