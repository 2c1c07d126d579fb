import { lstat, realpath } from 'node:fs/promises';
import { dirname, join, sep } from 'node:path';
import { AppError } from '../error.ts';
import { openRepository, type Repository } from '../git/repository.ts';

/** Finds repositories below one folder, whose names are their paths in it. */
export interface GitBase {
  /** The repository's folder; null when there is none of this name, with or without `.git` at its end. */
  find(name: string): Promise<string | null>;
}

/**
 * @param folder absolute
 * @throws AppError NOT_FOUND when it does not exist
 */
export async function openGitBase(folder: string): Promise<GitBase> {
  const base = await realpath(folder).catch((error: unknown) => {
    throw new AppError('NOT_FOUND', `git_base: there is no folder ${folder}`, undefined, {
      cause: error,
    });
  });
  const findExactly = async (name: string): Promise<string | null> => {
    const path = join(base, ...name.split('/'));
    const found = await openRepository(path).catch((error: unknown) => {
      if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
      throw error;
    });
    if (found === null) return null;
    // What leads out of the folder, by a symbolic link or a `.git` file, names nothing that is served.
    const parts = await Promise.all(
      ['objects', 'refs'].map(
        async (part) => await realpath(join(found.commonDir, part)).catch(() => ''),
      ),
    );
    const isInside = [found.path, found.gitDir, found.commonDir, ...parts].every((dir) =>
      dir.startsWith(`${base}${sep}`),
    );
    return isInside && !(await isPlanted(found)) ? path : null;
  };
  /**
   * Whether a bare repository lies among the files of another repository. git commits no `.git`, but it
   * commits folders that look like bare repositories, with hooks: whoever can get a commit into a working
   * tree would have a repository, and programs run, of his own making.
   */
  const isPlanted = async ({ path, workTree }: Repository): Promise<boolean> => {
    if (workTree !== null) return false;
    for (let dir = dirname(path); dir.startsWith(base); dir = dirname(dir)) {
      if (await isRepository(dir)) return true;
    }
    return false;
  };
  return {
    async find(name) {
      // A name never has an empty part, `.` or `..`: see parseRoute. A git directory is not a repository
      // of its own; its working tree's name is.
      if (name === '' || name.split('/').includes('.git')) return null;
      return (await findExactly(name)) ?? (await findExactly(`${name}.git`));
    },
  };
}

/** A working tree, or a git directory: nothing below either is a repository of its own because it looks so. */
async function isRepository(dir: string): Promise<boolean> {
  const has = async (name: string): Promise<boolean> =>
    (await lstat(join(dir, name)).catch(() => null)) !== null;
  return (await has('.git')) || ((await has('HEAD')) && (await has('objects')));
}
