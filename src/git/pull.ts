import { AppError } from '../error.ts';
import { parseBranchName, type BranchName } from './branch-name.ts';
import { listTreeChanges } from './diff.ts';
import type { Git } from './git.ts';
import type { GitPath } from './git-path.ts';
import type { AbbreviatedOid, Oid } from './oid.ts';
import { collisions, filesInTheWay, listSome } from './in-the-way.ts';
import { readOperation } from './operation.ts';
import { findDefaultRemote, findRefs } from './ref.ts';
import type { Repository } from './repository.ts';
import { countDivergence, getCommitByHash } from './revision.ts';
import { saveSnapshot } from './snapshot.ts';
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
  /** Its upstream as a remote-tracking ref's short name, such as `origin/main`, and that ref's commit. */
  readonly upstream: string;
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
  const remote = await fetchRemote(deps, order.branch);
  const branch =
    order.hash === null || order.branch !== null
      ? await findBranch(deps, order.branch, remote, before.branch)
      : null;
  if (order.hash !== null) {
    const commit = await getCommitByHash(deps.git, deps.repository, order.hash, deps.signal);
    await moveToCommit(deps, order, before, commit);
    return { branch: null, before: before.head, after: commit };
  }
  if (branch === null) throw new Error('a pull without a hash has a branch');
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

/** Fetches from the branch's own remote, or the default one, and says which it was. */
async function fetchRemote(deps: PullDeps, branch: BranchName | null): Promise<string> {
  const { git, repository, signal } = deps;
  const ref = `refs/heads/${branch ?? ''}`;
  const configured =
    branch === null ? null : (await findRefs(git, repository, [ref], signal)).get(ref)?.remote;
  // A branch may follow another one of the same repository, whose "remote" is `.`.
  const own = configured === '.' ? null : configured;
  const remote = own ?? (await findDefaultRemote(git, repository, signal));
  if (remote === null) {
    throw new AppError(
      'NOT_FOUND',
      'there is no remote to fetch from: add one with "git remote add origin URL"',
    );
  }
  deps.say(`fetch ${remote}`);
  await deps.workingCopy.fetch(remote);
  return remote;
}

async function findBranch(
  deps: PullDeps,
  wanted: BranchName | null,
  remote: string,
  present: string | null,
): Promise<Branch> {
  const { git, repository, signal } = deps;
  const name = wanted ?? (await findDefaultBranch(deps, remote, present));
  const localRef = `refs/heads/${name}`;
  const guessed = `refs/remotes/${remote}/${name}`;
  const local = (await findRefs(git, repository, [localRef], signal)).get(localRef);
  const upstreamRef = local?.upstream ?? guessed;
  const upstream = (await findRefs(git, repository, [upstreamRef], signal)).get(upstreamRef);
  if (upstream === undefined) {
    throw new AppError(
      'NOT_FOUND',
      local === undefined
        ? `there is no branch ${name}, neither here nor on ${remote}`
        : `branch ${name} has no counterpart on ${remote} to pull from`,
    );
  }
  return {
    name,
    local: local?.oid ?? null,
    upstream: upstreamRef.replace(/^refs\/(?:remotes|heads)\//, ''),
    target: upstream.oid,
  };
}

async function findDefaultBranch(
  deps: PullDeps,
  remote: string,
  present: string | null,
): Promise<BranchName> {
  const ref = `refs/remotes/${remote}/HEAD`;
  const head = (await findRefs(deps.git, deps.repository, [ref], deps.signal)).get(ref);
  const name = head?.target?.slice(`refs/remotes/${remote}/`.length) ?? present;
  if (name === null) {
    throw new AppError(
      'BAD_USER_INPUT',
      `HEAD is detached and ${remote} names no default branch: say which branch to pull`,
    );
  }
  return parseBranchName(name);
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
  const { name, local, target, upstream } = branch;
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
    await deps.workingCopy.switchTo(name, tip, local === null ? upstream : null);
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
    (entry) => entry.index !== '.' || order.strategy === 'rebase',
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
  await (order.strategy === 'merge'
    ? deps.workingCopy.merge(target)
    : deps.workingCopy.rebase(target));
  const after = await readStatus(deps.git, deps.repository, deps.signal);
  if (after.head === null) throw new Error('HEAD has no commit after a merge');
  return after.head;
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
  const { name, local, target, upstream } = branch;
  const lost = ahead > 0 && local !== null ? [local] : [];
  await saveBeforeReset(deps, order, before, target, lost);
  if (before.branch === name && before.head !== null) {
    deps.say(`reset ${name} to ${target}`);
    await deps.workingCopy.reset(target);
  } else {
    deps.say(`reset ${name} to ${target} and check it out`);
    await deps.workingCopy.forceSwitchTo(name, target, local === null ? upstream : null);
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
  const paths = [
    ...before.entries.flatMap((entry) => [entry.path, entry.previousPath ?? []].flat()),
    ...(await untrackedInTheWay(deps, before, target)),
  ];
  if (paths.length === 0 && lostCommits.length === 0) return;
  // The branch that is reset may not be the one checked out: then its tip is the commit to keep.
  const head = lostCommits[0] ?? before.head;
  const message = `saved by GitAgent before a reset to ${target}`;
  await saveSnapshot(git, repository, order.savedRef, { head, paths, message }, signal);
  deps.say(`saved what the reset discards as ${order.savedRef} (git show ${order.savedRef})`);
}

async function untrackedInTheWay(deps: PullDeps, before: Status, to: Oid): Promise<GitPath[]> {
  const { git, repository, signal } = deps;
  if (before.untracked.length === 0) return [];
  const changes = await listTreeChanges(git, repository, before.head, to, signal, {
    findRenames: false,
  });
  return collisions(
    before.untracked,
    changes.map((change) => change.path),
  );
}

/**
 * Refuses when a file that is not committed stands where the move from HEAD to `to` would write.
 * git would refuse too, but it rewrites the index first and names only some of the files.
 */
async function refuseFilesInTheWay(deps: PullDeps, before: Status, to: Oid): Promise<void> {
  const { git, repository, signal } = deps;
  const dirty = before.entries.filter((entry) => !entry.isSubmodule);
  const unmerged = dirty.filter((entry) => entry.isUnmerged);
  if (unmerged.length > 0) throw filesInTheWay(unmerged.map((entry) => entry.path));
  if (dirty.length === 0 && before.untracked.length === 0) return;
  const changes = await listTreeChanges(git, repository, before.head, to, signal, {
    findRenames: false,
  });
  const changed = changes.map((change) => change.path);
  const tracked = dirty.flatMap((entry) => [entry.path, entry.previousPath ?? []].flat());
  const inTheWay = [...collisions(tracked, changed), ...collisions(before.untracked, changed)];
  if (inTheWay.length > 0) throw filesInTheWay(inTheWay);
}
