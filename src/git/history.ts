import { AppError } from '../error.ts';
import type { CommitRecord } from './commit-record.ts';
import type { Git } from './git.ts';
import { formatCursor, parseCursor } from './history-cursor.ts';
import { digestOf, isPlain, type HistoryFilter } from './history-filter.ts';
import { createHistoryWalk } from './history-walk.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import { createWalkedCommits, type RepositoryCommits } from './walked-commits.ts';
import { beginWalk, mayBeShown, startWalk, type WalkState } from './walk-state.ts';

export type { HistoryFilter } from './history-filter.ts';

export interface HistoryPage {
  /** In git's order: of the commits that were reached, the one that was committed last comes first. */
  readonly commits: readonly CommitRecord[];
  readonly hasNextPage: boolean;
  /** What they were made upon besides each other, as far as it was read with them or lately. */
  readonly parents: readonly CommitRecord[];
  /** The cursor behind the commit at an index of this page. Costs no child. */
  cursorAt(index: number): string;
}

export interface HistoryOptions {
  readonly first: number;
  /**
   * A cursor of the same history; then `start` and `exclude` do not count, for a branch may have moved.
   */
  readonly after?: string | undefined;
  readonly filter: HistoryFilter;
  readonly signal: AbortSignal;
}

export interface HistoryReader {
  /**
   * Reads a page of a commit's history with one git child at most. Pages one after the other are what one
   * `git rev-list` would print, whatever is committed meanwhile.
   *
   * Without a filter, or with `firstParent`, a page far back costs as much as the first one: the cursor
   * says where git's walk stood. With a second page some more are read, and what was read lately needs no
   * child. Only where clocks were so wrong that this could go astray (see `WalkState`), or hundreds of
   * branches are open at a place, the walk begins anew, with a second child. With another filter it always
   * begins anew and passes by what was shown.
   * @throws AppError BAD_USER_INPUT (cursor, filter), NOT_FOUND (the commits or the repository are gone),
   *   LIMIT_EXCEEDED (the messages are longer than 16 MiB); GitCommandError
   */
  read(repository: Repository, start: Oid, options: HistoryOptions): Promise<HistoryPage>;
}

/** @param deps.cacheBytes what is remembered of commits may take so much */
export function createHistoryReader(deps: {
  readonly git: Git;
  readonly cacheBytes: number;
}): HistoryReader {
  const { git } = deps;
  const walked = createWalkedCommits(deps.cacheBytes);
  return {
    async read(repository, start, { first, after, signal, ...options }) {
      const digest = digestOf(options.filter);
      const place = after === undefined ? null : parseCursor(after, digest);
      const exclude = (place === null ? options.filter.exclude : place.exclude) ?? null;
      const filter = exclude === null ? options.filter : { ...options.filter, exclude };
      const begin = place?.start ?? start;
      const remembered = await walked.open(repository);
      if (remembered === null) throw new AppError('NOT_FOUND', 'the repository is gone from its place'); // prettier-ignore
      const walk = createHistoryWalk(git, repository, filter, place !== null, remembered, signal);
      const cursorOf = (last: Oid, state: WalkState | null): string =>
        formatCursor({ start: begin, exclude, last, state }, digest);

      if (!isPlain(filter)) {
        const commits = await walk.passBy(begin, place?.last ?? null, first + 1, () => undefined);
        return pageOf(commits, first, remembered, (index) =>
          cursorOf(commits[index]?.oid ?? begin, null),
        );
      }

      const state = place === null ? beginWalk(begin) : place.state;
      let commits = state === null ? null : await walk.continue(state, first + 1);
      let way = startWalk(state ?? beginWalk(begin));
      if (place !== null && (commits === null || commits.some((each) => isDoubtful(state, each)))) {
        const anew = startWalk(beginWalk(begin));
        commits = await walk.passBy(begin, place.last, first + 1, (passed) => {
          anew.pass(passed);
        });
        way = anew;
      }
      const page = commits ?? [];
      /** Behind each of the page's commits; found for all at once, by whoever asks first. */
      let states: readonly (WalkState | null)[] | undefined;
      return pageOf(page, first, remembered, (index) => {
        states ??= page.map((commit) => {
          way.pass(commit);
          return way.state();
        });
        return cursorOf(page[index]?.oid ?? begin, states[index] ?? null);
      });
    },
  };
}

function isDoubtful(state: WalkState | null, commit: CommitRecord): boolean {
  return state === null || mayBeShown(state, commit);
}

function pageOf(
  commits: readonly CommitRecord[],
  first: number,
  remembered: RepositoryCommits,
  cursorAt: (index: number) => string,
): HistoryPage {
  const shown = commits.slice(0, first);
  const known = new Map(commits.slice(first).map((each) => [each.oid, each]));
  const own = new Set(shown.map(({ oid }) => oid));
  const others = new Set(shown.flatMap(({ commit }) => commit?.parentOids ?? [])).difference(own);
  const parents = [...others].flatMap((oid) => known.get(oid) ?? remembered.find(oid) ?? []);
  return {
    commits: shown,
    hasNextPage: commits.length > first,
    parents,
    cursorAt,
  };
}
