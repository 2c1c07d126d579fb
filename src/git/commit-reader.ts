import { AppError } from '../error.ts';
import { parseCommit, type Commit } from './commit.ts';
import type { GitObject, ObjectReader } from './object-reader.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/**
 * Reads a commit.
 * @throws AppError NOT_FOUND when there is no such commit (past the end of a shallow clone, or pruned),
 * CONFLICT when it is damaged; and as `ObjectReader.read`
 */
export async function readCommit(
  objects: ObjectReader,
  repository: Repository,
  id: Oid,
  signal: AbortSignal,
): Promise<Commit> {
  return commitOf(await objects.read(repository, id, signal));
}

/** A commit's parse. @throws AppError NOT_FOUND when it is no commit, CONFLICT when it is damaged */
export function commitOf({ oid, type, body }: GitObject): Commit {
  if (type !== 'commit') throw new AppError('NOT_FOUND', `${oid} is a ${type} and not a commit`);
  try {
    return parseCommit(oid, body);
  } catch (error) {
    throw new AppError(
      'CONFLICT',
      `the commit ${oid} is damaged: look at the repository with git fsck`,
      undefined,
      { cause: error },
    );
  }
}
