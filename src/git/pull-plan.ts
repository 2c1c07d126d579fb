import { AppError } from '../error.ts';
import { fetchPatiently } from './fetch-retry.ts';
import { planRefs, prepareAsideFetch, tidyPlanRefs } from './fetch-aside.ts';
import { GitCommandError } from './git-command-error.ts';
import type { GitPath } from './git-path.ts';
import { readHead, type Head } from './head.ts';
import { pathsOf } from './in-the-way.ts';
import type { Oid } from './oid.ts';
import { findDestination, findSource, type Destination } from './pull-branch.ts';
import type { Discarded } from './pull-discarded.ts';
import { chooseMove, type Move, type MoveKind } from './pull-move.ts';
import type { PullDeps, PullOrder } from './pull-order.ts';
import { findOid, readIndexState, type PlannedMove } from './pull-planned.ts';
import { checkReady, findPresentCommit, readReadyStatus } from './pull-ready.ts';
import { judgeMove, type Verdict } from './pull-verdict.ts';
import { countDivergence, findMergeBase } from './revision.ts';
import { readStatus, type Status } from './status.ts';

/** What a pull would do, as far as it got in finding out. */
export interface PullPlan {
  /** What is checked out now. */
  readonly head: Head;
  /** Why the pull would be refused, or fail to fetch; null when it would not. */
  readonly refusal: AppError | GitCommandError | null;
  /** null when it was refused before it was known where to go. */
  readonly goal: PlanGoal | null;
  /** null when it was refused before it was known how to go there. */
  readonly move: PlanMove | null;
}

/** Where the pull would go. */
export interface PlanGoal extends Destination {
  readonly planned: PlannedMove;
  /** The branch's tip here, or HEAD where it is not here or none is meant; null when there is neither. */
  readonly base: Oid | null;
  /** Commits that `base` has and `target` has not, and the other way round. */
  readonly ahead: number;
  readonly behind: number;
}

/** A file that is not committed as it is. */
export interface UncommittedFile {
  readonly path: GitPath;
  readonly isTracked: boolean;
}

/** How it would go there. */
export interface PlanMove {
  readonly kind: MoveKind;
  /** Where HEAD would stand; null when a merge or rebase makes the commit. */
  readonly tip: Oid | null;
  /** What differs between these two is what changes: two commits, or a commit and the tree of a merge. */
  readonly changes: { readonly from: Oid | null; readonly to: Oid };
  /** Files that are not committed, for which it would be refused. */
  readonly inTheWay: readonly UncommittedFile[];
  /** Files that are not committed, which a reset would save and discard. */
  readonly discarded: readonly UncommittedFile[];
}

/**
 * Finds out what a pull would do, by the same steps, except that it fetches into refs of its own. HEAD,
 * index, working tree, branches, tags, remote-tracking refs and FETCH_HEAD stay as they are. It needs no
 * lock: what it reads while a job is at work is how things are in that moment, and what it writes nobody
 * else touches.
 * @param deps its `onReady` is not called
 * @param id of letters and digits, used once
 * @throws GitCommandError, except for the fetch's; what aborts the signal
 */
export async function planPull(deps: PullDeps, order: PullOrder, id: string): Promise<PullPlan> {
  const head = await readHead(deps.git, deps.repository, deps.signal);
  const refs = planRefs(id, Date.now());
  let keep: Oid | null = null;
  try {
    const found = await findGoal(deps, order, head, refs.fetched);
    if ('refusal' in found) return { head, refusal: found.refusal, goal: null, move: null };
    const { before, goal } = found;
    keep = goal.target;
    return {
      head: { branch: before.branch, oid: before.head },
      goal,
      ...(await findMove(deps, order, before, goal)),
    };
  } finally {
    // Also when who asked has gone.
    const signal = AbortSignal.timeout(TIDY_MS);
    await tidyPlanRefs({ ...deps, signal }, refs, keep, Date.now());
  }
}

const TIDY_MS = 60_000;

type Refused = { readonly refusal: AppError | GitCommandError };

async function findGoal(
  deps: PullDeps,
  order: PullOrder,
  present: Head,
  aside: string,
): Promise<Refused | { before: Status; goal: PlanGoal }> {
  try {
    await checkReady(deps);
    const commit = findPresentCommit(order, present);
    if (commit !== null) {
      const before = await readStatus(deps.git, deps.repository, deps.signal);
      const goal = await describeGoal(deps, before, { branch: null, target: commit }, null);
      return { before, goal };
    }
    const source = await findSource(deps, order, present.branch);
    const { remote } = source;
    const { refspecs, fetched } = await prepareAsideFetch(deps, remote, aside);
    const failure = await fetchAside(deps, remote, refspecs);
    if (failure !== null) return { refusal: failure };
    const before = await readReadyStatus(deps);
    const destination = await findDestination(deps, order, source, fetched);
    return { before, goal: await describeGoal(deps, before, destination, remote) };
  } catch (error) {
    return { refusal: refusalOf(error) };
  }
}

async function fetchAside(
  deps: PullDeps,
  remote: string,
  refspecs: readonly string[],
): Promise<GitCommandError | null> {
  const fetch = async (): Promise<void> => {
    await deps.workingCopy.fetchAside(remote, refspecs);
  };
  try {
    await fetchPatiently(fetch, deps.patience, deps.signal, deps.say);
    return null;
  } catch (error) {
    if (error instanceof GitCommandError && !error.isCanceled) return error;
    throw error;
  }
}

async function describeGoal(
  deps: PullDeps,
  before: Status,
  { branch, target }: Destination,
  remote: string | null,
): Promise<PlanGoal> {
  const { git, repository, signal } = deps;
  const { head, branch: checkedOut } = before;
  const index = await readIndexState(deps, head, target);
  const base = branch?.local ?? head;
  const { ahead, behind } = await countDivergence(git, repository, base, target, signal);
  const planned: PlannedMove = {
    head,
    checkedOut,
    index,
    remote,
    target,
    branch: branch && {
      name: branch.name,
      local: branch.local,
      upstream: branch.upstream,
      upstreamRef: branch.upstreamRef,
      tracked: (await findOid(deps, branch.upstreamRef)) ?? null,
    },
  };
  return { branch, target, planned, base, ahead, behind };
}

async function findMove(
  deps: PullDeps,
  order: PullOrder,
  before: Status,
  goal: PlanGoal,
): Promise<Pick<PullPlan, 'refusal' | 'move'>> {
  let move: Move;
  try {
    move = await chooseMove(deps, order, before, goal);
  } catch (error) {
    return { refusal: refusalOf(error), move: null };
  }
  const verdict = await judgeMove(deps, before, move);
  const { kind, tip } = move;
  const { refusal, inTheWay, discarded } = verdict;
  const tracked = new Set(before.entries.flatMap(pathsOf).map((path) => path.text));
  const describe = (path: GitPath): UncommittedFile => ({
    path,
    isTracked: tracked.has(path.text),
  });
  return {
    refusal,
    move: {
      kind,
      tip,
      changes: await findChanges(deps, before, move, verdict),
      inTheWay: inTheWay.map(describe),
      discarded: listDiscarded(discarded).map(describe),
    },
  };
}

/** A changed file stands in the way of its own restoration, but is one file. */
function listDiscarded(discarded: Discarded | null): readonly GitPath[] {
  if (discarded === null) return [];
  const changed = new Set(discarded.changed.map((path) => path.text));
  return [...discarded.changed, ...discarded.untracked.filter((path) => !changed.has(path.text))];
}

/** Of a rebase, and of a merge with conflicts, it is what the upstream has changed. */
async function findChanges(
  { git, repository, signal }: PullDeps,
  before: Status,
  { branch, target, tip }: Move,
  { merged }: Verdict,
): Promise<{ from: Oid | null; to: Oid }> {
  const to = tip ?? merged;
  if (to !== null || branch?.local == null) return { from: before.head, to: to ?? target };
  return { from: await findMergeBase(git, repository, branch.local, target, signal), to: target };
}

function refusalOf(error: unknown): AppError {
  if (error instanceof AppError) return error;
  throw error;
}
