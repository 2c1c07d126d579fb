import { AppError } from '../error.ts';
import type { GitConfig } from './environment.ts';
import type { Git } from './git.ts';
import type { GitProcess } from './git-process.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import { HOST_SIGNATURE_PROGRAMS } from './signature.ts';

export type ArchiveFormat = 'tar' | 'zip';

/**
 * Starts `git archive` of a commit. What `export-ignore` and `export-subst` in its own .gitattributes say is
 * done; no program that the repository's configuration names runs, so files come as they are stored.
 * @param options.prefix the folder that all files are put into, such as `site-main/`
 * @throws AppError CONFLICT when the configuration names a program for zip; GitCommandError
 */
export async function openArchive(
  git: Git,
  repository: Repository,
  commit: Oid,
  options: {
    readonly format: ArchiveFormat;
    readonly prefix: string;
    readonly signal: AbortSignal;
  },
): Promise<GitProcess> {
  const { format, prefix, signal } = options;
  const config = await withoutPrograms(git, repository, format, signal);
  const args = ['archive', `--format=${format}`, `--prefix=${prefix}`, commit];
  // From the top: git archives the folder that it stands in.
  return await git.spawn(repository, ['-C', repository.path, ...args], {
    intent: 'read',
    signal,
    config,
  });
}

/**
 * `filter.NAME.smudge` and `.process` run for files whose attributes say so, `tar.zip.command` takes the
 * place of git's own zip, and `export-subst` can ask for a signature to be checked.
 */
async function withoutPrograms(
  git: Git,
  repository: Repository,
  format: ArchiveFormat,
  signal: AbortSignal,
): Promise<GitConfig> {
  const { stdout } = await git.run(
    repository,
    ['config', '-z', '--name-only', '--get-regexp', '^(filter|tar)\\.'],
    // 1: there are none.
    { intent: 'read', signal, exitCodes: [0, 1] },
  );
  const names = stdout.toString('utf8').split('\0');
  if (format === 'zip' && names.includes('tar.zip.command')) {
    throw new AppError('CONFLICT', 'the configuration of this repository names a program of its own for zip, which is not run: ask for tar.gz'); // prettier-ignore
  }
  const drivers = new Set(
    names
      .map((name) => /^(filter\..+)\.[^.]+$/s.exec(name)?.[1])
      .filter((name) => name !== undefined),
  );
  return [
    ...HOST_SIGNATURE_PROGRAMS,
    ...[...drivers].flatMap((driver) => [
      [`${driver}.smudge`, ''] as const,
      [`${driver}.process`, ''] as const,
      [`${driver}.required`, 'false'] as const,
    ]),
  ];
}
