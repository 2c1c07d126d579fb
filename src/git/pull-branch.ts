import { realpath } from 'node:fs/promises';
import { AppError } from '../error.ts';
import { parseBranchName, type BranchName } from './branch-name.ts';
import type { Fetched } from './fetched.ts';
import { listSome } from './in-the-way.ts';
import type { Oid } from './oid.ts';
import type { LookDeps, PullOrder } from './pull-order.ts';
import { createRefLookup, listRemotes, type RefLookup } from './ref.ts';
import { getCommitByHash } from './revision.ts';

/** The branch, as it is here and on the remote. */
export interface Branch {
  readonly name: BranchName;
  /** Its tip here; null when it does not exist here yet. */
  readonly local: Oid | null;
  /** Its upstream as people call it, such as `origin/main`. */
  readonly upstream: string;
  readonly upstreamRef: string;
  /** The upstream's commit. */
  readonly target: Oid;
}

/** Where a pull goes. */
export interface Destination {
  /** null when HEAD is to be detached at `target`. */
  readonly branch: Branch | null;
  /** The upstream's commit, or the one that was asked for. */
  readonly target: Oid;
}

/** Where a pull fetches from. */
export interface Source {
  readonly remote: string;
  /** What is wanted as far as is known before the fetch; null when a hash alone is, or nothing is known. */
  readonly branch: BranchName | null;
}

/**
 * Finds out what to fetch from.
 * @throws AppError NOT_FOUND when there is no remote, BAD_USER_INPUT; GitCommandError
 */
export async function findSource(
  deps: LookDeps,
  order: PullOrder,
  present: string | null,
): Promise<Source> {
  const standard = await findDefaultRemote(deps);
  const { preferredBranch } = order;
  const heads = [order.branch ?? preferredBranch ?? null, present].filter((name) => name !== null);
  const refs = lookUp(deps, [...heads.map(headRef), `refs/remotes/${standard ?? 'origin'}/HEAD`]);
  let { branch } = order;
  if (wantsDefault(order)) {
    const isHere =
      preferredBranch !== undefined && (await refs.find(headRef(preferredBranch))) !== undefined;
    branch = isHere ? preferredBranch : await findDefaultBranch(refs, standard, present);
  }
  const own = branch === null ? null : (await refs.find(headRef(branch)))?.remote;
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
async function findDefaultRemote(deps: LookDeps): Promise<string | null> {
  const remotes = await listRemotes(deps.git, deps.repository, deps.signal);
  if (remotes.includes('origin')) return 'origin';
  return remotes.length === 1 ? (remotes[0] ?? null) : null;
}

async function findDefaultBranch(
  refs: RefLookup,
  remote: string | null,
  present: string | null,
): Promise<BranchName | null> {
  const target = remote === null ? null : (await refs.find(`refs/remotes/${remote}/HEAD`))?.target;
  const name = target?.slice(`refs/remotes/${remote}/`.length) ?? present;
  return name === null ? null : parseBranchName(name);
}

function wantsDefault(order: PullOrder): boolean {
  return order.branch === null && order.hash === null;
}

/**
 * Finds what is wanted, now that it is known what the remote has.
 * @throws AppError NOT_FOUND (no such branch or commit), BAD_USER_INPUT (nothing says which branch, an ambiguous hash); GitCommandError
 */
export async function findDestination(
  deps: LookDeps,
  order: PullOrder,
  source: Source,
  fetched: Fetched,
): Promise<Destination> {
  const names = [source.branch, order.preferredBranch].filter((name) => name != null);
  const places = names.map((name) => fetched.place(`refs/remotes/${source.remote}/${name}`));
  const refs = lookUp(deps, [...names.map(headRef), ...places]);
  const name = await chooseBranch(refs, order, source, fetched);
  const branch = name === null ? null : await findBranch(refs, source.remote, name, fetched);
  if (order.hash !== null) {
    const target = await getCommitByHash(deps.git, deps.repository, order.hash, deps.signal);
    return { branch: null, target };
  }
  if (branch === null) throw new Error('a pull without a hash has a branch');
  return { branch, target: branch.target };
}

/** null when a hash alone is wanted. */
async function chooseBranch(
  refs: RefLookup,
  order: PullOrder,
  { remote, branch }: Source,
  fetched: Fetched,
): Promise<BranchName | null> {
  if (!wantsDefault(order)) return branch;
  const { preferredBranch } = order;
  if (preferredBranch !== undefined) {
    const trackingRef = `refs/remotes/${remote}/${preferredBranch}`;
    const found = await fetched.find(refs, trackingRef, preferredBranch);
    if (found?.isLeftover === false) return preferredBranch;
  }
  if (branch !== null) return branch;
  throw new AppError(
    'BAD_USER_INPUT',
    `HEAD is detached and ${remote} names no default branch: say which branch to pull`,
  );
}

function headRef(branch: string): string {
  return `refs/heads/${branch}`;
}

function lookUp({ git, repository, signal }: LookDeps, likely: readonly string[]): RefLookup {
  return createRefLookup(git, repository, likely, signal);
}

async function findBranch(
  refs: RefLookup,
  remote: string,
  name: BranchName,
  fetched: Fetched,
): Promise<Branch> {
  const local = await refs.find(headRef(name));
  const upstreamRef = local?.upstream ?? `refs/remotes/${remote}/${name}`;
  const remoteName = (local?.remoteRef ?? name).replace(/^refs\/heads\//, '');
  // The upstream of one that follows another branch of this repository is not fetched.
  const own = local?.remote === '.' ? await refs.find(upstreamRef) : undefined;
  const upstream =
    local?.remote === '.'
      ? own && { oid: own.oid, isLeftover: false }
      : await fetched.find(refs, upstreamRef, remoteName);
  if (upstream === undefined) {
    throw new AppError(
      'NOT_FOUND',
      local === undefined
        ? `there is no branch ${name}, neither here nor among what ${remote} gives`
        : `branch ${name} has no counterpart on ${remote} to pull from`,
    );
  }
  if (upstream.isLeftover) {
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

/**
 * git would move a branch under the feet of another working tree that has it checked out.
 * @throws AppError CONFLICT when one has; GitCommandError
 */
export async function refuseIfElsewhere(deps: LookDeps, name: BranchName): Promise<void> {
  const written = (await lookUp(deps, []).find(headRef(name)))?.workTree ?? null;
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
