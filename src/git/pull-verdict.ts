import { AppError } from '../error.ts';
import { listTreeChanges, type TreeChange } from './diff.ts';
import type { GitPath } from './git-path.ts';
import {
  filesInTheWay,
  findUntrackedInTheWay,
  listChangedInTheWay,
  listSome,
} from './in-the-way.ts';
import type { Oid } from './oid.ts';
import type { LookDeps } from './pull-order.ts';
import type { Move } from './pull-move.ts';
import { findDiscarded, type Discarded } from './pull-discarded.ts';
import type { Status } from './status.ts';

/** Whether a move can be made. */
export interface Verdict {
  /** Why it is refused; null when it is not. */
  readonly refusal: AppError | null;
  /** What is not committed and would be overwritten, which is then the refusal. */
  readonly inTheWay: readonly GitPath[];
  /** Of a reset: what it saves before it discards it. */
  readonly discarded: Discarded | null;
  /** Of a merge that works: the tree that it makes. */
  readonly merged: Oid | null;
}

const FREE: Verdict = { refusal: null, inTheWay: [], discarded: null, merged: null };

/**
 * Looks whether anything stands in a move's way. Changes nothing: what it refuses is refused before HEAD,
 * index or working tree are touched.
 * @throws GitCommandError
 */
export async function judgeMove(deps: LookDeps, before: Status, move: Move): Promise<Verdict> {
  switch (move.kind) {
    case 'UP_TO_DATE':
      return FREE;
    case 'RESET': {
      const found = await findDiscarded(deps, before, move);
      return 'refusal' in found ? { ...FREE, ...found } : { ...FREE, discarded: found };
    }
    case 'MERGE':
    case 'REBASE':
      return await judgeReconciliation(deps, before, move);
    default:
      return inTheWay(await findFilesInTheWay(deps, before, move.tip ?? move.target));
  }
}

async function judgeReconciliation(
  deps: LookDeps,
  before: Status,
  { kind, branch, target }: Move,
): Promise<Verdict> {
  if (branch === null || branch.local === null) {
    throw new Error('a branch that does not exist here cannot have diverged');
  }
  // A merge needs an index like HEAD, a rebase a clean working tree besides; where the branch is not
  // checked out yet, switching to it comes first.
  const needClean = before.entries.filter(
    (entry) => entry.index !== '.' || (kind === 'REBASE' && !entry.isSubmodule),
  );
  if (needClean.length > 0) return inTheWay(needClean.map((entry) => entry.path));
  let merged: Oid | null = null;
  if (kind === 'MERGE') {
    const rehearsal = await rehearseMerge(deps, branch.local, target);
    if ('conflicts' in rehearsal) {
      return { ...FREE, refusal: mergeConflict(branch.upstream, rehearsal.conflicts) };
    }
    merged = rehearsal.tree;
  }
  const files = await findFilesInTheWay(deps, before, merged ?? target);
  if (files.length > 0) return { ...inTheWay(files), merged };
  const isElsewhere = before.branch !== branch.name;
  const first = isElsewhere ? await findFilesInTheWay(deps, before, branch.local) : [];
  return { ...inTheWay(first), merged };
}

function inTheWay(files: readonly GitPath[]): Verdict {
  return files.length === 0 ? FREE : { ...FREE, inTheWay: files, refusal: filesInTheWay(files) };
}

/**
 * Finds the files that are not committed and stand where the move from HEAD to `to` would write. git would
 * refuse too, but it rewrites the index first and names only some of the files, and ignored ones it
 * overwrites.
 */
async function findFilesInTheWay(deps: LookDeps, before: Status, to: Oid): Promise<GitPath[]> {
  const unmerged = before.entries.filter((entry) => entry.isUnmerged);
  if (unmerged.length > 0) return unmerged.map((entry) => entry.path);
  const changes = await listChanges(deps, before, to);
  return [
    ...listChangedInTheWay(before, changes),
    ...(await findUntrackedInTheWay(deps.repository.path, before, changes)),
  ];
}

/** Lists what a move from HEAD to `to` would write or remove. */
async function listChanges(deps: LookDeps, before: Status, to: Oid): Promise<TreeChange[]> {
  const options = { findRenames: false };
  return await listTreeChanges(deps.git, deps.repository, before.head, to, deps.signal, options);
}

/**
 * Merges in the object database alone and gives the tree it would make, so that a conflict is
 * refused before the working tree is touched.
 */
async function rehearseMerge(
  deps: LookDeps,
  ours: Oid,
  theirs: Oid,
): Promise<{ readonly tree: Oid } | { readonly conflicts: readonly string[] }> {
  const { stdout, exitCode } = await deps.git.run(
    deps.repository,
    ['merge-tree', '--write-tree', '-z', '--name-only', '--no-messages', ours, theirs],
    { intent: 'read', signal: deps.signal, exitCodes: [0, 1] },
  );
  const [tree = '', ...files] = stdout.toString('utf8').split('\0').filter(Boolean);
  return exitCode === 0 ? { tree: tree as Oid } : { conflicts: files };
}

function mergeConflict(upstream: string, files: readonly string[]): AppError {
  return new AppError(
    'CONFLICT',
    `${upstream} cannot be merged: both sides changed ${listSome(files)}; merge by hand, or pull with the strategy reset`,
    { files },
  );
}
