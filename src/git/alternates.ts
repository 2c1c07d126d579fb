import { join, resolve } from 'node:path';
import { openIfReadable, readAt } from './object-bytes.ts';

/** git stops here too: "ignoring alternate object stores, nesting too deep" (object-file.c). */
const MAX_DEPTH = 5;

/** More object directories than this are not looked at. */
const MAX_DIRS = 32;

/** A larger `info/alternates` is not looked at. */
const MAX_BYTES = 64 * 1024;

/**
 * The object directories a repository reads from, nearest first: its own, then those that
 * `info/alternates` names, and theirs (gitrepository-layout, "objects/info/alternates").
 * Each comes once. `info/alternates` is read only when the caller asks for the next directory,
 * and no variable of the environment has a say.
 * @throws the system's error when the disk fails.
 */
export async function* listObjectDirs(objectsDir: string): AsyncGenerator<string> {
  // A Map may grow while it is walked: what is added is visited, and each directory once.
  const depths = new Map([[resolve(objectsDir), 0]]);
  for (const [dir, depth] of depths) {
    yield dir;
    if (depth === MAX_DEPTH) continue;
    for (const alternate of await readAlternates(dir)) {
      if (depths.size < MAX_DIRS && !depths.has(alternate)) depths.set(alternate, depth + 1);
    }
  }
}

/** One path a line, absolute or relative to the object directory; `#` begins a comment. */
async function readAlternates(objectsDir: string): Promise<string[]> {
  await using file = await openIfReadable(join(objectsDir, 'info', 'alternates'));
  if (file === null) return [];
  const bytes = await readAt(file, 0, MAX_BYTES);
  if (bytes.length === MAX_BYTES) return [];
  // A path in C quotes is left to git: a person wrote it, git itself quotes none. No path has a NUL.
  const lines = bytes.toString().split('\n');
  return lines
    .filter((line) => /^[^#"\0][^\0]*$/.test(line))
    .map((line) => resolve(objectsDir, line));
}
