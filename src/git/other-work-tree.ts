import { realpath } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { Git } from './git.ts';
import type { Repository } from './repository.ts';
import { readSmallFile } from './small-file.ts';

const MAX_CONFIG_BYTES = 1024 * 1024;

/**
 * The working tree that a repository's `core.worktree` names, where that is not the folder which has
 * the `.git`: what git changes would then not be what we looked at. null where there is no such thing.
 * @throws GitCommandError
 */
export async function findOtherWorkTree(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<string | null> {
  // A linked working tree's place is written down elsewhere, and git does not look here for it.
  if (repository.commonDir !== repository.gitDir) return null;
  // `--local` reads this file, and nothing that it includes; few have the word in it.
  const config = await readSmallFile(join(repository.commonDir, 'config'), MAX_CONFIG_BYTES);
  if (config !== null && !/worktree/i.test(config.toString('latin1'))) return null;
  const { stdout, exitCode } = await git.run(
    repository,
    ['config', '--local', '--get', 'core.worktree'],
    { intent: 'read', signal, exitCodes: [0, 1] },
  );
  if (exitCode === 1) return null;
  const named = resolve(repository.gitDir, stdout.toString('utf8').replace(/\n$/, ''));
  const workTree = await realpath(named).catch(() => named);
  return workTree === repository.workTree ? null : workTree;
}
