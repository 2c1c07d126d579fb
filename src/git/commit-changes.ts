import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { AppError } from '../error.ts';
import type { Commit } from './commit.ts';
import type { TreePair } from './diff.ts';
import type { Repository } from './repository.ts';

/**
 * What a commit is compared with to see what it changed: one of its parents, counted from 1; or the empty
 * tree, when it has none, or was cut off from them by a shallow clone.
 * @throws AppError BAD_USER_INPUT when it has no such parent
 */
export async function pairWithParent(
  repository: Repository,
  { oid, parentOids }: Pick<Commit, 'oid' | 'parentOids'>,
  parent: number,
): Promise<TreePair> {
  const from = parentOids[parent - 1];
  if (from === undefined && (parent !== 1 || parentOids.length > 0)) {
    throw new AppError(
      'BAD_USER_INPUT',
      `this commit has ${parentOids.length} parents: "parent" counts them from 1`,
    );
  }
  if (from === undefined || (await isShallowBoundary(repository, oid)))
    return { from: null, to: oid };
  return { from, to: oid };
}

/** Each line of this file is a commit whose parents are not here (gitrepository-layout(5)). */
const MAX_SHALLOW_BYTES = 16 * 1024 * 1024;

async function isShallowBoundary({ commonDir }: Repository, oid: string): Promise<boolean> {
  const path = join(commonDir, 'shallow');
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile() || found.size > MAX_SHALLOW_BYTES) return false;
  return (await readFile(path, 'latin1').catch(() => '')).split('\n').includes(oid);
}
