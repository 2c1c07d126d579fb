import { readdir } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import type { RepositoryRequest, ServedRepository } from './options.ts';

export interface RepositoryFolderOptions {
  /** As in `ServedRepository`, for all of them. Default: false. */
  readonly hooks?: boolean;
  /** How many folders deep repositories are looked for: `team/site.git` is two deep. Default: 3. */
  readonly depth?: number;
}

/** A name that is not known is looked for again, but not more often than this. */
const RESCAN_MS = 1_000;

/**
 * Serves every repository in a folder: bare ones and working trees, by their path in it, with `.git` at
 * the end or without. What a request says is compared with what is there, and never becomes a path; links
 * and folders whose name begins with a dot are not looked into.
 * @returns what `createGitHttpHandler` takes as `resolve`
 */
export function createRepositoryFolder(
  folder: string,
  { hooks = false, depth = 3 }: RepositoryFolderOptions = {},
): (wanted: Pick<RepositoryRequest, 'name'>) => Promise<ServedRepository | null> {
  const root = resolve(folder);
  let known: ReadonlyMap<string, string> = new Map();
  let scannedAt = -Infinity;
  let scanning: Promise<void> | undefined;

  const find = (name: string): string | undefined =>
    known.get(name) ?? known.get(`${name}.git`) ?? known.get(name.replace(/\.git$/, ''));

  async function scan(): Promise<void> {
    known = new Map(await listRepositories(root, '', depth));
    scannedAt = performance.now();
  }

  return async ({ name }) => {
    if (find(name) === undefined && performance.now() - scannedAt >= RESCAN_MS) {
      scanning ??= scan().finally(() => {
        scanning = undefined;
      });
      await scanning;
    }
    const path = find(name);
    return path === undefined ? null : { path, hooks };
  };
}

async function listRepositories(
  folder: string,
  name: string,
  depth: number,
): Promise<[name: string, path: string][]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  const names = new Set(entries.map((entry) => entry.name));
  // A repository within a repository is that one's own affair.
  if (names.has('.git') || (names.has('HEAD') && names.has('objects') && names.has('refs'))) {
    return [[name, folder]];
  }
  if (depth === 0) return [];
  const folders = entries.filter((entry) => entry.isDirectory() && !entry.name.startsWith('.'));
  const found = await Promise.all(
    folders.map(
      async (entry) =>
        await listRepositories(
          join(folder, entry.name),
          name === '' ? entry.name : `${name}/${entry.name}`,
          depth - 1,
        ),
    ),
  );
  return found.flat();
}
