import type { AppError } from '../error.ts';
import { listTreeChanges } from './diff.ts';
import type { GitPath } from './git-path.ts';
import { findUntrackedInTheWay, pathsOf, repositoriesInTheWay } from './in-the-way.ts';
import type { Oid } from './oid.ts';
import type { Move } from './pull-move.ts';
import type { LookDeps, PullDeps, PullOrder } from './pull-order.ts';
import { isReachable } from './ref.ts';
import { listAssumedUnchanged, saveSnapshot } from './snapshot.ts';
import type { Status } from './status.ts';

/** What a reset discards. */
export interface Discarded {
  /** Tracked files with changes. */
  readonly changed: readonly GitPath[];
  /** Files that are not tracked and stand where it writes. */
  readonly untracked: readonly GitPath[];
  /** Tracked files whose changes the index was told to overlook. */
  readonly assumedUnchanged: readonly GitPath[];
  /** Commits that no branch would have any more. */
  readonly commits: readonly Oid[];
}

/**
 * Finds what a reset would discard: changed tracked files, untracked ones in its way, commits; or what of it
 * is more than can be kept.
 * @throws GitCommandError
 */
export async function findDiscarded(
  { git, repository, signal }: LookDeps,
  before: Status,
  { branch, target, ahead }: Move,
): Promise<Discarded | { readonly refusal: AppError; readonly inTheWay: readonly GitPath[] }> {
  const { head, entries } = before;
  const options = { findRenames: false };
  const changes = await listTreeChanges(git, repository, head, target, signal, options);
  // A reset writes every changed file anew, so what stands in the place of a deleted one goes too.
  const untracked = await findUntrackedInTheWay(
    repository.path,
    before,
    changes,
    entries.filter((entry) => !entry.isSubmodule).flatMap(pathsOf),
  );
  const repositories = untracked.filter((path) => path.text.endsWith('/'));
  if (repositories.length > 0) {
    return { refusal: repositoriesInTheWay(repositories), inTheWay: repositories };
  }
  const local = branch?.local ?? null;
  const commits = ahead > 0 && local !== null ? [local] : [];
  // The commits of a detached HEAD may be on no branch.
  if (before.branch === null && head !== null && head !== target) {
    if (!(await isReachable(git, repository, head, signal))) commits.push(head);
  }
  const assumedUnchanged = await listAssumedUnchanged(git, repository, signal);
  return { changed: entries.map((entry) => entry.path), untracked, assumedUnchanged, commits };
}

/**
 * Keeps it under `order.savedRef`, and says so.
 * @throws GitCommandError
 */
export async function saveDiscarded(
  { git, repository, signal, say }: PullDeps,
  { savedRef }: PullOrder,
  head: Oid | null,
  target: Oid,
  { changed, untracked, assumedUnchanged, commits }: Discarded,
): Promise<void> {
  if ([changed, untracked, assumedUnchanged, commits].every((list) => list.length === 0)) return;
  const message = `saved by GitAgent before a reset to ${target}`;
  const content = { head, untracked, assumedUnchanged, commits, message };
  await saveSnapshot(git, repository, savedRef, content, signal);
  say(`saved what the reset discards as ${savedRef} (git show ${savedRef})`);
}
