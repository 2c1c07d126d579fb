import { AppError } from '../error.ts';
import type { Git } from './git.ts';
import type { GitProcess } from './git-process.ts';
import { oid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** A file's content in the object database. */
export interface BlobLocation {
  readonly oid: Oid;
  /** In bytes. */
  readonly size: number;
}

/**
 * Finds the content of a file in a commit, of a symbolic link the path that it names. One git child.
 * @param path as `parseTreePath` gives it
 * @throws AppError NOT_FOUND, BAD_USER_INPUT (a line end in the path); GitCommandError
 */
export async function getBlob(
  git: Git,
  repository: Repository,
  commit: Oid,
  path: Buffer,
  signal: AbortSignal,
): Promise<BlobLocation> {
  const shown = JSON.stringify(path.toString('utf8').slice(0, 80));
  if (path.includes(0x0a)) {
    throw new AppError('BAD_USER_INPUT', `${shown} has a line end, which git cat-file cannot be asked for`); // prettier-ignore
  }
  const { stdout } = await git.run(
    repository,
    ['cat-file', '--batch-check=%(objectname) %(objecttype) %(objectsize)'],
    {
      intent: 'read',
      signal,
      stdin: Buffer.concat([Buffer.from(`${commit}:`), path, Buffer.from('\n')]),
    },
  );
  // What is not there is answered by its name, which has the `:` in it.
  const [, id = '', type, size] = /^([0-9a-f]+) (\w+) (\d+)\n$/.exec(stdout.toString('latin1')) ?? []; // prettier-ignore
  if (type === undefined) throw new AppError('NOT_FOUND', `there is no ${shown} in this commit`);
  if (type !== 'blob') throw new AppError('NOT_FOUND', `${shown} is not a file but a ${type}`);
  return { oid: oid(id), size: Number(size) };
}

/** Starts to read a blob, byte for byte. @throws GitCommandError */
export async function openBlob(
  git: Git,
  repository: Repository,
  blob: Oid,
  signal: AbortSignal,
): Promise<GitProcess> {
  return await git.spawn(repository, ['cat-file', 'blob', blob], { intent: 'read', signal });
}
