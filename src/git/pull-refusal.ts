import { listTreeChanges, type TreeChange } from './diff.ts';
import { filesInTheWay, findUntrackedInTheWay, listChangedInTheWay } from './in-the-way.ts';
import type { Oid } from './oid.ts';
import type { PullDeps } from './pull-order.ts';
import type { Status } from './status.ts';

/**
 * Refuses when a file that is not committed stands where the move from HEAD to `to` would write.
 * git would refuse too, but it rewrites the index first and names only some of the files, and ignored
 * ones it overwrites.
 * @throws AppError CONFLICT that names the files; GitCommandError
 */
export async function refuseFilesInTheWay(deps: PullDeps, before: Status, to: Oid): Promise<void> {
  const unmerged = before.entries.filter((entry) => entry.isUnmerged);
  if (unmerged.length > 0) throw filesInTheWay(unmerged.map((entry) => entry.path));
  const changes = await listChanges(deps, before, to);
  const inTheWay = [
    ...listChangedInTheWay(before, changes),
    ...(await findUntrackedInTheWay(deps.repository.path, before, changes)),
  ];
  if (inTheWay.length > 0) throw filesInTheWay(inTheWay);
}

/**
 * Lists what a move from HEAD to `to` would write or remove.
 * @throws GitCommandError
 */
export async function listChanges(deps: PullDeps, before: Status, to: Oid): Promise<TreeChange[]> {
  const options = { findRenames: false };
  return await listTreeChanges(deps.git, deps.repository, before.head, to, deps.signal, options);
}
