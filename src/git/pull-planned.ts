import { createHash } from 'node:crypto';
import { AppError } from '../error.ts';
import type { BranchName } from './branch-name.ts';
import { emptyTree } from './diff.ts';
import { fetchPatiently } from './fetch-retry.ts';
import type { Oid } from './oid.ts';
import type { Destination } from './pull-branch.ts';
import type { LookDeps, PullDeps } from './pull-order.ts';
import { readReadyStatus } from './pull-ready.ts';
import { findRefs } from './ref.ts';
import { readStatus, type Status } from './status.ts';

/** What a plan was made for. A pull that is given it goes exactly there, and only from exactly here. */
export interface PlannedMove {
  /** HEAD's commit; null before the first. */
  readonly head: Oid | null;
  /** What was checked out; null when HEAD was detached. */
  readonly checkedOut: string | null;
  /** What was staged, as `readIndexState` says it. */
  readonly index: string;
  /** What was fetched from; null when nothing was. */
  readonly remote: string | null;
  /** null when HEAD is to be detached at `target`. */
  readonly branch: PlannedBranch | null;
  readonly target: Oid;
}

export interface PlannedBranch {
  readonly name: BranchName;
  /** Its tip here; null when it was not here. */
  readonly local: Oid | null;
  /** Its upstream as people call it, such as `origin/main`. */
  readonly upstream: string;
  readonly upstreamRef: string;
  /** Where `upstreamRef` stood, which a plan does not move; null when there was none. */
  readonly tracked: Oid | null;
}

/**
 * Sums up how the index differs from a commit, so what is staged. A `git status`, which writes into the
 * index file what it has seen of the files, changes nothing here.
 * @param head null before the first commit
 * @param like any object id of the repository
 * @throws GitCommandError
 */
export async function readIndexState(
  { git, repository, signal }: LookDeps,
  head: Oid | null,
  like: Oid,
): Promise<string> {
  const { stdout } = await git.run(
    repository,
    ['diff-index', '--cached', '--raw', '-z', '--no-abbrev', '--no-renames', '--no-ext-diff', head ?? emptyTree(like), '--'],
    { intent: 'read', signal },
  ); // prettier-ignore
  return createHash('sha256').update(stdout).digest('base64url').slice(0, 22);
}

/**
 * Finds a plan's destination again. The remote is asked for it only where the commit is not here any more.
 * @throws AppError CONFLICT, which says what has moved; GitCommandError
 */
export async function resumePlan(
  deps: PullDeps,
  planned: PlannedMove,
): Promise<{ before: Status; destination: Destination }> {
  const { target, branch } = planned;
  let before = await readStatus(deps.git, deps.repository, deps.signal);
  await refuseIfMoved(deps, planned, before);
  if (!(await hasCommit(deps, target))) {
    before = await fetchAgain(deps, planned);
    await refuseIfMoved(deps, planned, before);
  }
  return {
    before,
    destination: { target, branch: branch === null ? null : { ...branch, target } },
  };
}

async function fetchAgain(deps: PullDeps, { remote, target }: PlannedMove): Promise<Status> {
  if (remote !== null) {
    deps.say(`fetch ${remote}, for ${target} is not here any more`);
    const fetch = async (): Promise<void> => {
      await deps.workingCopy.fetch(remote);
    };
    await fetchPatiently(fetch, deps.patience, deps.signal, deps.say);
  }
  if (await hasCommit(deps, target)) return await readReadyStatus(deps);
  throw new AppError(
    'CONFLICT',
    `the planned commit ${target} is gone, here and there: plan again`,
    {
      moved: ['target'],
    },
  );
}

async function refuseIfMoved(
  deps: LookDeps,
  planned: PlannedMove,
  { head, branch: checkedOut }: Status,
): Promise<void> {
  const moved: string[] = [];
  const facts: string[] = [];
  const note = (what: string, before: string | null, now: string | null): void => {
    moved.push(what);
    facts.push(`${what} was ${before ?? 'nothing'} and is ${now ?? 'nothing'}`);
  };
  if (checkedOut !== planned.checkedOut) {
    note('HEAD', planned.checkedOut ?? 'detached', checkedOut ?? 'detached');
  } else if (head !== planned.head) {
    note('HEAD', planned.head, head);
  } else if ((await readIndexState(deps, head, planned.target)) !== planned.index) {
    moved.push('index');
    facts.push('something else is staged');
  }
  const { branch } = planned;
  if (branch !== null && branch.name !== checkedOut) {
    const local = (await findOid(deps, `refs/heads/${branch.name}`)) ?? null;
    if (local !== branch.local) note(`branch ${branch.name}`, branch.local, local);
  }
  if (moved.length === 0) return;
  throw new AppError(
    'CONFLICT',
    `the plan does not hold any more: ${facts.join(', ')}; plan again`,
    { moved },
  );
}

/**
 * Brings the remote-tracking ref to where the plan's fetch saw it, unless another fetch has moved it since.
 * @throws GitCommandError
 */
export async function followPlan(deps: PullDeps, { branch, target }: PlannedMove): Promise<void> {
  if (branch === null || !branch.upstreamRef.startsWith('refs/remotes/')) return;
  const { upstreamRef, tracked } = branch;
  const now = (await findOid(deps, upstreamRef)) ?? null;
  if (now === target || (now !== null && now !== tracked)) return;
  deps.say(`${branch.upstream} is ${target}, as it was planned`);
  // An empty old value: there must be none yet.
  const args = ['update-ref', '-m', 'gitagent: plan', upstreamRef, target, now ?? ''];
  await deps.git.run(deps.repository, args, { intent: 'status', signal: deps.signal });
}

/** @throws GitCommandError */
export async function findOid(
  { git, repository, signal }: LookDeps,
  ref: string,
): Promise<Oid | undefined> {
  return (await findRefs(git, repository, [ref], signal)).get(ref)?.oid;
}

async function hasCommit({ git, repository, signal }: LookDeps, commit: Oid): Promise<boolean> {
  const { exitCode } = await git.run(repository, ['cat-file', '-e', `${commit}^{commit}`], {
    intent: 'read',
    signal,
    // 1: it is not here; 128: or not a commit.
    exitCodes: [0, 1, 128],
  });
  return exitCode === 0;
}
