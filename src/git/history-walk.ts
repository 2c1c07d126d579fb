import { AppError } from '../error.ts';
import {
  createRecordSplitter,
  parseRecord,
  parseWalkedCommit,
  RECORD_FORMAT,
  type CommitRecord,
} from './commit-record.ts';
import { GitCommandError } from './git-command-error.ts';
import type { Git } from './git.ts';
import { filterArguments, isPlain, pathInput, type HistoryFilter } from './history-filter.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import type { RepositoryCommits } from './walked-commits.ts';
import type { WalkedCommit, WalkState } from './walk-state.ts';

/** Reads the commits of one page. */
export interface HistoryWalk {
  /** The next commits of a walk that stands where `state` says; without a child where all are remembered. */
  continue(state: WalkState, count: number): Promise<CommitRecord[]>;
  /** Begins anew and gives the commits that follow `last`; the first ones when it is null. */
  passBy(
    start: Oid,
    last: Oid | null,
    count: number,
    onPassed: (commit: WalkedCommit) => void,
  ): Promise<CommitRecord[]>;
}

/** A page's commits are held in memory: messages can be of any length. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
/** Who asks for a second page asks for more: so many pages are read with it, */
const PAGES_AHEAD = 10;
/** unless they have more bytes than this. */
const MAX_AHEAD_BYTES = 1024 * 1024;

/** @param isResumed whether a cursor is what says where to begin */
export function createHistoryWalk(
  git: Git,
  repository: Repository,
  filter: HistoryFilter,
  isResumed: boolean,
  remembered: RepositoryCommits,
  signal: AbortSignal,
): HistoryWalk {
  const isWhole = isPlain(filter);
  const followed = <T extends WalkedCommit>(commit: T): T =>
    filter.firstParent === true
      ? { ...commit, walkParents: commit.walkParents.slice(0, 1) }
      : commit;

  async function run(
    more: readonly string[],
    revisions: readonly string[],
    onRecord: (bytes: Buffer) => boolean,
  ): Promise<'read' | 'cut off'> {
    const splitter = createRecordSplitter();
    let held = 0;
    const path = pathInput(filter.path);
    const flags = [...RECORD_FORMAT, ...filterArguments(filter), ...more, ...path.flags];
    const args = ['rev-list', ...flags, '--end-of-options', ...revisions, ...path.args];
    const { stdin } = path;
    try {
      await git.scan(repository, args, { intent: 'read', signal, stdin }, async (output) => {
        for await (const bytes of output) {
          const records = splitter.push(bytes);
          held = records.length === 0 ? held + bytes.length : 0;
          if (held > MAX_PAGE_BYTES) throw tooLong();
          if (!records.every(onRecord)) return;
        }
      });
      return 'read';
    } catch (error) {
      // What a cursor names was here once; what the caller found just now is here.
      if (isResumed && error instanceof GitCommandError && error.exitCode === 128) {
        return 'cut off';
      }
      throw error;
    }
  }

  return {
    async continue(state, count) {
      if (state.queue.length === 0) return [];
      const known = remembered.walk(state, count, followed);
      if (known !== null) return known;
      const commits: CommitRecord[] = [];
      let size = 0;
      const ahead = isResumed && remembered.isRemembering ? PAGES_AHEAD * (count - 1) + 1 : count;
      // The boundary is what waits at the end: the next page must know how old it is. With one parent
      // each, one waits.
      const flags = [
        `--max-count=${ahead}`,
        ...(filter.firstParent === true ? [] : ['--boundary']),
      ];
      const end = await run(flags, state.queue, (bytes) => {
        size += bytes.length;
        const isEnough = commits.length >= count;
        if (size > (isEnough ? MAX_AHEAD_BYTES : MAX_PAGE_BYTES)) {
          if (isEnough) return false;
          throw tooLong();
        }
        const isWaiting = bytes[0] === BOUNDARY_MARK;
        const commit = parseRecord(isWaiting ? bytes.subarray(1) : bytes);
        remembered.add(commit);
        if (!isEnough && !isWaiting) commits.push(followed(commit));
        return true;
      });
      if (end === 'cut off' && commits.length < count) throw cutOff();
      return commits;
    },
    async passBy(start, last, count, onPassed) {
      const commits: CommitRecord[] = [];
      let size = 0;
      let isPast = last === null;
      const revisions = [start, ...(filter.exclude === undefined ? [] : [`^${filter.exclude}`])];
      const end = await run([], revisions, (bytes) => {
        if (isPast) {
          size += bytes.length;
          if (size > MAX_PAGE_BYTES) throw tooLong();
          commits.push(followed(parseRecord(bytes)));
          return commits.length < count;
        }
        // The id comes first, whatever follows.
        isPast = bytes.toString('latin1', 0, last?.length) === last;
        if (isWhole) onPassed(followed(parseWalkedCommit(bytes)));
        return true;
      });
      if (end === 'cut off') throw cutOff();
      if (!isPast) {
        throw new AppError('NOT_FOUND', 'the commit that this cursor names is not in this history');
      }
      return commits;
    },
  };
}

/** What git-rev-list(1) prints before a boundary commit: `-`. */
const BOUNDARY_MARK = 0x2d;

function cutOff(): AppError {
  return new AppError(
    'NOT_FOUND',
    'commits of this history are not here: it was cut off or pruned',
  );
}

function tooLong(): AppError {
  return new AppError(
    'LIMIT_EXCEEDED',
    `the messages of this page are longer than ${MAX_PAGE_BYTES} bytes: ask for a shorter page`,
  );
}
