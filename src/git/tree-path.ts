import { AppError } from '../error.ts';
import { gitPath, pathBytes, type GitPath } from './git-path.ts';
import type { ObjectReader } from './object-reader.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import { parseTree, type TreeEntry } from './tree.ts';

/** More folders within folders than this are not walked down. */
const MAX_DEPTH = 1000;

/**
 * Reads a tree's entries.
 * @throws AppError NOT_FOUND when there is no such tree, CONFLICT when it is damaged; and as `ObjectReader.read`
 */
export async function readTree(
  objects: ObjectReader,
  repository: Repository,
  id: Oid,
  signal: AbortSignal,
): Promise<TreeEntry[]> {
  const { type, body } = await objects.read(repository, id, signal);
  if (type !== 'tree') throw new AppError('NOT_FOUND', `${id} is a ${type} and not a tree`);
  return parseTree(id, body);
}

/**
 * Finds what lies at a path below a tree, as `TREE:PATH` does but for any bytes; symbolic links are not
 * followed. null when nothing does; for the tree itself too, whose path is empty. One slash at the end is overlooked.
 * @throws AppError as `readTree`
 */
export async function findEntry(
  objects: ObjectReader,
  repository: Repository,
  tree: Oid,
  path: GitPath,
  signal: AbortSignal,
): Promise<TreeEntry | null> {
  const names = splitPath(path);
  if (names.length > MAX_DEPTH) return null;
  let entry: TreeEntry | undefined;
  let folder = tree;
  for (const [depth, name] of names.entries()) {
    const entries = await readTree(objects, repository, folder, signal);
    entry = entries.find((each) => pathBytes(each.name).equals(name));
    if (entry === undefined) return null;
    if (depth < names.length - 1 && entry.type !== 'tree') return null;
    folder = entry.oid;
  }
  return entry ?? null;
}

/** A path's names from the top; none of the empty path. */
export function splitPath(path: GitPath): Buffer[] {
  const text = pathBytes(path).toString('latin1').replace(/\/$/, '');
  return text === '' ? [] : text.split('/').map((name) => Buffer.from(name, 'latin1'));
}

/** The path of a name in a folder; null stands for the top. */
export function joinPath(folder: GitPath | null, name: GitPath): GitPath {
  if (folder === null) return name;
  return gitPath(Buffer.concat([pathBytes(folder), Buffer.from('/'), pathBytes(name)]));
}
