import { realpath } from 'node:fs/promises';
import { AppError } from '../error.ts';
import { parseBranchName, type BranchName } from './branch-name.ts';
import { listTreeChanges, type TreeChange } from './diff.ts';
import type { Git } from './git.ts';
import { readHead } from './head.ts';
import type { AbbreviatedOid, Oid } from './oid.ts';
import { readFetchedBranches } from './fetch-head.ts';
import {
  filesInTheWay,
  findUntrackedInTheWay,
  listChangedInTheWay,
  listSome,
  pathsOf,
  repositoriesInTheWay,
} from './in-the-way.ts';
import { readOperation } from './operation.ts';
import { findRefs, isReachable, listRemotes, type Ref } from './ref.ts';
import type { Repository } from './repository.ts';
import { countDivergence, getCommitByHash } from './revision.ts';
import { listAssumedUnchanged, saveSnapshot } from './snapshot.ts';
import { readStatus, type Status } from './status.ts';
import type { WorkingCopy } from './working-copy.ts';

/**
 * What to do when the branch and its upstream have diverged: refuse, merge, rebase the branch's own
 * commits, or throw them away (saved first).
 */
export type PullStrategy = 'ff-only' | 'merge' | 'rebase' | 'reset';

/** Where a working copy shall be brought. */
export interface PullOrder {
  /** null: the repository's default branch, which is what `origin/HEAD` points to, else the present branch. */
  readonly branch: BranchName | null;
  /** Goes before the default branch where one of this name exists, here or, once fetched, on the remote. */
  readonly preferredBranch?: BranchName;
  /** A commit to detach HEAD at instead of the branch's tip. */
  readonly hash: AbbreviatedOid | null;
  readonly strategy: PullStrategy;
  /** Where `reset` keeps what it discards: a ref that does not exist yet. */
  readonly savedRef: string;
}

/** What a pull works with. */
export interface PullDeps {
  readonly git: Git;
  readonly repository: Repository;
  readonly workingCopy: WorkingCopy;
  readonly signal: AbortSignal;
  /** Told each step before it is taken, as one line for people. */
  readonly say: (line: string) => void;
  /** Told where HEAD stood before anything was changed. */
  readonly onReady: (before: Oid | null) => void;
}

export interface PullResult {
  /** The checked-out branch; null when HEAD was detached at a commit. */
  readonly branch: string | null;
  /** null before the first commit. */
  readonly before: Oid | null;
  readonly after: Oid;
}

/** The branch, as it is here and on the remote. */
interface Branch {
  readonly name: BranchName;
  /** Its tip here; null when it does not exist here yet. */
  readonly local: Oid | null;
  /** Its upstream as people call it, such as `origin/main`. */
  readonly upstream: string;
  readonly upstreamRef: string;
  /** The upstream's commit. */
  readonly target: Oid;
}

/**
 * Brings a working copy to a branch's upstream, or to a commit: checks, fetches, checks again, and only
 * then moves HEAD, index and working tree. What it refuses, it refuses before it touches any of them.
 * @throws AppError BAD_USER_INPUT (bare, no branch known), NOT_FOUND (no such remote, branch or commit),
 * CONFLICT (files in the way, a diverged branch, an unfinished merge); GitCommandError from git itself
 */
export async function pull(deps: PullDeps, order: PullOrder): Promise<PullResult> {
  const before = await checkReady(deps);
  deps.onReady(before.head);
  const source = await findSource(deps, order, before.branch);
  deps.say(`fetch ${source.remote}`);
  await deps.workingCopy.fetch(source.remote);
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
  return await readStatus(deps.git, deps.repository, deps.signal);
}

/** Where a pull fetches from. */
interface Source {
  readonly remote: string;
  /** What is wanted as far as is known before the fetch; null when a hash alone is, or nothing is known. */
  readonly branch: BranchName | null;
}

async function findSource(
  deps: PullDeps,
  order: PullOrder,
  present: string | null,
): Promise<Source> {
  const standard = await findDefaultRemote(deps);
  let { branch } = order;
  if (wantsDefault(order)) {
    const { preferredBranch } = order;
    const isHere =
      preferredBranch !== undefined &&
      (await findRef(deps, `refs/heads/${preferredBranch}`)) !== undefined;
    branch = isHere ? preferredBranch : await findDefaultBranch(deps, standard, present);
  }
  const own = branch === null ? null : (await findRef(deps, `refs/heads/${branch}`))?.remote;
  // A branch may follow another one of the same repository, whose "remote" is `.`.
  const remote = own === '.' || own === null || own === undefined ? standard : own;
  if (remote !== null) return { remote, branch };
  const remotes = await listRemotes(deps.git, deps.repository, deps.signal);
  throw new AppError(
    'NOT_FOUND',
    remotes.length === 0
      ? 'there is no remote to fetch from: add one with "git remote add origin URL"'
      : `none of the remotes ${listSome(remotes)} is called origin: ` +
          'say which one a branch follows with "git branch --set-upstream-to=REMOTE/BRANCH BRANCH"',
  );
}

/** `origin`, or the only remote there is. */
async function findDefaultRemote(deps: PullDeps): Promise<string | null> {
  const remotes = await listRemotes(deps.git, deps.repository, deps.signal);
  if (remotes.includes('origin')) return 'origin';
  return remotes.length === 1 ? (remotes[0] ?? null) : null;
}

async function findDefaultBranch(
  deps: PullDeps,
  remote: string | null,
  present: string | null,
): Promise<BranchName | null> {
  const target =
    remote === null ? null : (await findRef(deps, `refs/remotes/${remote}/HEAD`))?.target;
  const name = target?.slice(`refs/remotes/${remote}/`.length) ?? present;
  return name === null ? null : parseBranchName(name);
}

function wantsDefault(order: PullOrder): boolean {
  return order.branch === null && order.hash === null;
}

/** The branch that is wanted, now that it is known what the remote has; null when a hash alone is. */
async function chooseBranch(
  deps: PullDeps,
  order: PullOrder,
  { remote, branch }: Source,
): Promise<BranchName | null> {
  if (!wantsDefault(order)) return branch;
  const { preferredBranch } = order;
  if (
    preferredBranch !== undefined &&
    (await readFetchedBranches(deps.repository)).has(preferredBranch) &&
    (await findRef(deps, `refs/remotes/${remote}/${preferredBranch}`)) !== undefined
  ) {
    return preferredBranch;
  }
  if (branch !== null) return branch;
  throw new AppError(
    'BAD_USER_INPUT',
    `HEAD is detached and ${remote} names no default branch: say which branch to pull`,
  );
}

async function findRef(deps: PullDeps, name: string): Promise<Ref | undefined> {
  return (await findRefs(deps.git, deps.repository, [name], deps.signal)).get(name);
}

async function findBranch(deps: PullDeps, remote: string, name: BranchName): Promise<Branch> {
  const local = await findRef(deps, `refs/heads/${name}`);
  const upstreamRef = local?.upstream ?? `refs/remotes/${remote}/${name}`;
  const upstream = await findRef(deps, upstreamRef);
  if (upstream === undefined) {
    throw new AppError(
      'NOT_FOUND',
      local === undefined
        ? `there is no branch ${name}, neither here nor among what ${remote} gives`
        : `branch ${name} has no counterpart on ${remote} to pull from`,
    );
  }
  const remoteName = (local?.remoteRef ?? name).replace(/^refs\/heads\//, '');
  if (local?.remote !== '.' && !(await readFetchedBranches(deps.repository)).has(remoteName)) {
    throw new AppError(
      'NOT_FOUND',
      `${remote} has no branch ${remoteName} any more: what is here of it is a leftover, ` +
        `which "git fetch --prune ${remote}" removes`,
    );
  }
  return {
    name,
    local: local?.oid ?? null,
    upstream: upstreamRef.replace(/^refs\/(?:remotes|heads)\//, ''),
    upstreamRef,
    target: upstream.oid,
  };
}

/** git would move a branch under the feet of another working tree that has it checked out. */
async function refuseIfElsewhere(deps: PullDeps, name: BranchName): Promise<void> {
  const written = (await findRef(deps, `refs/heads/${name}`))?.workTree ?? null;
  if (written === null) return;
  // Also the path of one that was deleted without telling git, and of a bare repository.
  const workTree = await realpath(written).catch(() => null);
  if (workTree === null || workTree === deps.repository.commonDir) return;
  throw new AppError(
    'CONFLICT',
    `branch ${name} is checked out in ${workTree}: pull it there, or check out another branch there`,
    { workTree },
  );
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

/** Brings a branch and its upstream together that each have commits the other has not. */
async function reconcile(
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

async function resetToBranch(
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

/** Keeps what a reset to `target` would discard: changed tracked files, untracked ones in its way, commits. */
async function saveBeforeReset(
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

/**
 * Refuses when a file that is not committed stands where the move from HEAD to `to` would write.
 * git would refuse too, but it rewrites the index first and names only some of the files, and ignored
 * ones it overwrites.
 */
async function refuseFilesInTheWay(deps: PullDeps, before: Status, to: Oid): Promise<void> {
  const unmerged = before.entries.filter((entry) => entry.isUnmerged);
  if (unmerged.length > 0) throw filesInTheWay(unmerged.map((entry) => entry.path));
  const changes = await listChanges(deps, before, to);
  const inTheWay = [
    ...listChangedInTheWay(before, changes),
    ...(await findUntrackedInTheWay(deps.repository.path, before, changes)),
  ];
  if (inTheWay.length > 0) throw filesInTheWay(inTheWay);
}

async function listChanges(deps: PullDeps, before: Status, to: Oid): Promise<TreeChange[]> {
  const options = { findRenames: false };
  return await listTreeChanges(deps.git, deps.repository, before.head, to, deps.signal, options);
}
