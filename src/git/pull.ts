import { AppError } from '../error.ts';
import type { Oid } from './oid.ts';
import { readOperation } from './operation.ts';
import { findOtherWorkTree } from './other-work-tree.ts';
import {
  chooseBranch,
  findBranch,
  findSource,
  refuseIfElsewhere,
  type Branch,
} from './pull-branch.ts';
import { reconcile } from './pull-diverged.ts';
import type { PullDeps, PullOrder, PullResult } from './pull-order.ts';
import { refuseFilesInTheWay } from './pull-refusal.ts';
import { resetToBranch, saveBeforeReset } from './pull-reset.ts';
import { countDivergence, getCommitByHash } from './revision.ts';
import { readStatus, type Status } from './status.ts';

export type { PullDeps, PullOrder, PullResult, PullStrategy } from './pull-order.ts';

/**
 * Brings a working copy to a branch's upstream, or to a commit: checks, fetches, checks again, and only
 * then moves HEAD, index and working tree. What it refuses, it refuses before it touches any of them.
 * @throws AppError BAD_USER_INPUT (bare, no branch known), NOT_FOUND (no such remote, branch or commit),
 * CONFLICT (files in the way, a diverged branch, an unfinished merge, a working tree elsewhere); GitCommandError from git itself
 */
export async function pull(deps: PullDeps, order: PullOrder): Promise<PullResult> {
  const present = await checkReady(deps);
  deps.onReady(present.head);
  const source = await findSource(deps, order, present.branch);
  deps.say(`fetch ${source.remote}`);
  await deps.workingCopy.fetch(source.remote);
  // That may have taken minutes, in which somebody worked on.
  const before = await checkReady(deps);
  const name = await chooseBranch(deps, order, source);
  const branch = name === null ? null : await findBranch(deps, source.remote, name);
  if (order.hash !== null) {
    const commit = await getCommitByHash(deps.git, deps.repository, order.hash, deps.signal);
    await moveToCommit(deps, order, before, commit);
    return { branch: null, before: before.head, after: commit };
  }
  if (branch === null) throw new Error('a pull without a hash has a branch');
  if (before.branch !== branch.name) await refuseIfElsewhere(deps, branch.name);
  const after = await moveToBranch(deps, order, before, branch);
  return { branch: branch.name, before: before.head, after };
}

async function checkReady(deps: PullDeps): Promise<Status> {
  if (deps.repository.workTree === null) {
    throw new AppError('BAD_USER_INPUT', 'a bare repository has no working tree to pull into');
  }
  const operation = await readOperation(deps.repository);
  if (operation !== null && operation !== 'BISECT') {
    throw new AppError(
      'CONFLICT',
      `a ${operation.toLowerCase().replace('_', '-')} is in progress: finish or abort it first`,
      { operation },
    );
  }
  const elsewhere = await findOtherWorkTree(deps.git, deps.repository, deps.signal);
  if (elsewhere !== null) {
    throw new AppError(
      'CONFLICT',
      `core.worktree says that the working tree is ${elsewhere}: name that path in the configuration`,
      { workTree: elsewhere },
    );
  }
  return await readStatus(deps.git, deps.repository, deps.signal);
}

async function moveToCommit(
  deps: PullDeps,
  order: PullOrder,
  before: Status,
  commit: Oid,
): Promise<void> {
  if (before.branch === null && before.head === commit && order.strategy !== 'reset') {
    deps.say(`already at ${commit}`);
    return;
  }
  if (order.strategy === 'reset') {
    await saveBeforeReset(deps, order, before, commit, []);
    deps.say(`reset to ${commit}, detached`);
    await deps.workingCopy.forceDetach(commit);
    return;
  }
  await refuseFilesInTheWay(deps, before, commit);
  deps.say(`checkout ${commit}, detached`);
  await deps.workingCopy.detach(commit);
}

async function moveToBranch(
  deps: PullDeps,
  order: PullOrder,
  before: Status,
  branch: Branch,
): Promise<Oid> {
  const { name, local, target, upstream, upstreamRef } = branch;
  const { ahead, behind } =
    local === null
      ? { ahead: 0, behind: 0 }
      : await countDivergence(deps.git, deps.repository, local, target, deps.signal);
  if (order.strategy === 'reset') return await resetToBranch(deps, order, before, branch, ahead);
  if (ahead > 0 && behind > 0) {
    return await reconcile(deps, order, before, branch, { ahead, behind });
  }
  const tip = ahead > 0 && local !== null ? local : target;
  if (before.branch === name && before.head === tip) {
    deps.say(`branch ${name} is up to date with ${upstream}`);
    return tip;
  }
  await refuseFilesInTheWay(deps, before, tip);
  if (before.branch === name && before.head !== null) {
    deps.say(`fast-forward ${name} to ${tip}`);
    await deps.workingCopy.fastForward(tip);
  } else {
    deps.say(`checkout ${name} at ${tip}`);
    await deps.workingCopy.switchTo(name, tip, local === null ? upstreamRef : null);
  }
  return tip;
}
