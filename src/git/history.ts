import { createHash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { AppError } from '../error.ts';
import {
  createRecordSplitter,
  parseRecord,
  parseWalkedCommit,
  RECORD_FORMAT,
  type CommitRecord,
} from './commit-record.ts';
import type { Git } from './git.ts';
import { formatCursor, parseCursor } from './history-cursor.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import { advance, beginWalk, mayBeShown, type WalkedCommit, type WalkState } from './walk-state.ts';

/** Which commits of a history are wanted. */
export interface HistoryFilter {
  /** Follows only the first parent of each merge. Default: false. */
  readonly firstParent?: boolean;
  /** Only commits that change something at or below this path, as `git log -- PATH` has it. */
  readonly path?: Buffer;
  /** Only commits that were committed at this moment or later; older ones end their line. */
  readonly since?: Date;
  /** Only commits that were committed at this moment or earlier. */
  readonly until?: Date;
  /** Only commits whose author has one of these addresses, in upper or lower case. */
  readonly emails?: readonly string[];
  /** Without what this commit reaches. */
  readonly exclude?: Oid;
}

export interface HistoryPage {
  /** In git's order: of the commits that were reached, the one that was committed last comes first. */
  readonly commits: readonly CommitRecord[];
  readonly hasNextPage: boolean;
  /** One more, which the next page begins with; it was read anyway. */
  readonly next: CommitRecord | null;
  /** The cursor behind the commit at an index of this page. Costs no child. */
  cursorAt(index: number): string;
}

/** A page's commits are held in memory: messages can be of any length. */
const MAX_PAGE_BYTES = 16 * 1024 * 1024;
const MAX_EMAILS = 20;

/**
 * Reads a page of a commit's history with one git child. Pages one after the other are what one
 * `git rev-list` would print, whatever is committed meanwhile.
 *
 * Without a filter, or with `firstParent`, a page far back costs as much as the first one: the cursor
 * says where git's walk stood. Only where clocks were so wrong that this could go astray (see
 * `WalkState`), or hundreds of branches are open at a place, the walk begins anew, with a second child.
 * With another filter it always begins anew and passes by what was shown.
 * @param after a cursor of the same history; then `start` and `exclude` do not count, for a branch may have
 *   moved
 * @throws AppError BAD_USER_INPUT (cursor, filter), NOT_FOUND (the commits are gone), LIMIT_EXCEEDED
 *   (the messages are longer than 16 MiB); GitCommandError
 */
export async function readHistory(
  git: Git,
  repository: Repository,
  start: Oid,
  options: {
    readonly first: number;
    readonly after?: string | undefined;
    readonly filter: HistoryFilter;
    readonly signal: AbortSignal;
  },
): Promise<HistoryPage> {
  const { first, after, signal } = options;
  const digest = digestOf(options.filter);
  const place = after === undefined ? null : parseCursor(after, digest);
  const exclude = (place === null ? options.filter.exclude : place.exclude) ?? null;
  const filter = exclude === null ? options.filter : { ...options.filter, exclude };
  const begin = place?.start ?? start;
  const walk = createWalk(git, repository, filter, signal, after !== undefined);

  if (!isPlain(filter)) {
    const commits = await walk.passBy(begin, place?.last ?? null, first + 1, () => undefined);
    return pageOf(commits, first, (index) =>
      formatCursor(
        { start: begin, exclude, last: commits[index]?.oid ?? begin, state: null },
        digest,
      ),
    );
  }

  let state = place === null ? beginWalk(begin) : place.state;
  /** What the new walk has shown, or the old one if it had to be walked again. */
  const shown = new Set<Oid>();
  let commits = state === null ? null : await walk.continue(state, first + 1);
  if (place !== null && (commits === null || commits.some((each) => isDoubtful(state, each)))) {
    let fresh = beginWalk(begin);
    commits = await walk.passBy(begin, place.last, first + 1, (passed) => {
      shown.add(passed.oid);
      fresh = advance(fresh, passed, (id) => shown.has(id));
    });
    state = fresh;
  }
  const page = commits ?? [];
  const from = state ?? beginWalk(begin);
  return pageOf(page, first, (index) => {
    let at: WalkState = from;
    const seen = new Set<Oid>();
    for (const commit of page.slice(0, index + 1)) {
      seen.add(commit.oid);
      at = advance(at, commit, (id) => seen.has(id) || shown.has(id));
    }
    return formatCursor(
      { start: begin, exclude, last: page[index]?.oid ?? begin, state: at },
      digest,
    );
  });
}

function isDoubtful(state: WalkState | null, commit: CommitRecord): boolean {
  return state === null || mayBeShown(state, commit);
}

function pageOf(
  commits: readonly CommitRecord[],
  first: number,
  cursorAt: (index: number) => string,
): HistoryPage {
  return {
    commits: commits.slice(0, first),
    hasNextPage: commits.length > first,
    next: commits[first] ?? null,
    cursorAt,
  };
}

/** Whether every commit that git walks over is shown. */
function isPlain({ firstParent: _, ...others }: HistoryFilter): boolean {
  return Object.keys(others).length === 0;
}

function digestOf(filter: HistoryFilter): Buffer {
  const { firstParent = false, path, since, until, emails, exclude } = filter;
  const all = [
    firstParent,
    path?.toString('base64') ?? null,
    since?.getTime() ?? null,
    until?.getTime() ?? null,
    emails ?? null,
    // Which one it is, the cursor says.
    exclude !== undefined,
  ];
  return createHash('sha256').update(JSON.stringify(all)).digest().subarray(0, 4);
}

interface Walk {
  /** The next commits of a walk that stands where `state` says. */
  continue(state: WalkState, count: number): Promise<CommitRecord[]>;
  /** Begins anew and gives the commits that follow `last`; the first ones when it is null. */
  passBy(
    start: Oid,
    last: Oid | null,
    count: number,
    onPassed: (commit: WalkedCommit) => void,
  ): Promise<CommitRecord[]>;
}

function createWalk(
  git: Git,
  repository: Repository,
  filter: HistoryFilter,
  signal: AbortSignal,
  isResumed: boolean,
): Walk {
  const flags = [...RECORD_FORMAT, ...filterArguments(filter)];
  const isWhole = isPlain(filter);
  const followed = <T extends WalkedCommit>(commit: T): T =>
    filter.firstParent === true
      ? { ...commit, walkParents: commit.walkParents.slice(0, 1) }
      : commit;

  async function run(
    more: readonly string[],
    revisions: readonly string[],
    onRecord: (bytes: Buffer) => boolean,
  ): Promise<void> {
    const splitter = createRecordSplitter();
    let held = 0;
    const path = pathInput(filter.path);
    const { exitCode } = await git.run(
      repository,
      [
        'rev-list',
        ...flags,
        ...more,
        ...path.flags,
        '--end-of-options',
        ...revisions,
        ...path.args,
      ],
      {
        intent: 'read',
        signal,
        // What a cursor names was here once; what the caller found just now is here.
        exitCodes: isResumed ? [0, 128] : [0],
        ...(path.stdin === undefined ? {} : { stdin: path.stdin }),
        onStdout(bytes) {
          const records = splitter.push(bytes);
          held = records.length === 0 ? held + bytes.length : 0;
          if (held > MAX_PAGE_BYTES) throw tooLong();
          return records.every(onRecord);
        },
      },
    );
    if (exitCode !== 0) throw new AppError('NOT_FOUND', 'commits of this history are not here: it was cut off or pruned'); // prettier-ignore
  }

  return {
    async continue({ queue }, count) {
      const commits: CommitRecord[] = [];
      let size = 0;
      if (queue.length === 0) return commits;
      await run([`--max-count=${count}`], queue, (bytes) => {
        size += bytes.length;
        if (size > MAX_PAGE_BYTES) throw tooLong();
        commits.push(followed(parseRecord(bytes)));
        return true;
      });
      return commits;
    },
    async passBy(start, last, count, onPassed) {
      const commits: CommitRecord[] = [];
      let size = 0;
      let isPast = last === null;
      const revisions = [start, ...(filter.exclude === undefined ? [] : [`^${filter.exclude}`])];
      await run([], revisions, (bytes) => {
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
      if (!isPast) {
        throw new AppError('NOT_FOUND', 'the commit that this cursor names is not in this history');
      }
      return commits;
    },
  };
}

function tooLong(): AppError {
  return new AppError(
    'LIMIT_EXCEEDED',
    `the messages of this page are longer than ${MAX_PAGE_BYTES} bytes: ask for a shorter page`,
  );
}

function filterArguments(filter: HistoryFilter): string[] {
  const { firstParent, since, until, emails, path } = filter;
  const args: string[] = [];
  // With paths git would rewrite the parents, and for that show other merges.
  if (path === undefined) args.push('--parents');
  if (firstParent === true) args.push('--first-parent');
  if (since !== undefined) args.push(`--max-age=${secondsOf(since, Math.ceil)}`);
  if (until !== undefined) args.push(`--min-age=${secondsOf(until, Math.floor)}`);
  if (emails !== undefined) {
    if (emails.length > MAX_EMAILS) {
      throw new AppError('BAD_USER_INPUT', `at most ${MAX_EMAILS} addresses can be asked for`);
    }
    args.push('--fixed-strings', '--regexp-ignore-case');
    for (const email of emails) args.push(`--author=<${checkEmail(email)}>`);
  }
  return args;
}

function secondsOf(date: Date, round: (value: number) => number): number {
  const seconds = round(date.getTime() / 1000);
  if (seconds >= 0) return seconds;
  throw new AppError('BAD_USER_INPUT', 'git knows no time before 1970');
}

/** What stands between `<` and `>` in a commit. A line's end would begin another pattern. */
function checkEmail(email: string): string {
  // oxlint-disable-next-line no-control-regex -- that is what is refused
  if (email.length <= 320 && !/[<>\u0000-\u001f]/.test(email)) return email;
  throw new AppError(
    'BAD_USER_INPUT',
    `${JSON.stringify(email.slice(0, 80))} is not an address that a commit could have`,
  );
}

/** Paths are literal, see `gitEnvironment`. Node gives a child only arguments that are UTF-8. */
function pathInput(path: Buffer | undefined): {
  readonly flags: readonly string[];
  readonly args: readonly string[];
  readonly stdin?: Buffer;
} {
  if (path === undefined) return { flags: [], args: ['--'] };
  if (isUtf8(path)) return { flags: [], args: ['--', path.toString('utf8')] };
  if (path.includes(0x0a)) {
    throw new AppError(
      'BAD_USER_INPUT',
      'git takes no path that has a line end and is not UTF-8: ask for the folder it is in',
    );
  }
  return {
    flags: ['--stdin'],
    args: [],
    stdin: Buffer.concat([Buffer.from('--\n'), path, Buffer.from('\n')]),
  };
}
