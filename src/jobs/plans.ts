import { randomUUID } from 'node:crypto';
import pLimit, { type LimitFunction } from 'p-limit';
import type { CommandConfig, PullStrategy } from '../config.ts';
import { AppError } from '../error.ts';
import { parseBranchName } from '../git/branch-name.ts';
import type { FetchPatience } from '../git/fetch-retry.ts';
import type { Git } from '../git/git.ts';
import { GitCommandError } from '../git/git-command-error.ts';
import { parseAbbreviatedOid } from '../git/oid.ts';
import { planPull, type PullPlan } from '../git/pull-plan.ts';
import { openWorkingCopy } from '../git/working-copy.ts';
import type { JobError, JobRequest } from './job.ts';
import { describeFailure } from './job-end.ts';
import { gitTimeouts, type JobTimeouts } from './timeout.ts';
import type { PlanTokens } from './plan-token.ts';
import type { Repositories, ServedRepository } from './repositories.ts';
import { getCommand } from './work.ts';

/** A pull that is to be planned. */
export type PlanRequest = Pick<
  JobRequest,
  'repo' | 'branch' | 'preferredBranch' | 'hash' | 'command'
> & { readonly strategy: PullStrategy };

/** What a pull would do. */
export interface Plan extends PullPlan {
  readonly served: ServedRepository;
  /** Why the pull would not succeed, in the very words that the job would have; null when nothing is known to be in its way. */
  readonly error: JobError | null;
  /** What would run after it; null when nothing would. */
  readonly command: CommandConfig | null;
  /** Makes a pull do exactly this, or refuse; null when it is not known where it would go. */
  readonly token: string | null;
}

/** What a request says beside a token. What is left out is as it was planned. */
export interface ResumeRequest {
  readonly repo: string;
  readonly branch?: string | null | undefined;
  readonly hash?: string | null | undefined;
  readonly strategy?: PullStrategy | null | undefined;
  readonly command?: string | null | undefined;
}

export interface Plans {
  /**
   * Finds out what a pull would do. Takes no lock: it may run beside a job, and neither disturbs the other.
   * One at a time fetches for each repository.
   * @throws AppError NOT_FOUND (no such repository), BAD_USER_INPUT (no such command, a bad name),
   * LIMIT_EXCEEDED (too many wait, or it took too long), COMMAND_FAILED (the repository cannot be read); what aborts the signal
   */
  plan(request: PlanRequest, signal: AbortSignal): Promise<Plan>;
  /**
   * What to pull for a token.
   * @throws AppError BAD_USER_INPUT when it is no token, of another repository, or not for what the request says
   */
  resume(
    token: string,
    request: ResumeRequest,
  ): Pick<JobRequest, 'repo' | 'branch' | 'hash' | 'strategy' | 'command' | 'planned'>;
}

/** Plans that wait for one repository. */
const MAX_WAITING = 10;
/** A fetch that takes longer is better made by a pull, whose output shows how far it is. */
const PLAN_MS = 10 * 60_000;

export function createPlans(deps: {
  readonly git: Git;
  readonly repositories: Repositories;
  readonly tokens: PlanTokens;
  readonly patience: FetchPatience;
  readonly timeouts: JobTimeouts;
}): Plans {
  const { git, repositories, tokens, patience, timeouts } = deps;
  // As locks are: two names may stand for one folder.
  const limits = new Map<string, LimitFunction>();
  function limitOf({ repository }: ServedRepository): LimitFunction {
    const limit = limits.get(repository.gitDir) ?? pLimit(1);
    limits.set(repository.gitDir, limit);
    return limit;
  }

  async function look(
    { repository, config }: ServedRepository,
    request: PlanRequest,
    signal: AbortSignal,
  ): Promise<PullPlan> {
    signal.throwIfAborted();
    const { sshCommand } = config;
    const workingCopy = openWorkingCopy(git, repository, {
      signal,
      onOutput: () => undefined,
      ...gitTimeouts(timeouts),
      ...(sshCommand !== undefined && { sshCommand }),
    });
    const { branch, preferredBranch, hash, strategy } = request;
    const quiet = { say: () => undefined, onReady: () => undefined };
    return await planPull(
      { git, repository, workingCopy, signal, patience, ...quiet },
      {
        branch: branch === null ? null : parseBranchName(branch),
        ...(preferredBranch !== undefined && { preferredBranch: parseBranchName(preferredBranch) }),
        hash: hash === null ? null : parseAbbreviatedOid(hash),
        strategy,
        savedRef: '',
      },
      randomUUID().replaceAll('-', ''),
    );
  }

  return {
    async plan(request, signal) {
      const served = repositories.get(request.repo);
      const command = request.command === null ? null : getCommand(served, request.command);
      const limit = limitOf(served);
      if (limit.pendingCount >= MAX_WAITING) {
        throw new AppError(
          'LIMIT_EXCEEDED',
          `${MAX_WAITING} plans wait for this repository already; try again later`,
        );
      }
      const plan = await bounded(
        signal,
        async (either) => await limit(look, served, request, either),
        timeouts,
      );
      const { goal, refusal } = plan;
      const { repo, hash, strategy } = request;
      const sealed = { repo, hash, strategy, command: request.command };
      return {
        ...plan,
        served,
        command,
        error: refusal === null ? null : describeFailure(refusal, timeouts),
        token: goal === null ? null : tokens.seal({ ...sealed, move: goal.planned }),
      };
    },

    resume(token, { repo, branch, hash, strategy, command }) {
      const plan = tokens.open(token);
      const planned = { ...plan, branch: plan.move.branch?.name ?? null };
      const given = { repo, branch, hash, strategy, command };
      for (const name of ['repo', 'branch', 'hash', 'strategy', 'command'] as const) {
        const value = given[name] ?? null;
        if (value === null || value === planned[name]) continue;
        throw new AppError(
          'BAD_USER_INPUT',
          `the plan was made with the ${name} ${JSON.stringify(planned[name])}, and not ${JSON.stringify(value)}: ` +
            'leave it out, or plan again',
        );
      }
      const { move, ...rest } = planned;
      return { ...rest, planned: move };
    },
  };
}

const TOO_LONG = new AppError(
  'LIMIT_EXCEEDED',
  `the plan took longer than ${PLAN_MS / 60_000} minutes: pull, and watch the output`,
);

/** Ends work when nobody waits for it any more, or when it takes too long. */
async function bounded<T>(
  signal: AbortSignal,
  work: (signal: AbortSignal) => Promise<T>,
  timeouts: JobTimeouts,
): Promise<T> {
  // Not `AbortSignal.any`: the signal of a request over HTTP is one of yoga's own making.
  const controller = new AbortController();
  const leave = (): void => {
    controller.abort(signal.reason);
  };
  const timer = setTimeout(() => {
    controller.abort(TOO_LONG);
  }, PLAN_MS);
  signal.addEventListener('abort', leave);
  try {
    signal.throwIfAborted();
    return await work(controller.signal);
  } catch (error) {
    if (controller.signal.reason === TOO_LONG) throw TOO_LONG;
    throw signal.aborted ? error : readable(error, timeouts);
  } finally {
    clearTimeout(timer);
    signal.removeEventListener('abort', leave);
  }
}

/** What the caller may know of it, if anything. */
function readable(error: unknown, timeouts: JobTimeouts): unknown {
  if (!(error instanceof GitCommandError)) return error;
  const described = describeFailure(error, timeouts);
  return described === null
    ? error
    : new AppError('COMMAND_FAILED', described.message, undefined, { cause: error });
}
