import { LRUCache } from 'lru-cache';
import { AppError } from '../error.ts';
import { readCommit } from './commit-reader.ts';
import type { Git } from './git.ts';
import { gitPath, pathBytes, type GitPath } from './git-path.ts';
import { readLogNames, type NamedCommit } from './log-names.ts';
import type { ObjectReader } from './object-reader.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import { findEntry, readTree } from './tree-path.ts';
import type { TreeEntry } from './tree.ts';

export interface LastCommitDeps {
  readonly git: Git;
  readonly objects: ObjectReader;
  readonly repository: Repository;
  readonly signal: AbortSignal;
}

/** Commits that the walk came by before anything led to them are remembered, so many at most. */
const MAX_REMEMBERED = 50_000;
/** From where the walk lost names it begins again, so often at most. */
const MAX_WALKS = 20;

/**
 * Finds the last commit that changed each of some names in a folder: what `git log -1 COMMIT -- FOLDER/NAME`
 * gives for each of them, by one walk for all, which ends with the last name. One git child.
 *
 * `git log` with a path goes from a commit to the first of its parents that has the same at this path, and
 * stops where none has. So each name takes one way through history, and the walk that git makes here, of all
 * commits with what they changed, passes every one of them.
 * @param folder null for the top
 * @param names as they stand in the folder's tree at `commit`
 * @returns by the name's bytes in Latin-1; without the names that are not there
 * @throws AppError NOT_FOUND without such a commit, LIMIT_EXCEEDED; GitCommandError
 */
export async function findLastCommits(
  deps: LastCommitDeps,
  commit: Oid,
  folder: GitPath | null,
  names: readonly GitPath[],
  walksLeft = MAX_WALKS,
): Promise<Map<string, Oid>> {
  const { git, repository, signal } = deps;
  const trail = createTrail(deps, folder);
  const inFolder = await trail.entriesAt(commit);
  const wanted = names.map(keyOf).filter((name) => inFolder.has(name));
  trail.wait(commit, wanted);
  if (wanted.length > 0) {
    await readLogNames(git, repository, commit, folder, signal, async (each) => {
      await trail.pass(each);
      return trail.isDone();
    });
  }
  const lost = trail.lost();
  if (lost.length > walksLeft) {
    throw new AppError(
      'LIMIT_EXCEEDED',
      `the dates of this history need ${lost.length} more walks through it, and ${walksLeft} are allowed: ask for fewer names`,
    );
  }
  for (const [from, left] of lost) {
    const more = await findLastCommits(deps, from, folder, left, walksLeft - lost.length);
    for (const [name, oid] of more) trail.found.set(name, oid);
  }
  return trail.found;
}

function keyOf(name: GitPath): string {
  return pathBytes(name).toString('latin1');
}

interface Trail {
  /** What has been found. */
  readonly found: Map<string, Oid>;
  entriesAt(commit: Oid): Promise<ReadonlyMap<string, TreeEntry>>;
  /** From here the names go on when the walk comes to this commit. */
  wait(commit: Oid, names: readonly string[]): void;
  pass(commit: NamedCommit): Promise<void>;
  isDone(): boolean;
  /** Names that wait for a commit the walk has passed already, longer ago than is remembered. */
  lost(): [from: Oid, names: GitPath[]][];
}

function createTrail(deps: LastCommitDeps, folder: GitPath | null): Trail {
  const { objects, repository, signal } = deps;
  const found = new Map<string, Oid>();
  const waiting = new Map<Oid, string[]>();
  // A date that lies lets the walk come to a parent before one of its children.
  const passed = new LRUCache<Oid, NamedCommit>({ max: MAX_REMEMBERED });
  const folders = new LRUCache<Oid, ReadonlyMap<string, TreeEntry>>({ max: 8 });

  /** The folder as it was; empty when it was not there, or its commit is not: past a shallow boundary. */
  async function entriesAt(commit: Oid): Promise<ReadonlyMap<string, TreeEntry>> {
    const known = folders.get(commit);
    if (known !== undefined) return known;
    const entries = new Map<string, TreeEntry>();
    const { treeOid } = await readCommit(objects, repository, commit, signal);
    const at =
      folder === null
        ? { type: 'tree', oid: treeOid }
        : await findEntry(objects, repository, treeOid, folder, signal);
    if (at?.type === 'tree') {
      for (const each of await readTree(objects, repository, at.oid, signal)) {
        entries.set(keyOf(each.name), each);
      }
    }
    folders.set(commit, entries);
    return entries;
  }

  async function pass(commit: NamedCommit): Promise<void> {
    const steps = [commit];
    for (let step = steps.pop(); step !== undefined; step = steps.pop()) {
      const names = waiting.get(step.oid);
      if (names === undefined) {
        passed.set(step.oid, step);
        continue;
      }
      waiting.delete(step.oid);
      for (const [parent, group] of await sortOut(step, names)) {
        waiting.set(parent, [...(waiting.get(parent) ?? []), ...group]);
        const earlier = passed.get(parent);
        if (earlier !== undefined && !steps.includes(earlier)) steps.push(earlier);
      }
    }
  }

  /** Which parent each name goes to; those that no parent has the same are found. */
  async function sortOut(
    { oid, parents, changed }: NamedCommit,
    names: readonly string[],
  ): Promise<Map<Oid, string[]>> {
    const next = new Map<Oid, string[]>();
    const [first, ...others] = parents;
    for (const name of names) {
      let to = changed.has(name) ? undefined : first;
      for (const parent of to === undefined ? others : []) {
        const [mine, theirs] = await Promise.all([entriesAt(oid), entriesAt(parent)]);
        if (!isSame(mine.get(name), theirs.get(name))) continue;
        to = parent;
        break;
      }
      if (to === undefined) found.set(name, oid);
      else next.set(to, [...(next.get(to) ?? []), name]);
    }
    return next;
  }

  return {
    found,
    entriesAt,
    wait: (commit, names) => {
      if (names.length > 0) waiting.set(commit, [...names]);
    },
    pass,
    isDone: () => waiting.size === 0,
    lost: () =>
      Array.from(waiting, ([from, names]) => [
        from,
        names.map((name) => gitPath(Buffer.from(name, 'latin1'))),
      ]),
  };
}

function isSame(one: TreeEntry | undefined, other: TreeEntry | undefined): boolean {
  return (
    one !== undefined && other !== undefined && one.mode === other.mode && one.oid === other.oid
  );
}
