import { AppError } from '../error.ts';
import type { GitPath } from './git-path.ts';

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
  return path.raw?.toString('latin1') ?? Buffer.from(path.text).toString('latin1');
}

function parents(name: string): string[] {
  const slashes = Array.from(name.matchAll(/\//g), (match) => match.index);
  return slashes.map((end) => name.slice(0, end));
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

/** The first ten, quoted, and how many more there are. */
export function listSome(files: readonly string[]): string {
  const shown = files.slice(0, 10).map((file) => JSON.stringify(file));
  const more = files.length - shown.length;
  return shown.join(', ') + (more > 0 ? ` and ${more} more` : '');
}
