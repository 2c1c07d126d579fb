import { access, constants, readdir, readFile, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';

/** What stands at a path that should be a repository. */
export type FolderState =
  /** `path` is the top of the working tree, or the bare repository. */
  | { readonly kind: 'repository'; readonly path: string }
  /** Somewhere inside the working tree of the repository `top`. */
  | { readonly kind: 'inside'; readonly top: string }
  /** Its `.git` file names a folder that is gone or is no repository. */
  | { readonly kind: 'broken'; readonly target: string }
  | { readonly kind: 'missing' | 'file' | 'unreadable' | 'plain' };

/**
 * Looks at a path as git would, without asking git: the configuration is checked before anything is
 * started.
 */
export async function inspectFolder(path: string): Promise<FolderState> {
  const status = await stat(path).catch((error: unknown) => error);
  if (status instanceof Error) {
    const code = 'code' in status ? status.code : undefined;
    return { kind: code === 'ENOENT' || code === 'ENOTDIR' ? 'missing' : 'unreadable' };
  }
  if (!(await isFolder(path))) return { kind: 'file' };
  try {
    await access(path, constants.R_OK | constants.X_OK);
  } catch {
    return { kind: 'unreadable' };
  }
  const own = await inspectOwn(path);
  if (own !== null) return own;
  const top = await findEnclosing(dirname(path));
  return top === null ? { kind: 'plain' } : { kind: 'inside', top };
}

/**
 * The repositories to serve when nobody named any: the one around `folder`, else every direct child
 * that is one, sorted by name. Names are folder names, without the `.git` of a bare repository
 * unless another has that name.
 */
export async function discoverRepositories(folder: string): Promise<ReadonlyMap<string, string>> {
  const around = await findEnclosing(folder);
  if (around !== null) return new Map([[nameOf(around), around]]);
  const children = await readdir(folder).catch(() => []);
  const found: string[] = [];
  for (const child of children.toSorted((a, b) => (a < b ? -1 : 1))) {
    const path = join(folder, child);
    if ((await inspectOwn(path))?.kind === 'repository') found.push(path);
  }
  const taken = new Set(found.map((path) => basename(path)));
  return new Map(
    found.map((path) => [taken.has(nameOf(path)) ? basename(path) : nameOf(path), path] as const),
  );
}

/** The repository that `folder` stands in, or null. */
async function findEnclosing(folder: string): Promise<string | null> {
  for (let path = resolve(folder); ; path = dirname(path)) {
    const own = await inspectOwn(path);
    if (own?.kind === 'repository') return own.path;
    if (path === dirname(path)) return null;
  }
}

/**
 * Whether `path` itself is a repository, whatever is around it; null when nothing says so. `.git` is a
 * folder, or in linked working trees and submodules a file that names one.
 */
async function inspectOwn(path: string): Promise<FolderState | null> {
  if (await isGitFolder(path)) {
    // GitPython took the ".git" of a working tree for the working tree; so do we.
    const inTree = basename(path) === '.git' && !(await isBare(path));
    return { kind: 'repository', path: inTree ? dirname(path) : path };
  }
  const dotGit = join(path, '.git');
  if (await isGitFolder(dotGit)) return { kind: 'repository', path };
  const text = await readFile(dotGit, 'utf8').catch(() => '');
  const named = /^gitdir: (.+?)\r?\n*$/s.exec(text)?.[1];
  if (named === undefined) return null;
  const target = resolve(path, named);
  return (await isGitFolder(target)) ? { kind: 'repository', path } : { kind: 'broken', target };
}

/** The test of git's `is_git_directory()`; a linked working tree has its objects and refs elsewhere. */
async function isGitFolder(path: string): Promise<boolean> {
  if (!(await exists(join(path, 'HEAD')))) return false;
  if (await exists(join(path, 'commondir'))) return true;
  return (await isFolder(join(path, 'objects'))) && (await isFolder(join(path, 'refs')));
}

async function isBare(gitFolder: string): Promise<boolean> {
  const text = await readFile(join(gitFolder, 'config'), 'utf8').catch(() => '');
  return /^\s*bare\s*=\s*true\s*$/im.test(text);
}

async function isFolder(path: string): Promise<boolean> {
  return stat(path).then(
    (status) => status.isDirectory(),
    () => false,
  );
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

function nameOf(path: string): string {
  const name = basename(path);
  return name.length > 4 && name.endsWith('.git') ? name.slice(0, -4) : name || 'root';
}
