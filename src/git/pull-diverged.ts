import { parseBranchName } from './branch-name.ts';
import { readHead } from './head.ts';
import type { Oid } from './oid.ts';
import type { Move } from './pull-move.ts';
import type { PullDeps } from './pull-order.ts';
import type { Status } from './status.ts';

/**
 * Brings a branch and its upstream together that each have commits the other has not, by merge or
 * rebase, and gives the branch's new tip. Nothing stands in its way any more.
 * @throws GitCommandError, when all is as it was
 */
export async function reconcile(deps: PullDeps, before: Status, move: Move): Promise<Oid> {
  const { kind, branch, target, ahead, behind } = move;
  if (branch === null || branch.local === null) {
    throw new Error('a branch that does not exist here cannot have diverged');
  }
  const { name, local, upstream } = branch;
  if (before.branch !== name) {
    deps.say(`checkout ${name} at ${local}`);
    await deps.workingCopy.switchTo(name, local, null);
  }
  deps.say(`${kind.toLowerCase()} ${upstream} (${ahead} ahead, ${behind} behind)`);
  try {
    await (kind === 'MERGE' ? deps.workingCopy.merge(target) : deps.workingCopy.rebase(target));
  } catch (error) {
    if (before.branch !== name) await returnTo(deps, before);
    throw error;
  }
  const after = await readHead(deps.git, deps.repository, deps.signal);
  if (after.oid === null) throw new Error('HEAD has no commit after a merge');
  return after.oid;
}

/** Checks out again what was checked out before the branch that could not be merged or rebased. */
async function returnTo(deps: PullDeps, before: Status): Promise<void> {
  // There is no way back to a branch that has no commit yet.
  if (before.head === null) return;
  await (before.branch === null
    ? deps.workingCopy.detach(before.head)
    : deps.workingCopy.switchTo(parseBranchName(before.branch), before.head, null));
}
