import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../error.ts';
import { GitCommandError } from '../git/git-command-error.ts';
import type { Git } from '../git/git.ts';
import { readHead, type Head } from '../git/head.ts';
import { readOperation, type Operation } from '../git/operation.ts';
import type { Repository } from '../git/repository.ts';
import { surveyStatus, type Status, type StatusSurvey } from '../git/status.ts';
import type { Inotify } from './inotify.ts';
import { findOutsideFiles, type OutsideFiles } from './outside-file.ts';
import { createWatchedTree } from './watched-tree.ts';

/** What is known of a working copy, or of a bare repository. One object is shared by all who ask. */
export interface CopyState {
  readonly head: Head;
  /** null of a bare repository. */
  readonly status: Status | null;
}

/** The same with what only who follows it needs. */
export interface FollowedState extends CopyState {
  readonly operation: Operation | null;
}

/** Knows a repository's state: reads it when it may have changed, and only then. */
export interface CopyWatch {
  /**
   * The state, no older than the call. Starts no child while nothing has changed; when something has,
   * one `git status` for all who ask meanwhile.
   * @throws GitCommandError, AppError NOT_FOUND when the repository is gone
   */
  read(): Promise<CopyState>;
  /** What was read last, or why it could not be; null before the first time. */
  readonly latest: FollowedState | Error | null;
  /** Why it is not watched, and so read anew for each who asks; null while it is watched. */
  readonly obstacle: string | null;
  /** While it is followed, each change is read without being asked for. */
  setFollowed(isFollowed: boolean): void;
  /** Resolves when no child of it runs any more. */
  close(): Promise<void>;
}

export interface CopyWatchDeps {
  readonly git: Git;
  readonly repository: Repository;
  readonly host: Readonly<Record<string, string | undefined>>;
  readonly inotify: Inotify;
  readonly maxFolders: number;
  /** How often a followed repository is read that cannot be watched. */
  readonly pollSeconds: number;
  /** Called when `latest` says something else than before. */
  readonly onNews: () => void;
}

/** After a first event, for what belongs to it: git writes several files, editors two. */
const SETTLE_MS = 10;
/** From one reading that nobody asked for to the next, at least. */
const WINDOW_MS = 100;
/** And so many times as long as the last one took, so that a slow one does not fill the machine. */
const WINDOW_FACTOR = 3;
/** New folders that are looked into before git says which are ignored. */
const EAGER_FOLDERS = 200;
/** How long after an obstacle watching is tried again. */
const RETRY_MS = 60_000;

interface Cached {
  readonly state: FollowedState;
  readonly generation: number;
  readonly outside: string;
}

export function createCopyWatch(deps: CopyWatchDeps): CopyWatch {
  const { git, repository, inotify } = deps;
  const ending = new AbortController();
  const { signal } = ending;
  let cached: Cached | null = null;
  let latest: FollowedState | Error | null = null;
  let fingerprint: string | null = null;
  let running: Promise<CopyState> | null = null;
  let queued: Promise<CopyState> | null = null;
  let timer: NodeJS.Timeout | undefined;
  let timerDue = Infinity;
  let isFollowed = false;
  let lastStart = -Infinity;
  let lastDuration = 0;
  let obstacleSince: number | null = null;
  /** Folders were left over, or left out wrongly: what comes next is no surprise and has to be done. */
  let hasMore = false;
  let outside: OutsideFiles | null = null;
  let outsideLook = '';
  let settingsSeen = -1;

  const tree = createWatchedTree({
    repository,
    inotify,
    maxFolders: deps.maxFolders,
    onChange() {
      if (isFollowed) readSoon();
    },
  });

  function readSoon(): void {
    const now = performance.now();
    const window = Math.max(WINDOW_MS, WINDOW_FACTOR * lastDuration);
    schedule(Math.max(now + SETTLE_MS, lastStart + window));
  }

  function readLater(): void {
    schedule(performance.now() + deps.pollSeconds * 1000);
  }

  /** The earlier of two times counts. */
  function schedule(due: number): void {
    if (due >= timerDue || signal.aborted) return;
    unschedule();
    timerDue = due;
    timer = setTimeout(() => {
      unschedule();
      // What went wrong is in `latest`.
      readIfStale().catch(() => undefined);
    }, due - performance.now());
    timer.unref();
  }

  function unschedule(): void {
    clearTimeout(timer);
    timerDue = Infinity;
  }

  async function readIfStale(): Promise<CopyState> {
    return (await findFresh()) ?? (await readAgain());
  }

  /** The state that is known, if nothing happened since it was read. */
  async function findFresh(): Promise<CopyState | null> {
    if (cached === null || outside === null) return null;
    const look = await outside.look();
    // Compared last: what is above may have waited.
    return cached?.generation === tree.generation && cached.outside === look ? cached.state : null;
  }

  /** A reading that has begun may have missed what its asker knows of; so it is followed by another. */
  async function readAgain(): Promise<CopyState> {
    if (running === null) return await start();
    queued ??= running
      .catch(() => undefined)
      .then(async () => {
        queued = null;
        return await readIfStale();
      });
    return await queued;
  }

  async function start(): Promise<CopyState> {
    signal.throwIfAborted();
    unschedule();
    running = run().finally(() => {
      running = null;
      if (hasMore) readSoon();
      else if (!isFollowed || cached !== null) return;
      else if (tree.obstacle !== null || latest instanceof Error) readLater();
      else readSoon();
    });
    return await running;
  }

  async function run(): Promise<CopyState> {
    lastStart = performance.now();
    if (obstacleSince !== null && lastStart - obstacleSince > RETRY_MS) {
      obstacleSince = null;
      tree.retry();
    }
    // Each line relies on the one above: what happens after a folder is watched, or after the generation
    // was looked at, is seen at the end.
    const isWatched = await tree.update(hasMore ? Infinity : EAGER_FOLDERS);
    const { generation } = tree;
    try {
      const look = isWatched ? await lookOutside() : null;
      const read = await readState();
      lastDuration = performance.now() - lastStart;
      const isLeftOutRight = read.survey === null || tree.leaveOut(read.survey);
      await inotify.settle();
      const isSame = look !== null && outside !== null && look === (await outside.look());
      cached =
        isWatched && isLeftOutRight && isSame && generation === tree.generation
          ? { state: read.state, generation, outside: look }
          : null;
      hasMore = tree.obstacle === null && (!isWatched || !isLeftOutRight);
      tell(read.state, read.fingerprint);
      return read.state;
    } catch (error) {
      cached = null;
      hasMore = false;
      const failure = await explainFailure(error, repository);
      tell(failure, `failure: ${failure.message}`);
      throw failure;
    } finally {
      obstacleSince = tree.obstacle === null ? null : (obstacleSince ?? lastStart);
    }
  }

  /** What the files outside are like, after finding out which they are where that may have changed. */
  async function lookOutside(): Promise<string> {
    const seen = tree.settingsGeneration;
    const look = (await outside?.look()) ?? null;
    if (outside !== null && look === outsideLook && seen === settingsSeen) return look;
    outside = await findOutsideFiles(git, repository, deps.host, signal);
    outsideLook = await outside.look();
    settingsSeen = seen;
    return outsideLook;
  }

  async function readState(): Promise<{
    state: FollowedState;
    fingerprint: string;
    survey: StatusSurvey | null;
  }> {
    const operation = await readOperation(repository);
    if (repository.workTree === null) {
      const head = await readHead(git, repository, signal);
      const state = { head, status: null, operation };
      return { state, fingerprint: JSON.stringify(state), survey: null };
    }
    const survey = await surveyStatus(git, repository, signal);
    const { status } = survey;
    return {
      state: { head: { branch: status.branch, oid: status.head }, status, operation },
      fingerprint: `${survey.fingerprint} ${operation}`,
      survey,
    };
  }

  function tell(news: FollowedState | Error, newFingerprint: string): void {
    // A closed one reads no more, which is no news.
    if (signal.aborted) return;
    const isNews = newFingerprint !== fingerprint;
    fingerprint = newFingerprint;
    // The old one is shared already, where it says the same.
    if (isNews || latest === null) latest = news;
    if (isNews) deps.onNews();
  }

  return {
    async read() {
      await inotify.settle();
      return await readIfStale();
    },
    get latest() {
      return latest;
    },
    get obstacle() {
      return tree.obstacle;
    },
    setFollowed(isOn) {
      isFollowed = isOn;
      if (isOn) readSoon();
      else unschedule();
    },
    async close() {
      ending.abort();
      unschedule();
      tree.close();
      await running?.catch(() => undefined);
    },
  };
}

/** Why a repository could not be read: git's own word, or that it is not there, which git says in English only. */
export async function explainFailure(cause: unknown, repository: Repository): Promise<Error> {
  if (cause instanceof GitCommandError && !cause.isCanceled) {
    const parts = [join(repository.gitDir, 'HEAD'), repository.path];
    for (const part of parts) {
      if ((await stat(part).catch(() => null)) === null) {
        return new AppError(
          'NOT_FOUND',
          'the repository is not where it was when the agent started: bring it back, or take it out of the configuration',
        );
      }
    }
  }
  return cause instanceof Error ? cause : new Error(String(cause));
}
