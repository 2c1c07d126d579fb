import { findUntrackedInTheWay, pathsOf, repositoriesInTheWay } from './in-the-way.ts';
import type { Oid } from './oid.ts';
import type { Branch } from './pull-branch.ts';
import type { PullDeps, PullOrder } from './pull-order.ts';
import { listChanges } from './pull-refusal.ts';
import { isReachable } from './ref.ts';
import { listAssumedUnchanged, saveSnapshot } from './snapshot.ts';
import type { Status } from './status.ts';

/**
 * Makes a branch what its upstream is, and gives its new tip. What it discards is saved first.
 * @throws AppError CONFLICT; GitCommandError
 */
export async function resetToBranch(
  deps: PullDeps,
  order: PullOrder,
  before: Status,
  branch: Branch,
  ahead: number,
): Promise<Oid> {
  const { name, local, target, upstreamRef } = branch;
  const lost = ahead > 0 && local !== null ? [local] : [];
  await saveBeforeReset(deps, order, before, target, lost);
  if (before.branch === name && before.head !== null) {
    deps.say(`reset ${name} to ${target}`);
    await deps.workingCopy.reset(target);
  } else {
    deps.say(`reset ${name} to ${target} and check it out`);
    await deps.workingCopy.forceSwitchTo(name, target, local === null ? upstreamRef : null);
  }
  return target;
}

/**
 * Keeps what a reset to `target` would discard: changed tracked files, untracked ones in its way, commits.
 * @throws AppError CONFLICT when it is more than can be kept; GitCommandError
 */
export async function saveBeforeReset(
  deps: PullDeps,
  order: PullOrder,
  before: Status,
  target: Oid,
  lostCommits: readonly Oid[],
): Promise<void> {
  const { git, repository, signal } = deps;
  const { head, entries } = before;
  const changes = await listChanges(deps, before, target);
  // A reset writes every changed file anew, so what stands in the place of a deleted one goes too.
  const untracked = await findUntrackedInTheWay(
    repository.path,
    before,
    changes,
    entries.filter((entry) => !entry.isSubmodule).flatMap(pathsOf),
  );
  const repositories = untracked.filter((path) => path.text.endsWith('/'));
  if (repositories.length > 0) throw repositoriesInTheWay(repositories);
  const commits = [...lostCommits];
  // The commits of a detached HEAD may be on no branch.
  if (before.branch === null && head !== null && head !== target) {
    if (!(await isReachable(git, repository, head, signal))) commits.push(head);
  }
  const assumedUnchanged = await listAssumedUnchanged(git, repository, signal);
  if ([entries, untracked, assumedUnchanged, commits].every((list) => list.length === 0)) return;
  const message = `saved by GitAgent before a reset to ${target}`;
  const content = { head, untracked, assumedUnchanged, commits, message };
  await saveSnapshot(git, repository, order.savedRef, content, signal);
  deps.say(`saved what the reset discards as ${order.savedRef} (git show ${order.savedRef})`);
}
