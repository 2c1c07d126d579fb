import { join } from 'node:path';
import { AppError } from '../error.ts';
import { parseCommit, type Commit } from './commit.ts';
import type { Git } from './git.ts';
import { readObject } from './object-file.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** Longer ones exist (a message may be a whole log file); they are left to git. */
const MAX_BYTES_IN_PROCESS = 256 * 1024;

/**
 * Reads a commit: from the object database itself where that is possible without doubt, else with one
 * git child.
 * @throws AppError NOT_FOUND when there is no such commit (past the end of a shallow clone, or pruned)
 */
export async function readCommit(
  git: Git,
  repository: Repository,
  id: Oid,
  signal: AbortSignal,
): Promise<Commit> {
  return parseCommit(id, await readCommitBody(git, repository, id, signal));
}

/** Reads a commit's object, byte for byte, in the same way. @throws AppError NOT_FOUND */
export async function readCommitBody(
  git: Git,
  repository: Repository,
  id: Oid,
  signal: AbortSignal,
): Promise<Buffer> {
  const objects = join(repository.commonDir, 'objects');
  const object = await readObject(objects, id, { maxBytes: MAX_BYTES_IN_PROCESS });
  if (object !== null && object.type === 'commit') return object.body;
  const { stdout, exitCode } = await git.run(repository, ['cat-file', 'commit', id], {
    intent: 'read',
    signal,
    exitCodes: [0, 128],
  });
  if (exitCode !== 0) throw new AppError('NOT_FOUND', `there is no commit ${id} here`);
  return stdout;
}
