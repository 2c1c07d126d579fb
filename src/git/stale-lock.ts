import type { Dirent } from 'node:fs';
import { lstat, readdir, rm } from 'node:fs/promises';
import { join, relative, sep } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import {
  listOpenFiles,
  listProcesses,
  readVariable,
  readWorkingFolder,
  type ProcessEntry,
} from './process-table.ts';
import type { Repository } from './repository.ts';

/** What became of the lock files and half-written packs that a killed git left in a repository. */
export interface Sweep {
  /** Paths that were removed. */
  readonly removed: readonly string[];
  /** Locks that are still there, and why. */
  readonly kept: readonly { readonly path: string; readonly reason: string }[];
}

/** A file's times come from the clock's last tick (of 10 ms at most), so a file may seem older than it is. */
const TICK_MS = 20;
/** A reader that the same dead agent left behind finds its pipe broken and ends; it is waited for. */
const PATIENCE_MS = 3000;

/**
 * Removes the lock files that a killed git left, and the packs it had begun to receive (a push's in a folder
 * of their own, git-receive-pack(1), "Quarantine Environment"): those that came into being since `since`, when work had begun of which all processes are gone. None is touched while
 * a git process works in the repository, one might work there unseen, or any process has it open.
 * @param since milliseconds since 1970
 */
export async function sweepRepository(repository: Repository, since: number): Promise<Sweep> {
  const leftovers = await findLeftovers(repository);
  const young: Leftover[] = [];
  const kept: { path: string; reason: string }[] = [];
  for (const leftover of leftovers) {
    const { birthtimeMs, mtimeMs } = leftover;
    // Where the file system knows no birth, it is 0 or younger than what it should not be younger than.
    const born = birthtimeMs > 0 ? Math.min(birthtimeMs, mtimeMs) : mtimeMs;
    if (born >= since - TICK_MS) young.push(leftover);
    else if (leftover.isLock) {
      kept.push({ path: leftover.path, reason: 'it is older than the job' });
    }
  }
  if (young.length === 0) return { removed: [], kept };
  const reason = await findUser(
    repository,
    young.map(({ path }) => path),
  );
  if (reason !== null) {
    const locks = young.filter(({ isLock }) => isLock);
    return { removed: [], kept: [...kept, ...locks.map(({ path }) => ({ path, reason }))] };
  }
  const removed: string[] = [];
  for (const { path } of young) {
    try {
      await rm(path, { recursive: true }); // A quarantine is a folder.
      removed.push(path);
    } catch (error) {
      const message = error instanceof Error ? error.message : String(error);
      kept.push({ path, reason: `it cannot be removed (${message})` });
    }
  }
  return { removed, kept };
}

interface Leftover {
  readonly path: string;
  readonly isLock: boolean;
  readonly birthtimeMs: number;
  readonly mtimeMs: number;
}

/** gitrepository-layout(5): where git puts lock files, and where fetch and push put a pack that is not whole yet. */
async function findLeftovers({ gitDir, commonDir }: Repository): Promise<Leftover[]> {
  const isLock = (name: string): boolean => name.endsWith('.lock');
  const isQuarantine = (name: string): boolean => /^(?:tmp_objdir-)?incoming-\w+$/.test(name);
  const found: { path: string; isLock: boolean }[] = [];
  const look = async (folder: string, isDeep: boolean, wanted = isLock): Promise<void> => {
    const entries = await readdir(folder, { withFileTypes: true }).catch((): Dirent[] => []);
    for (const entry of entries) {
      const path = join(folder, entry.name);
      if (entry.isDirectory() && isDeep) await look(path, true);
      else if (wanted(entry.name)) {
        found.push({ path, isLock: isLock(entry.name) });
      }
    }
  };
  for (const folder of new Set([gitDir, commonDir])) {
    await look(folder, false);
    await look(join(folder, 'refs'), true);
    await look(join(folder, 'logs'), true);
  }
  const objects = join(commonDir, 'objects');
  await look(objects, false, (name) => isLock(name) || isQuarantine(name));
  await look(join(objects, 'info'), true);
  await look(
    join(objects, 'pack'),
    false,
    (name) => isLock(name) || /^tmp_(?:pack|idx|rev)_/.test(name),
  );
  const leftovers = await Promise.all(
    found.map(async (each) => {
      const stat = await lstat(each.path).catch(() => null);
      return stat === null
        ? []
        : [{ ...each, birthtimeMs: stat.birthtimeMs, mtimeMs: stat.mtimeMs }];
    }),
  );
  return leftovers.flat();
}

/** Who keeps the files from being removed; null when it is certain that nobody does. */
async function findUser(repository: Repository, paths: readonly string[]): Promise<string | null> {
  const end = performance.now() + PATIENCE_MS;
  for (;;) {
    const processes = await listProcesses();
    if (processes === null) return 'this system does not tell whether git still works there';
    const user = await findUserAmong(processes, repository, new Set(paths));
    if (user === null || performance.now() > end) return user;
    await delay(100);
  }
}

async function findUserAmong(
  processes: readonly ProcessEntry[],
  { path, gitDir, commonDir }: Repository,
  files: ReadonlySet<string>,
): Promise<string | null> {
  const folders = [path, gitDir, commonDir];
  for (const { pid, name, state, parent } of processes) {
    if (state === 'Z' || state === 'X') continue;
    // Our own children that only read take no locks, and there is always one where a dashboard looks on.
    const isReader =
      parent === process.pid && (await readVariable(pid, 'GIT_OPTIONAL_LOCKS')) === '0';
    if (isReader) continue;
    if ((await listOpenFiles(pid)).some((file) => files.has(file))) {
      return `process ${pid} (${name}) has it open`;
    }
    if (!name.startsWith('git')) continue;
    const folder = await readWorkingFolder(pid);
    if (folder === undefined) {
      return `process ${pid} (${name}) of another user may work there`;
    }
    const named = await readVariable(pid, 'GIT_DIR');
    const isHere = [folder, named].some(
      (place) => place !== null && folders.some((each) => isWithin(each, place)),
    );
    if (isHere) return `process ${pid} (${name}) works there`;
  }
  return null;
}

function isWithin(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && !way.startsWith('/'));
}
