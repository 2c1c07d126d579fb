import { AppError } from '../error.ts';
import { gitPath, type GitPath } from './git-path.ts';
import { oid as toOid, type Oid } from './oid.ts';
import type { ObjectType } from './stored-object.ts';

/** One name in a tree. */
export interface TreeEntry {
  /** As `stat` says it, in git's own few values: 0o100644, 0o100755, 0o120000, 0o040000, 0o160000. */
  readonly mode: number;
  readonly name: GitPath;
  readonly oid: Oid;
  /** A submodule's is `commit`, and lies in another repository. */
  readonly type: Exclude<ObjectType, 'tag'>;
}

const FORMAT = 0o170_000;
const TREE = 0o040_000;
const FILE = 0o100_000;
const LINK = 0o120_000;
export const SUBMODULE_MODE = 0o160_000;

/**
 * Parses the body of a tree object, in git's order. What git reads is read, odd modes and names too; the
 * modes are made canonical as git does it.
 * @throws AppError CONFLICT when it is damaged: git refuses such a tree as well
 */
export function parseTree(id: Oid, body: Buffer): TreeEntry[] {
  const idBytes = id.length / 2;
  const entries: TreeEntry[] = [];
  for (let at = 0; at < body.length;) {
    const space = body.indexOf(0x20, at);
    const end = space === -1 ? -1 : body.indexOf(0, space);
    const next = end + 1 + idBytes;
    if (end === -1 || next > body.length) throw damaged(id, 'an entry is cut short');
    const mode = parseMode(body.toString('latin1', at, space));
    if (mode === null) throw damaged(id, 'an entry has no mode');
    if (end === space + 1) throw damaged(id, 'an entry has no name');
    entries.push({
      mode,
      name: gitPath(body.subarray(space + 1, end)),
      oid: toOid(body.toString('hex', end + 1, next)),
      type: typeOf(mode),
    });
    at = next;
  }
  return entries;
}

/** git's `canon_mode`: of a file only whether its owner may run it. */
function parseMode(digits: string): number | null {
  if (!/^[0-7]{1,7}$/.test(digits)) return null;
  const mode = Number.parseInt(digits, 8);
  const format = mode & FORMAT;
  if (format === FILE) return FILE | ((mode & 0o100) === 0 ? 0o644 : 0o755);
  return format === LINK || format === TREE ? format : SUBMODULE_MODE;
}

function typeOf(mode: number): TreeEntry['type'] {
  if (mode === TREE) return 'tree';
  return mode === SUBMODULE_MODE ? 'commit' : 'blob';
}

function damaged(id: Oid, how: string): AppError {
  return new AppError(
    'CONFLICT',
    `the tree ${id} is damaged, ${how}: look at the repository with git fsck`,
  );
}
