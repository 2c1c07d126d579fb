import { LRUCache } from 'lru-cache';
import type { CommitRecord } from './commit-record.ts';
import { readStamp } from './object-stamp.ts';
import type { Oid } from './oid.ts';
import { createPlacePrefixes } from './place-prefix.ts';
import type { Repository } from './repository.ts';
import type { WalkState } from './walk-state.ts';

/** Commits that walks have met, of all repositories: an object never changes, nor do its parents. */
export interface WalkedCommits {
  /** Those of the repository that lies there now; null when there is none any more. */
  open(repository: Repository): Promise<RepositoryCommits | null>;
}

export interface RepositoryCommits {
  /** Whether anything that is added can be remembered. */
  readonly isRemembering: boolean;
  add(commit: CommitRecord): void;
  find(oid: Oid): CommitRecord | undefined;
  /**
   * Goes on with a walk as git would; null when that takes a commit that is not remembered, or whose time
   * is not known for sure.
   */
  walk(
    state: WalkState,
    count: number,
    followed: (commit: CommitRecord) => CommitRecord,
  ): CommitRecord[] | null;
}

/** What remembering a commit takes besides its text, which is held as it was printed and as it was read. */
const ENTRY_BYTES = 500;

/** @param cacheBytes what is remembered may take so much; 0 remembers nothing */
export function createWalkedCommits(cacheBytes: number): WalkedCommits {
  const cache = new LRUCache<string, CommitRecord>({
    // 0 would mean no limit.
    maxSize: Math.max(1, cacheBytes),
    sizeCalculation: ({ bytes, walkParents }) => ENTRY_BYTES + 100 * walkParents.length + 2 * bytes,
  });
  const prefixes = createPlacePrefixes();

  return {
    async open(repository) {
      const stamp = await readStamp(repository, true);
      if (stamp === null) return null;
      // The boundary of a shallow clone is where commits have no parents.
      const prefix = prefixes.find(repository.gitDir, `${stamp.place} ${stamp.walk}`);
      const find = (oid: Oid): CommitRecord | undefined => cache.get(prefix + oid);
      return {
        isRemembering: cacheBytes > 0,
        add: (commit) => cache.set(prefix + commit.oid, commit),
        find,
        walk: (state, count, followed) => walk(find, state, count, followed),
      };
    },
  };
}

/**
 * git's own order (`commit_list_insert_by_date` of its commit.c): the youngest of those that were reached
 * comes next, of those of one second the one that was reached first.
 */
function walk(
  find: (oid: Oid) => CommitRecord | undefined,
  { queue }: WalkState,
  count: number,
  followed: (commit: CommitRecord) => CommitRecord,
): CommitRecord[] | null {
  const met = new Set<Oid>();
  const waiting: CommitRecord[] = [];
  /** Puts commits where they belong, and says whether all of them could be. */
  const reach = (oids: readonly Oid[]): boolean => {
    for (const oid of oids) {
      if (met.has(oid)) continue;
      met.add(oid);
      const commit = find(oid);
      if (commit?.time == null) return false;
      const { time } = commit;
      let at = 0;
      for (let end = waiting.length; at < end;) {
        const middle = (at + end) >> 1;
        if ((waiting[middle]?.time ?? 0) < time) end = middle;
        else at = middle + 1;
      }
      waiting.splice(at, 0, commit);
    }
    return true;
  };
  const shown: CommitRecord[] = [];
  if (!reach(queue)) return null;
  for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
    const commit = followed(next);
    shown.push(commit);
    if (shown.length === count) break;
    if (!reach(commit.walkParents)) return null;
  }
  return shown;
}
