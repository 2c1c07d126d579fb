import { fetchPatiently } from './fetch-retry.ts';
import { readFetched } from './fetched.ts';
import { readHead, type Head } from './head.ts';
import type { Oid } from './oid.ts';
import { findDestination, findSource, type Destination } from './pull-branch.ts';
import { saveDiscarded } from './pull-discarded.ts';
import { reconcile } from './pull-diverged.ts';
import { chooseMove, type Move } from './pull-move.ts';
import type { PullDeps, PullOrder, PullResult } from './pull-order.ts';
import { followPlan, resumePlan } from './pull-planned.ts';
import { checkReady, findPresentCommit, readReadyStatus } from './pull-ready.ts';
import { judgeMove } from './pull-verdict.ts';
import { readStatus, type Status } from './status.ts';

export type { PullDeps, PullOrder, PullResult, PullStrategy } from './pull-order.ts';

/**
 * Brings a working copy to a branch's upstream, or to a commit: checks, fetches, checks again, and only
 * then moves HEAD, index and working tree. What it refuses, it refuses before it touches any of them.
 * All that it decides it decides as `planPull` does.
 * @throws AppError BAD_USER_INPUT (bare, no branch known), NOT_FOUND (no such remote, branch or commit),
 * CONFLICT (files in the way, a diverged branch, an unfinished merge, a working tree elsewhere, a plan that
 * does not hold any more); GitCommandError from git itself
 */
export async function pull(deps: PullDeps, order: PullOrder): Promise<PullResult> {
  await checkReady(deps);
  const present = await readHead(deps.git, deps.repository, deps.signal);
  deps.onReady(present.oid);
  const { before, destination } =
    order.planned === undefined
      ? await fetchDestination(deps, order, present)
      : await resumePlan(deps, order.planned);
  const move = await chooseMove(deps, order, before, destination);
  const { refusal, discarded } = await judgeMove(deps, before, move);
  if (refusal !== null) throw refusal;
  if (order.planned !== undefined) await followPlan(deps, order.planned);
  if (discarded !== null) await saveDiscarded(deps, order, before.head, move.target, discarded);
  const after = await carryOut(deps, before, move);
  return { branch: move.branch?.name ?? null, before: before.head, after };
}

async function fetchDestination(
  deps: PullDeps,
  order: PullOrder,
  present: Head,
): Promise<{ before: Status; destination: Destination }> {
  const commit = findPresentCommit(order, present);
  if (commit !== null) {
    const before = await readStatus(deps.git, deps.repository, deps.signal);
    return { before, destination: { branch: null, target: commit } };
  }
  const source = await findSource(deps, order, present.branch);
  const { remote } = source;
  deps.say(`fetch ${remote}`);
  const fetch = async (): Promise<void> => {
    await deps.workingCopy.fetch(remote);
  };
  await fetchPatiently(fetch, deps.patience, deps.signal, deps.say);
  // Only now: that may have taken minutes, in which somebody worked on.
  const before = await readReadyStatus(deps);
  return {
    before,
    destination: await findDestination(deps, order, source, readFetched(deps.repository)),
  };
}

/** Makes a move in whose way nothing stands, and gives where HEAD is after it. */
async function carryOut(deps: PullDeps, before: Status, move: Move): Promise<Oid> {
  const { kind, branch, target } = move;
  const { say, workingCopy } = deps;
  if (kind === 'MERGE' || kind === 'REBASE') return await reconcile(deps, before, move);
  const tip = move.tip ?? target;
  if (branch === null) {
    if (kind === 'UP_TO_DATE') {
      say(`already at ${tip}`);
    } else if (kind === 'RESET') {
      say(`reset to ${tip}, detached`);
      await workingCopy.forceDetach(tip);
    } else {
      say(`checkout ${tip}, detached`);
      await workingCopy.detach(tip);
    }
    return tip;
  }
  const { name, local } = branch;
  const newUpstream = local === null ? branch.upstreamRef : null;
  if (kind === 'UP_TO_DATE') {
    say(`branch ${name} is up to date with ${branch.upstream}`);
  } else if (kind === 'FAST_FORWARD') {
    say(`fast-forward ${name} to ${tip}`);
    await workingCopy.fastForward(tip);
  } else if (kind !== 'RESET') {
    say(`checkout ${name} at ${tip}`);
    await workingCopy.switchTo(name, tip, newUpstream);
  } else if (before.branch === name && before.head !== null) {
    say(`reset ${name} to ${tip}`);
    await workingCopy.reset(tip);
  } else {
    say(`reset ${name} to ${tip} and check it out`);
    await workingCopy.forceSwitchTo(name, tip, newUpstream);
  }
  return tip;
}
