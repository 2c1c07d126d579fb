import { realpath } from 'node:fs/promises';
import { join, sep } from 'node:path';
import { AppError } from '../error.ts';
import { openRepository } from '../git/repository.ts';

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
    // Symbolic links are resolved here: one that leads out of the folder, or a `.git` file that does,
    // names nothing that is served.
    const inside = [found?.path, found?.gitDir, found?.commonDir];
    return inside.every((dir) => dir?.startsWith(`${base}${sep}`)) ? path : null;
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
