import { realpath, stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { AppError } from '../error.ts';
import { readSmallFile } from './small-file.ts';

/**
 * Where the parts of one repository lie, as gitrepository-layout(5) names them. All paths are absolute,
 * with symbolic links resolved, as `safe.directory` compares them.
 */
export interface Repository {
  /** What the configuration named: the working tree, or the bare repository itself. */
  readonly path: string;
  /** `$GIT_DIR`: HEAD and the index are here. */
  readonly gitDir: string;
  /** `$GIT_COMMON_DIR`: objects and refs are here. Differs from `gitDir` in a linked working tree only. */
  readonly commonDir: string;
  /** null when the repository is bare. */
  readonly workTree: string | null;
}

/**
 * Finds a repository's parts without starting git: a bare repository, a working tree, or a linked one
 * (also a submodule), where `.git` is a file that says `gitdir: PATH`.
 * @throws AppError NOT_FOUND when there is no repository at exactly this path
 */
export async function openRepository(path: string): Promise<Repository> {
  const root = await realpath(path).catch((error: unknown) => {
    throw new AppError('NOT_FOUND', `${path} does not exist or cannot be read`, undefined, {
      cause: error,
    });
  });
  const dotGit = join(root, '.git');
  const kind = await stat(dotGit).catch(() => null);
  if (kind === null) {
    if (await isGitDir(root)) {
      return { path: root, gitDir: root, commonDir: await commonDirOf(root), workTree: null };
    }
    throw new AppError('NOT_FOUND', `${path} is not a git repository`);
  }
  const gitDir = kind.isDirectory() ? await realpath(dotGit) : await followGitFile(dotGit);
  if (!(await isGitDir(gitDir))) {
    throw new AppError('NOT_FOUND', `${path} is not a git repository: ${gitDir} has no HEAD`);
  }
  return { path: root, gitDir, commonDir: await commonDirOf(gitDir), workTree: root };
}

/** A `.git` file, as written by `git worktree add`, `git submodule` and `git init --separate-git-dir`. */
async function followGitFile(file: string): Promise<string> {
  const target = /^gitdir: (.+?)[\r\n]*$/s.exec((await readPathFile(file)) ?? '')?.[1];
  if (target === undefined) {
    throw new AppError('NOT_FOUND', `${file} does not name a git directory`);
  }
  return await realpath(resolve(dirname(file), target)).catch((error: unknown) => {
    throw new AppError('NOT_FOUND', `${file} names ${target}, which does not exist`, undefined, {
      cause: error,
    });
  });
}

async function isGitDir(dir: string): Promise<boolean> {
  const head = await stat(join(dir, 'HEAD')).catch(() => null);
  if (head === null) return false;
  return (await stat(join(await commonDirOf(dir), 'objects')).catch(() => null)) !== null;
}

/** @throws AppError NOT_FOUND when a linked working tree's repository is gone */
async function commonDirOf(gitDir: string): Promise<string> {
  const text = await readPathFile(join(gitDir, 'commondir'));
  if (text === null) return gitDir;
  const named = resolve(gitDir, text.replace(/[\r\n]+$/, ''));
  return await realpath(named).catch((error: unknown) => {
    throw new AppError('NOT_FOUND', `${gitDir} belongs to ${named}, which is gone`, undefined, {
      cause: error,
    });
  });
}

/** Such a file holds one path. */
const MAX_PATH_FILE_BYTES = 8192;

async function readPathFile(path: string): Promise<string | null> {
  return (await readSmallFile(path, MAX_PATH_FILE_BYTES))?.toString('utf8') ?? null;
}
