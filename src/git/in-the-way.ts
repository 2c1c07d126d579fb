import { AppError } from '../error.ts';
import type { TreeChange } from './diff.ts';
import { pathBytes, type GitPath } from './git-path.ts';
import { findObstacles } from './obstacle.ts';
import type { Status, StatusEntry } from './status.ts';

/** The paths that are among `changed`, or a folder of one of them, or lie below one of them. */
export function collisions(paths: readonly GitPath[], changed: readonly GitPath[]): GitPath[] {
  const files = new Set(changed.map(key));
  const folders = new Set(files.values().flatMap(parents));
  return paths.filter((path) => {
    const name = key(path);
    return files.has(name) || folders.has(name) || parents(name).some((dir) => files.has(dir));
  });
}

/** One character for each byte, so that equal keys mean equal bytes. */
function key(path: GitPath): string {
  return pathBytes(path).toString('latin1');
}

function parents(name: string): string[] {
  const slashes = Array.from(name.matchAll(/\//g), (match) => match.index);
  return slashes.map((end) => name.slice(0, end));
}

/** An entry's path, and the one that it came from. */
export function pathsOf(entry: StatusEntry): GitPath[] {
  return entry.previousPath === undefined ? [entry.path] : [entry.path, entry.previousPath];
}

/**
 * Finds the tracked paths that are not committed and that a move would write or remove. What a
 * submodule has checked out is not among them, for no move touches it.
 */
export function listChangedInTheWay(status: Status, changes: readonly TreeChange[]): GitPath[] {
  const dirty = status.entries.filter((entry) => !entry.isSubmodule || entry.index !== '.');
  return collisions(
    dirty.flatMap(pathsOf),
    changes.map((change) => change.path),
  );
}

/**
 * Finds what is not tracked, ignored or not, and stands where a move would write.
 * @param restored tracked paths that are written besides, for their changes are discarded
 */
export async function findUntrackedInTheWay(
  workTree: string,
  status: Status,
  changes: readonly TreeChange[],
  restored: readonly GitPath[] = [],
): Promise<GitPath[]> {
  // A submodule's folder may be there already, with the submodule in it.
  const added = changes.filter((change) => change.letter === 'A' && !change.isSubmodule);
  const written = [...added.map((change) => change.path), ...restored];
  const removed = changes.filter((change) => change.letter === 'D').map((change) => change.path);
  const obstacles = await findObstacles(workTree, written, removed);
  // Once more by git's account, for a file system whose names are not quite git's.
  const known = collisions(status.untracked, written);
  return [...new Map([...known, ...obstacles].map((path) => [key(path), path])).values()];
}

/** The refusal that names the files. */
export function filesInTheWay(paths: readonly GitPath[]): AppError {
  const files = [...new Set(paths.map((path) => path.text))];
  return new AppError(
    'CONFLICT',
    `files that are not committed stand in the way: ${listSome(files)}; ` +
      'commit or remove them, or pull with the strategy reset, which saves them first',
    { files },
  );
}

/** The refusal of a reset, which saves files but not whole repositories. */
export function repositoriesInTheWay(paths: readonly GitPath[]): AppError {
  const files = paths.map((path) => path.text);
  return new AppError(
    'CONFLICT',
    `other repositories stand in the way: ${listSome(files)}; move them away`,
    { files },
  );
}

/** The first ten, quoted, and how many more there are. */
export function listSome(files: readonly string[]): string {
  const shown = files.slice(0, 10).map((file) => JSON.stringify(file));
  const more = files.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
