import { randomUUID } from 'node:crypto';
import { AppError } from '../error.ts';
import type { FetchPatience } from '../git/fetch-retry.ts';
import type { Git } from '../git/git.ts';
import { refuseBusy } from './busy.ts';
import { createChildRecorder } from './child-recorder.ts';
import { createWake, follow, type Following, type Wake } from './follow.ts';
import { findRepeated } from './idempotency.ts';
import { describeFailure, finished, INTERNAL, printFailure, stopped } from './job-end.ts';
import { createJobRecord } from './job-record.ts';
import { isFinished, type Job, type JobRequest } from './job.ts';
import type { JobFilter, Journal } from './journal.ts';
import { followLog } from './output-follow.ts';
import type { OutputChunk, OutputLog, OutputLogs } from './output-log.ts';
import type { Repositories, ServedRepository } from './repositories.ts';
import { createRepositoryLock, type RepositoryLock } from './repository-lock.ts';
import type { JobTimeouts } from './timeout.ts';
import { getCommand, workOnJob, type JobContext } from './work.ts';

/** Does a job's work. What it throws is why the job did not succeed. */
export type JobWork = (context: JobContext) => Promise<void>;

export interface Jobs {
  /** Woken after each change of a job's state, once `current` and `isBusy` say so. */
  readonly changed: Wake;
  /**
   * Accepts a job: it is in the journal, and the repository is busy, when this returns. For a request that
   * is repeated with its idempotency key it gives the job that the first one started, as far as that is.
   * @throws AppError BUSY (another job holds the lock and `ifBusy` is REJECT, or the agent is stopping),
   * LIMIT_EXCEEDED (too many wait), BAD_USER_INPUT (no such command, the key of another request), NOT_FOUND (no such repository)
   * @param work what the job does; when left out, the pull or command that was asked for
   */
  submit(request: JobRequest, ifBusy: 'REJECT' | 'WAIT', work?: JobWork): Job;
  /**
   * The job that the same request started before; null when it has no idempotency key, or is the first.
   * @throws AppError BAD_USER_INPUT when its key was another request's
   */
  findRepeated(request: JobRequest): Job | null;
  /** null when no job has this id. */
  find(id: string): Job | null;
  list(filter: JobFilter): Job[];
  /** The job that holds the repository's lock, or will when it starts; null when none does. */
  current(repo: string): Job | null;
  isBusy(repo: string): boolean;
  /**
   * Asks a job to end. One that waits is CANCELLED at once; one that runs once the last of its
   * processes is gone. One that has ended stays as it is.
   * @throws AppError NOT_FOUND
   */
  cancel(id: string): Job;
  /** Resolves when the job has ended. @throws AppError NOT_FOUND; what aborts the signal */
  wait(id: string, signal: AbortSignal): Promise<Job>;
  /** The job now, then after each change; ends with it. A slow reader skips states in between. @throws AppError NOT_FOUND */
  follow(id: string): AsyncIterableIterator<Job>;
  /** Whether each repository is busy now, then each change, none left out. */
  followBusy(repos: readonly string[]): AsyncIterableIterator<{ repo: string; busy: boolean }>;
  /** A job's output, to be read by offset. @throws AppError NOT_FOUND */
  openOutput(id: string): Promise<OutputLog>;
  /** Whether a job's output is not kept any more. */
  isOutputRemoved(id: string): boolean;
  /** A job's output from `offset` on, then what comes; ends with it. @throws AppError NOT_FOUND */
  followOutput(id: string, offset: number): Promise<Following<OutputChunk>>;
  /** Resolves with the job that holds the repository's lock, as soon as there is one. */
  waitForJob(repo: string, signal: AbortSignal): Promise<Job>;
  /** Takes no more jobs, gives running ones `seconds` to end, then cancels them. Resolves when none is left. */
  drain(seconds: number): Promise<void>;
}

interface LiveJob {
  job: Job;
  readonly output: OutputLog;
  readonly changed: Wake;
  readonly controller: AbortController;
}

export interface JobsDeps {
  readonly git: Git;
  readonly repositories: Repositories;
  readonly journal: Journal;
  readonly outputs: OutputLogs;
  /** The environment that commands start from. */
  readonly host: Readonly<Record<string, string>>;
  /** How many jobs may wait for one repository. */
  readonly queueLimit: number;
  readonly timeouts: JobTimeouts;
  /** What a pull does when the network fails its fetch. */
  readonly patience: FetchPatience;
  /** Told what went wrong that no caller may see. */
  readonly onBug: (error: unknown, job: Job) => void;
}

/** What a dead agent has left is to be recovered before, see `recoverJobs`. */
export function createJobs(deps: JobsDeps): Jobs {
  const { repositories, journal, outputs } = deps;
  const live = new Map<string, LiveJob>();
  const busyChanged = createWake();
  const changed = createWake();
  const locks = new Map<string, RepositoryLock>();
  // Two names may stand for one folder: what must exclude each other is work in one working tree.
  const locksByGitDir = new Map<string, RepositoryLock>();
  for (const { name, repository } of repositories.list()) {
    const lock = locksByGitDir.get(repository.gitDir) ?? createRepositoryLock(busyChanged);
    locksByGitDir.set(repository.gitDir, lock);
    locks.set(name, lock);
  }
  const record = createJobRecord(journal, deps.onBug);
  let isDraining = false;

  function lockOf(repo: string): RepositoryLock {
    const lock = locks.get(repositories.get(repo).name);
    if (lock === undefined) throw new Error('a served repository has a lock');
    return lock;
  }

  function update(entry: LiveJob, facts: Partial<Job>): void {
    entry.job = { ...entry.job, ...facts };
    entry.changed.wake();
    if (facts.state !== undefined) changed.wake();
  }

  /** Records how a job ended, and gives what tells everybody. */
  function end(entry: LiveJob, job: Job): () => void {
    record.update(job);
    return () => {
      update(entry, job);
      live.delete(job.id);
      entry.output.end().catch((error: unknown) => {
        deps.onBug(error, job);
      });
    };
  }

  async function work(
    entry: LiveJob,
    served: ServedRepository,
    doWork: JobWork,
  ): Promise<() => void> {
    update(entry, { state: 'RUNNING', startedAt: Date.now() });
    record.update(entry.job);
    const { signal } = entry.controller;
    const onBug = (error: unknown): void => {
      deps.onBug(error, entry.job);
    };
    const tracker = createChildRecorder(journal, entry.job.id, onBug);
    const context: JobContext = {
      get job() {
        return entry.job;
      },
      served,
      git: deps.git,
      output: entry.output,
      signal,
      host: deps.host,
      timeouts: deps.timeouts,
      patience: deps.patience,
      tracker,
      update: (facts) => {
        update(entry, facts);
      },
      note: (progress) => {
        try {
          journal.update(entry.job);
          journal.noteProgress(entry.job.id, progress);
        } catch (error) {
          // Nothing is moved that could not be brought back.
          if (progress.move !== null) throw error;
          onBug(error);
        }
      },
      onBug,
    };
    try {
      signal.throwIfAborted();
      await deps.git.track(tracker, async () => {
        await doWork(context);
      });
      return end(entry, finished(entry.job, 'SUCCEEDED', null));
    } catch (error) {
      const job = failed(entry, error);
      await printFailure(entry.output, job).catch(() => undefined); // It may be the disk that failed.
      return end(entry, job);
    }
  }

  function failed(entry: LiveJob, error: unknown): Job {
    const { signal } = entry.controller;
    const reason: unknown = signal.reason;
    if (signal.aborted && reason instanceof AppError) return stopped(entry.job, reason);
    const described = describeFailure(error, deps.timeouts);
    if (described === null) deps.onBug(error, entry.job);
    return finished(entry.job, 'FAILED', described ?? INTERNAL);
  }

  function getJob(id: string): Job {
    const job = jobs.find(id);
    if (job === null) throw new AppError('NOT_FOUND', `there is no job ${JSON.stringify(id)}`);
    return job;
  }

  function stop(entry: LiveJob, reason: AppError): void {
    const { job } = entry;
    if (lockOf(job.repo).remove(job.id)) {
      end(entry, stopped(job, reason))();
    } else {
      entry.controller.abort(reason);
    }
  }

  const jobs: Jobs = {
    changed,

    submit(request, ifBusy, doWork = workOnJob) {
      const repeated = jobs.findRepeated(request);
      if (repeated !== null) return repeated;
      const served = repositories.get(request.repo);
      const lock = lockOf(served.name);
      if (request.command !== null) getCommand(served, request.command);
      if (isDraining) throw new AppError('BUSY', 'the agent is stopping and takes no new work');
      const holder = jobs.current(served.name);
      if (holder !== null) {
        refuseBusy(holder, lock.jobIds.length - 1, ifBusy, deps.queueLimit);
      }
      const job = record.insert({
        ...request,
        id: randomUUID(),
        state: 'QUEUED',
        before: null,
        after: null,
        exitCode: null,
        signal: null,
        error: null,
        progress: null,
        queuedAt: Date.now(),
        startedAt: null,
        finishedAt: null,
      });
      const entry: LiveJob = {
        job,
        output: outputs.create(job.id),
        changed: createWake(),
        controller: new AbortController(),
      };
      live.set(job.id, entry);
      lock.add({
        id: job.id,
        run: async () => await work(entry, served, doWork),
      });
      return entry.job;
    },

    findRepeated(request) {
      const job = findRepeated(journal, request);
      return job && jobs.find(job.id);
    },
    find: (id) => live.get(id)?.job ?? record.find(id),
    list: (filter) => record.list(filter).map((job) => live.get(job.id)?.job ?? job),

    current(repo) {
      const [id] = lockOf(repo).jobIds;
      return id === undefined ? null : (live.get(id)?.job ?? null);
    },
    isBusy: (repo) => lockOf(repo).transitions % 2 === 1,

    cancel(id) {
      const entry = live.get(id);
      if (entry === undefined) return getJob(id);
      stop(entry, new AppError('CANCELLED', 'cancelled on request'));
      return entry.job;
    },

    async wait(id, signal) {
      const following = jobs.follow(id);
      return await untilAborted(following, signal, async () => {
        let last = getJob(id);
        for await (const job of following) last = job;
        return last;
      });
    },

    follow(id) {
      const entry = live.get(id);
      let seen: Job | undefined;
      let now = entry?.job ?? getJob(id);
      return follow<Job>(() => {
        now = entry?.job ?? now;
        if (seen !== now) {
          seen = now;
          return { value: now };
        }
        return isFinished(now) || entry === undefined ? { ended: true } : { wait: entry.changed };
      });
    },

    followBusy(repos) {
      const seen = new Map<string, number>();
      return follow<{ repo: string; busy: boolean }>(() => {
        for (const repo of repos) {
          const { transitions } = lockOf(repo);
          const last = seen.get(repo);
          if (last === transitions) continue;
          const next = last === undefined ? transitions : last + 1;
          seen.set(repo, next);
          return { value: { repo, busy: next % 2 === 1 } };
        }
        return { wait: busyChanged };
      });
    },

    isOutputRemoved: (id) => !live.has(id) && journal.isOutputRemoved(id),

    openOutput: async (id) => live.get(id)?.output ?? (await outputs.open(getJob(id).id)),

    async followOutput(id, offset) {
      return followLog(await jobs.openOutput(id), offset);
    },

    async waitForJob(repo, signal) {
      const following = follow<Job>(() => {
        const job = jobs.current(repo);
        return job === null ? { wait: busyChanged } : { value: job };
      });
      const result = await untilAborted(following, signal, async () => await following.next());
      if (result.done === true) throw new Error('this ends only when it is left');
      return result.value;
    },

    async drain(seconds) {
      isDraining = true;
      const stopping = new AppError('BUSY', 'the agent was stopped');
      for (const entry of live.values()) {
        if (entry.job.state === 'QUEUED') stop(entry, stopping);
      }
      const timer = setTimeout(() => {
        for (const entry of live.values()) stop(entry, stopping);
      }, seconds * 1000);
      try {
        await Promise.all(
          [...live.keys()].map(async (id) => await jobs.wait(id, new AbortController().signal)),
        );
      } finally {
        clearTimeout(timer);
      }
    },
  };
  return jobs;
}

/** Uses what it follows, and stops following when the signal is aborted. @throws what aborts the signal */
async function untilAborted<T>(
  following: AsyncIterableIterator<unknown>,
  signal: AbortSignal,
  use: () => Promise<T>,
): Promise<T> {
  const leave = (): void => void following.return?.();
  signal.addEventListener('abort', leave);
  try {
    signal.throwIfAborted();
    const result = await use();
    signal.throwIfAborted();
    return result;
  } finally {
    signal.removeEventListener('abort', leave);
  }
}
