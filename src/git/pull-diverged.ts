import { AppError } from '../error.ts';
import { parseBranchName } from './branch-name.ts';
import { readHead } from './head.ts';
import { filesInTheWay, listSome } from './in-the-way.ts';
import type { Oid } from './oid.ts';
import type { Branch } from './pull-branch.ts';
import type { PullDeps, PullOrder } from './pull-order.ts';
import { refuseFilesInTheWay } from './pull-refusal.ts';
import type { Status } from './status.ts';

/**
 * Brings a branch and its upstream together that each have commits the other has not, by merge or
 * rebase, and gives the branch's new tip.
 * @throws AppError CONFLICT, before anything is touched; GitCommandError, when all is as it was
 */
export async function reconcile(
  deps: PullDeps,
  order: PullOrder,
  before: Status,
  branch: Branch,
  divergence: { readonly ahead: number; readonly behind: number },
): Promise<Oid> {
  const { name, local, target, upstream } = branch;
  if (local === null) throw new Error('a branch that does not exist here cannot have diverged');
  if (order.strategy === 'ff-only') {
    throw new AppError(
      'CONFLICT',
      `branch ${name} has diverged from ${upstream} (${divergence.ahead} ahead, ${divergence.behind} behind): ` +
        'push or drop its own commits, or pull with the strategy merge, rebase or reset',
      { ...divergence, branch: name, upstream },
    );
  }
  // A merge needs an index like HEAD, a rebase a clean working tree besides; where the branch is not
  // checked out yet, switching to it comes first.
  const needClean = before.entries.filter(
    (entry) => entry.index !== '.' || (order.strategy === 'rebase' && !entry.isSubmodule),
  );
  if (needClean.length > 0) throw filesInTheWay(needClean.map((entry) => entry.path));
  const merged =
    order.strategy === 'merge' ? await rehearseMerge(deps, local, target, upstream) : target;
  await refuseFilesInTheWay(deps, before, merged);
  if (before.branch !== name) {
    await refuseFilesInTheWay(deps, before, local);
    deps.say(`checkout ${name} at ${local}`);
    await deps.workingCopy.switchTo(name, local, null);
  }
  deps.say(
    `${order.strategy} ${upstream} (${divergence.ahead} ahead, ${divergence.behind} behind)`,
  );
  try {
    await (order.strategy === 'merge'
      ? deps.workingCopy.merge(target)
      : deps.workingCopy.rebase(target));
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

/**
 * Merges in the object database alone and gives the tree it would make, so that a conflict is
 * refused before the working tree is touched.
 */
async function rehearseMerge(
  deps: PullDeps,
  ours: Oid,
  theirs: Oid,
  upstream: string,
): Promise<Oid> {
  const { stdout, exitCode } = await deps.git.run(
    deps.repository,
    ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', ours, theirs],
    { intent: 'read', signal: deps.signal, exitCodes: [0, 1] },
  );
  const [tree = '', ...files] = stdout.toString('utf8').split('\0').filter(Boolean);
  if (exitCode === 0) return tree as Oid;
  throw new AppError(
    'CONFLICT',
    `${upstream} cannot be merged: both sides changed ${listSome(files)}; merge by hand, or pull with the strategy reset`,
    { files },
  );
}
