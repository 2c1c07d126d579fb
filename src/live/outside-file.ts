import { randomUUID } from 'node:crypto';
import { statSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import type { Git } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';
import { findObstacle } from './file-system.ts';

/** The files outside of a repository that its status depends on, and the repository's own place. */
export interface OutsideFiles {
  /** Differs from an earlier answer when one of them may have changed since. Some `stat` calls. */
  look(): Promise<string>;
}

/** Which keys of the configuration name further files. */
const NAMING = '^(core\\.(excludesfile|attributesfile)|include\\.path|includeif\\..*\\.path)$';
/** A chain of included files that is longer than this has to be read once more each time. */
const ROUNDS = 4;

/**
 * Finds out which files the configuration is read from, and which files of excludes and attributes it
 * names. One git child, two where it names any.
 * @param host the environment that git children start from
 * @throws GitCommandError when the configuration cannot be read
 */
export async function findOutsideFiles(
  git: Git,
  repository: Repository,
  host: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<OutsideFiles> {
  const places = [repository.path, repository.gitDir, repository.commonDir];
  const usual = usualFiles(host);
  let files = usual;
  for (let round = 0; round < ROUNDS; round++) {
    const outside = await openFiles(files, places);
    const before = await outside.look();
    const named = await listNamedFiles(git, repository, host, signal);
    const found = [...new Set([...usual, ...named])];
    // One of them may have been written while they were listed.
    if (found.join('\0') === files.join('\0') && before === (await outside.look())) return outside;
    files = found;
  }
  return { look: async () => await Promise.resolve(unlike()) };
}

/** Where git looks without being told: gitignore(5), gitattributes(5), git-config(1) "FILES". */
function usualFiles(host: Readonly<Record<string, string | undefined>>): string[] {
  const files = ['/etc', '/usr/local/etc'].flatMap((folder) => [
    join(folder, 'gitconfig'),
    join(folder, 'gitattributes'),
  ]);
  const home = host['HOME'];
  if (home !== undefined) files.push(join(home, '.gitconfig'));
  const xdg = host['XDG_CONFIG_HOME'] || (home === undefined ? null : join(home, '.config'));
  if (xdg !== null) {
    files.push(...['config', 'ignore', 'attributes'].map((name) => join(xdg, 'git', name)));
  }
  return files;
}

async function listNamedFiles(
  git: Git,
  repository: Repository,
  host: Readonly<Record<string, string | undefined>>,
  signal: AbortSignal,
): Promise<string[]> {
  const { stdout } = await git.run(
    repository,
    ['config', '--show-origin', '-z', '--includes', '--get-regexp', NAMING],
    // 1: it names none.
    { intent: 'status', signal, exitCodes: [0, 1] },
  );
  const fields = stdout.toString('utf8').split('\0');
  const files: string[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const origin = (fields[at] ?? '').replace(/^[^:]*:/, '');
    const value = (fields[at + 1] ?? '').replace(/^[^\n]*\n?/, '');
    if (value === '') continue;
    const path = value.replace(/^~(?=\/)/, host['HOME'] ?? '~').replace(/^:\(optional\)/, '');
    files.push(resolve(repository.path, dirname(origin), path));
    // Relative ones of another key are relative to where git runs.
    files.push(resolve(repository.workTree ?? repository.gitDir, path));
  }
  return [...new Set(files)];
}

async function openFiles(
  files: readonly string[],
  places: readonly string[],
): Promise<OutsideFiles> {
  const isRemote = await Promise.all(
    files.map(async (file) => (await findObstacle([file])) !== null),
  );
  const local = files.filter((_file, index) => isRemote[index] === false);
  const remote = files.filter((_file, index) => isRemote[index] === true);
  return {
    async look() {
      const seen: string[] = [];
      // Before they are looked at: what is written after that must not pass for old.
      const now = Date.now();
      // Of a local file this takes microseconds, in another thread ten times that.
      for (const place of new Set(places)) {
        const info = statSync(place, { throwIfNoEntry: false });
        seen.push(info === undefined ? '-' : `${info.dev} ${info.ino}`);
      }
      for (const file of local) {
        try {
          seen.push(describe(statSync(file, { bigint: true, throwIfNoEntry: false }), now));
        } catch {
          seen.push('?');
        }
      }
      if (remote.length > 0) {
        // A server that does not answer must not stop the whole agent.
        const infos = remote.map(
          async (file) => await stat(file, { bigint: true }).catch(() => undefined),
        );
        seen.push(...(await Promise.all(infos)).map((info) => describe(info, now)));
      }
      return seen.join('\n');
    },
  };
}

/** Equal to no other answer. */
function unlike(): string {
  return randomUUID();
}

interface FileInfo {
  readonly dev: bigint;
  readonly ino: bigint;
  readonly size: bigint;
  readonly mtimeNs: bigint;
  readonly ctimeNs: bigint;
}

/** A file that was written just now may be written again within the same tick of its file system's clock. */
const TICK_MS = 50;

function describe(info: FileInfo | undefined, now: number): string {
  if (info === undefined) return '-';
  if (Math.abs(now - Number(info.ctimeNs / 1_000_000n)) < TICK_MS) return unlike();
  return `${info.dev} ${info.ino} ${info.size} ${info.mtimeNs} ${info.ctimeNs}`;
}
