import { readdir } from 'node:fs/promises';
import { CannotWatch, type BytePath } from './inotify.ts';

/**
 * What a folder is to git. `tree` is part of a working tree; `git` a git directory, of which only some
 * folders matter; `refs` lies in its refs; `leaf` matters, but not what folders are in it, or is a link.
 */
export type FolderKind = 'tree' | 'git' | 'refs' | 'leaf';

/** A folder that is watched, or about to be. */
export interface Folder {
  readonly path: BytePath;
  readonly kind: FolderKind;
  readonly parent: Folder | null;
  /** Its key among the parent's children. */
  readonly key: string;
  readonly children: Map<string, Folder>;
  /** Folders in it that git does not look into. */
  readonly leftOut: Set<BytePath>;
  /** A repository of somebody else's: only whether it is one matters. */
  isForeign: boolean;
  isClosed: boolean;
  unwatch: (() => void) | null;
}

/** The folders of a git directory that matter; of the others, such as objects, nothing does. */
const GIT_FOLDERS: Readonly<Record<string, FolderKind>> = {
  refs: 'refs',
  reftable: 'leaf',
  info: 'leaf',
  'rebase-apply': 'leaf',
  sequencer: 'leaf',
};

/** What a folder in this one is to git; undefined when it does not matter. */
export function kindInside(folder: Folder, name: BytePath): FolderKind | undefined {
  return folder.kind === 'git' ? GIT_FOLDERS[name] : folder.kind;
}

/** @param isForeign whether it is a repository of somebody else's */
export function createFolder(
  path: BytePath,
  kind: FolderKind,
  parent: Folder | null,
  key: string,
  isForeign: boolean,
): Folder {
  const children = new Map<string, Folder>();
  const state = { isForeign, isClosed: false, unwatch: null };
  const folder: Folder = { path, kind, parent, key, children, leftOut: new Set(), ...state };
  parent?.children.set(key, folder);
  return folder;
}

/** What a folder has in it. */
export interface Entry {
  readonly name: BytePath;
  readonly isFolder: boolean;
  readonly isLink: boolean;
}

/** @throws CannotWatch when it is there and cannot be read */
export async function readFolder(path: BytePath): Promise<Entry[]> {
  try {
    const entries = await readdir(pathBytes(path), { withFileTypes: true, encoding: 'buffer' });
    return entries.map((entry) => ({
      name: entry.name.toString('latin1'),
      isFolder: entry.isDirectory(),
      isLink: entry.isSymbolicLink(),
    }));
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : null;
    // It has gone, and the folder above has said so.
    if (code === 'ENOENT' || code === 'ENOTDIR') return [];
    throw new CannotWatch(`${pathBytes(path).toString()} cannot be read: ${String(code)}`);
  }
}

/** A path as text in which each character is a byte, and back. */
export function bytePath(path: string): BytePath {
  return Buffer.from(path).toString('latin1');
}

export function pathBytes(path: BytePath): Buffer {
  return Buffer.from(path, 'latin1');
}
