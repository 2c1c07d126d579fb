import type { Git } from '../git/git.ts';
import { readHead } from '../git/head.ts';
import { readStatus } from '../git/status.ts';
import { createWake, follow, type Wake } from '../jobs/follow.ts';
import type { Job } from '../jobs/job.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Repositories } from '../jobs/repositories.ts';
import {
  createCopyWatch,
  explainFailure,
  type CopyState,
  type CopyWatch,
  type FollowedState,
} from './copy-watch.ts';
import { findObstacle } from './file-system.ts';
import { createInotify } from './inotify.ts';

export type { CopyState, FollowedState } from './copy-watch.ts';

/** A repository as its followers see it. */
export interface LiveState {
  readonly repo: string;
  /** An error when it cannot be read, for as long as that is so. */
  readonly copy: FollowedState | Error;
  /** The job that holds the lock. */
  readonly job: Job | null;
  readonly isBusy: boolean;
}

/** How changes of a repository are noticed. */
export interface Liveness {
  readonly mode: 'WATCHING' | 'POLLING';
  /** Why it is not watched. */
  readonly reason: string | null;
}

/** What the agent knows of its repositories at this moment, each shared by all who ask. */
export interface Live {
  /**
   * A repository's state, no older than the call. A repository that is asked for once costs a `git status`
   * each time; one that is asked for again within a minute is watched from then on, and costs nothing
   * while nothing changes, until it has not been asked for in a while.
   * @throws GitCommandError, AppError NOT_FOUND
   */
  read(repo: string, signal: AbortSignal): Promise<CopyState>;
  /**
   * The state now, then after each change of it, whoever made it. Who reads slowly skips states.
   * @throws AppError NOT_FOUND
   */
  follow(repo: string): AsyncIterableIterator<LiveState, undefined>;
  /** @throws AppError NOT_FOUND */
  liveness(repo: string): Promise<Liveness>;
  /** Ends all watching. Resolves when no child of it runs any more. */
  close(): Promise<void>;
}

export interface LiveDeps {
  readonly git: Git;
  readonly repositories: Repositories;
  readonly jobs: Jobs;
  /** The environment that git children start from. */
  readonly host: Readonly<Record<string, string | undefined>>;
  /** Folders that may be watched for one repository, and for all. */
  readonly maxFolders: number;
  readonly maxFoldersTotal: number;
  readonly pollSeconds: number;
  /** How long a repository is watched after the last who followed it has gone, or asked. */
  readonly idleSeconds: number;
}

/** Who asks twice within this time will ask again. */
const SOON_MS = 60_000;

interface Watched {
  readonly watch: CopyWatch;
  /** Woken after `sequence` has gone up. */
  readonly changed: Wake;
  /** Counts what followers have to be told. */
  sequence: number;
  followers: number;
  /** Who asked and has not been answered. */
  readers: number;
  job: Job | null;
  isBusy: boolean;
  stopListening: () => void;
  idle: NodeJS.Timeout | undefined;
}

export function createLive(deps: LiveDeps): Live {
  const { git, repositories, jobs } = deps;
  const inotify = createInotify(deps.maxFoldersTotal);
  const watched = new Map<string, Watched>();
  const lastAsked = new Map<string, number>();
  const closing = new Set<Promise<void>>();
  let isClosed = false;

  function getWatched(repo: string): Watched {
    const known = watched.get(repo);
    if (known !== undefined) return known;
    if (isClosed) throw new Error('nothing is watched any more');
    const entry: Watched = {
      watch: createCopyWatch({
        ...deps,
        repository: repositories.get(repo).repository,
        inotify,
        onNews() {
          tell(entry);
        },
      }),
      changed: createWake(),
      sequence: 0,
      followers: 0,
      readers: 0,
      job: null,
      isBusy: false,
      stopListening: () => undefined,
      idle: undefined,
    };
    watched.set(repo, entry);
    return entry;
  }

  function tell(entry: Watched): void {
    entry.sequence += 1;
    entry.changed.wake();
  }

  /** Restarts the time after which nobody needs it any more. */
  function startIdling(repo: string, entry: Watched): void {
    clearTimeout(entry.idle);
    if (entry.followers + entry.readers > 0 || watched.get(repo) !== entry) return;
    entry.idle = setTimeout(() => {
      end(repo, entry);
    }, deps.idleSeconds * 1000);
    entry.idle.unref();
  }

  function end(repo: string, entry: Watched): void {
    watched.delete(repo);
    clearTimeout(entry.idle);
    entry.stopListening();
    const closed = entry.watch.close().finally(() => closing.delete(closed));
    closing.add(closed);
  }

  function listenToJobs(repo: string, entry: Watched): void {
    const look = (): void => {
      entry.job = jobs.current(repo);
      entry.isBusy = jobs.isBusy(repo);
    };
    const onChange = (): void => {
      entry.stopListening = jobs.changed.once(onChange);
      const { job, isBusy } = entry;
      look();
      // Progress is for who follows the job.
      const isNews = job?.id !== entry.job?.id || job?.state !== entry.job?.state;
      if (isNews || isBusy !== entry.isBusy) tell(entry);
    };
    entry.stopListening = jobs.changed.once(onChange);
    look();
  }

  function join(repo: string): Watched {
    const entry = getWatched(repo);
    clearTimeout(entry.idle);
    entry.followers += 1;
    if (entry.followers === 1) {
      listenToJobs(repo, entry);
      entry.watch.setFollowed(true);
    }
    return entry;
  }

  function leave(repo: string, entry: Watched): void {
    entry.followers -= 1;
    if (entry.followers > 0 || watched.get(repo) !== entry) return;
    entry.stopListening();
    entry.watch.setFollowed(false);
    startIdling(repo, entry);
  }

  async function readCold(repo: string, signal: AbortSignal): Promise<CopyState> {
    const { repository } = repositories.get(repo);
    try {
      if (repository.workTree === null) {
        return { head: await readHead(git, repository, signal), status: null };
      }
      const status = await readStatus(git, repository, signal);
      return { head: { branch: status.branch, oid: status.head }, status };
    } catch (error) {
      throw await explainFailure(error, repository);
    }
  }

  return {
    async read(repo, signal) {
      const { name } = repositories.get(repo);
      const now = performance.now();
      const isAskedAgain = now - (lastAsked.get(name) ?? -Infinity) < SOON_MS;
      lastAsked.set(name, now);
      if (isClosed || !(watched.has(name) || isAskedAgain)) return await readCold(name, signal);
      const entry = getWatched(name);
      clearTimeout(entry.idle);
      entry.readers += 1;
      try {
        return await entry.watch.read();
      } finally {
        entry.readers -= 1;
        startIdling(name, entry);
      }
    },

    follow(repo) {
      const { name } = repositories.get(repo);
      let joined: Watched | undefined;
      let seen = -1;
      const states = follow<LiveState>(async () => {
        if (isClosed) return { ended: true };
        const entry = joined ?? join(name);
        if (joined === undefined) {
          joined = entry;
          // What goes wrong is told as the state.
          await entry.watch.read().catch(() => undefined);
        }
        const { watch, sequence, changed, job, isBusy } = entry;
        if (sequence === seen || watch.latest === null) return { wait: changed };
        seen = sequence;
        return { value: { repo: name, copy: watch.latest, job, isBusy } };
      });
      const part = (): void => {
        if (joined !== undefined) leave(name, joined);
        joined = undefined;
      };
      return {
        [Symbol.asyncIterator]() {
          return this;
        },
        async next() {
          const result = await states.next();
          if (result.done === true) part();
          return result;
        },
        async return() {
          const result = await states.return?.();
          part();
          return result ?? { done: true, value: undefined };
        },
      };
    },

    async liveness(repo) {
      const { name, repository } = repositories.get(repo);
      const { path, gitDir, commonDir } = repository;
      const entry = watched.get(name);
      const reason =
        entry === undefined ? await findObstacle([path, gitDir, commonDir]) : entry.watch.obstacle;
      return { mode: reason === null ? 'WATCHING' : 'POLLING', reason };
    },

    async close() {
      isClosed = true;
      for (const [repo, entry] of watched) {
        end(repo, entry);
        entry.changed.wake();
      }
      await Promise.all(closing);
    },
  };
}
