import { setTimeout as delay } from 'node:timers/promises';
import { requireScope } from '../auth/caller.ts';
import { pullStrategies, type PullStrategy } from '../config.ts';
import { AppError } from '../error.ts';
import { parseBranchName } from '../git/branch-name.ts';
import { parseAbbreviatedOid } from '../git/oid.ts';
import type { Job, JobRequest } from '../jobs/job.ts';
import type { PlanRequest } from '../jobs/plans.ts';
import type { ServedRepository } from '../jobs/repositories.ts';
import { getCommand } from '../jobs/work.ts';
import type { Services } from '../schema/context.ts';
import type { Consoles } from './console.ts';
import { createLateAnswer } from './late-answer.ts';
import { sendLegacyJson } from './respond.ts';
import { outcomeOf } from './rest-job.ts';
import { readIdempotencyKey } from './idempotency-key.ts';
import type { RequestArguments } from './request-arguments.ts';
import type { Exchange, Route } from './rest-route.ts';

/** The branch that a request means which names none, where there is one of this name. */
const ORIGINAL_DEFAULT_BRANCH = 'master';

/** How long an answer waits until the console has been sent the last of the output. */
const CONSOLE_GRACE_MS = 5000;

/** `POST /repo/NAME/pull` and `POST /repo/NAME/exec`. */
export function pullRoutes(
  { jobs, plans, repositories }: Services,
  consoles: Consoles,
  heartbeatSeconds: number,
): readonly Route[] {
  return [
    {
      method: 'POST',
      path: /^\/repo\/([^/]+)\/pull$/,
      looksForReplays: true,
      async answer(exchange) {
        const { caller, params, args } = exchange;
        requireScope(caller, 'pull');
        const served = repositories.get(params[0] ?? '');
        const token = args.get('plan_token');
        const request =
          token === undefined
            ? readPullRequest(served, args)
            : plans.resume(token, {
                repo: served.name,
                branch: args.get('git_branch'),
                hash: readHash(args),
                strategy: readStrategy(args),
                command: args.get('command'),
              });
        if (request.command !== null) {
          requireScope(caller, 'run');
          getCommand(served, request.command);
        }
        await start(exchange, {
          ...request,
          kind: 'PULL',
          caller: caller.name,
          trigger: 'rest',
          ...readIdempotency(exchange),
        });
      },
    },
    {
      method: 'POST',
      path: /^\/repo\/([^/]+)\/exec$/,
      looksForReplays: true,
      async answer(exchange) {
        const { caller, params, args } = exchange;
        requireScope(caller, 'run');
        const served = repositories.get(params[0] ?? '');
        const { name } = getCommand(served, args.get('command') ?? '');
        await start(exchange, {
          repo: served.name,
          kind: 'RUN',
          caller: caller.name,
          trigger: 'rest',
          branch: null,
          hash: null,
          strategy: null,
          command: name,
          ...readIdempotency(exchange),
        });
      },
    },
  ];

  async function start(exchange: Exchange, order: JobRequest): Promise<void> {
    const { request, response } = exchange;
    const repeated = jobs.findRepeated(order);
    if (repeated !== null) {
      // A signature covers no header, so whoever heard a signed request could add the key to it.
      exchange.refuseReplay();
      await follow(exchange, repeated);
      return;
    }
    // Before the look for replays: two callers who ask for the same in the same second sign the same,
    // and the second must hear what it would without a password.
    if (jobs.isBusy(order.repo)) {
      sendLegacyJson(request, response, { err_msg: 'repo is busying', ret: 'failure' });
      return;
    }
    exchange.refuseReplay();
    let job: Job;
    try {
      job = jobs.submit(order, 'REJECT');
    } catch (error) {
      if (!(error instanceof AppError && error.code === 'BUSY')) throw error;
      sendLegacyJson(request, response, { err_msg: error.message, ret: 'failure' });
      return;
    }
    await follow(exchange, job);
  }

  /** Answers as a pull does: at once, or when the job has ended. */
  async function follow(exchange: Exchange, job: Job): Promise<void> {
    const { request, response, args, caller, signal } = exchange;
    const location = { Location: `/jobs/${job.id}` };
    const delivered = consoles.follow(args.get('console_id') ?? '', caller, job.id);
    if ((args.get('block') ?? '0') === '0') {
      sendLegacyJson(request, response, { err_msg: null, ret: 'success' }, location);
      return;
    }
    using answer = createLateAnswer(response, location, heartbeatSeconds);
    const done = await jobs.wait(job.id, signal);
    // A client may close its console as soon as it has the answer.
    const late = new AbortController();
    await Promise.race([
      delivered,
      delay(CONSOLE_GRACE_MS, undefined, { signal: late.signal }).catch(() => undefined),
    ]);
    late.abort();
    answer.send(outcomeOf(done));
  }
}

/**
 * What a request asks to pull, or to plan.
 * @throws AppError BAD_USER_INPUT
 */
export function readPullRequest(
  { name, config }: ServedRepository,
  args: RequestArguments,
): PlanRequest {
  const branch = args.get('git_branch') ?? config.branch ?? null;
  return {
    repo: name,
    branch: branch === null ? null : parseBranchName(branch),
    preferredBranch: ORIGINAL_DEFAULT_BRANCH,
    hash: readHash(args),
    strategy: readStrategy(args) ?? config.strategy,
    command: args.get('command') ?? null,
  };
}

function readHash(args: RequestArguments): string | null {
  const hash = args.get('git_hash');
  return hash === undefined ? null : parseAbbreviatedOid(hash);
}

function readStrategy(args: RequestArguments): PullStrategy | null {
  const given = args.get('strategy');
  if (given === undefined) return null;
  const strategy = pullStrategies.find((each) => each === given);
  if (strategy !== undefined) return strategy;
  throw new AppError(
    'BAD_USER_INPUT',
    `there is no strategy ${JSON.stringify(given.slice(0, 80))}; there is ${pullStrategies.join(', ')}`,
  );
}

/** Arguments that say how to ask or to answer, and not what. */
const HOW = new Set(['block', 'console_id', 'password', 'sign', 'time']);

function readIdempotency({ request, args }: Exchange): Pick<JobRequest, 'idempotency'> {
  const key = readIdempotencyKey(request);
  if (key === undefined) return {};
  const names = new Set(args.all.map(([name]) => name).filter((name) => !HOW.has(name)));
  const asked = Object.fromEntries(Array.from(names, (name) => [name, args.get(name)]));
  return { idempotency: { key, asked } };
}
