import { readFile, realpath, stat } from 'node:fs/promises';
import { isAbsolute, join } from 'node:path/posix';
import type { BytePath } from './inotify.ts';

/** Such a file holds one path; what is longer is none. */
const MAX_FILE_BYTES = 8192;

/**
 * The git directory of a repository within a working tree, and its common directory where that is another
 * one (gitrepository-layout(5)). None when there is nothing of the kind.
 * @param folder where its `.git` lies, a folder, a file or a link
 */
export async function locateGitFolders(folder: BytePath): Promise<BytePath[]> {
  const dotGit = `${folder}/.git`;
  const info = await stat(Buffer.from(dotGit, 'latin1')).catch(() => null);
  if (info === null) return [];
  const named = info.isDirectory()
    ? dotGit
    : await readPath(dotGit, folder, /^gitdir: (.+?)[\r\n]*$/s);
  const gitDir = await resolveLinks(named);
  if (gitDir === null) return [];
  const common = await resolveLinks(
    await readPath(`${gitDir}/commondir`, gitDir, /^(.+?)[\r\n]*$/s),
  );
  return common === null || common === gitDir ? [gitDir] : [gitDir, common];
}

async function readPath(file: BytePath, from: BytePath, form: RegExp): Promise<BytePath | null> {
  const path = Buffer.from(file, 'latin1');
  const info = await stat(path).catch(() => null);
  if (info === null || !info.isFile() || info.size > MAX_FILE_BYTES) return null;
  const named = form.exec(await readFile(path, 'latin1').catch(() => ''))?.[1];
  if (named === undefined) return null;
  return isAbsolute(named) ? named : join(from, named);
}

async function resolveLinks(path: BytePath | null): Promise<BytePath | null> {
  if (path === null) return null;
  const bytes = Buffer.from(path, 'latin1');
  const resolved = await realpath(bytes, { encoding: 'buffer' }).catch(() => null);
  return resolved?.toString('latin1') ?? null;
}
