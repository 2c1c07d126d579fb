import { constants } from 'node:fs';
import { access, readdir, stat } from 'node:fs/promises';
import { setPriority } from 'node:os';
import { join } from 'node:path';
import { createBackgroundWork, type BackgroundWork } from './background-work.ts';
import type { Git } from './git.ts';
import type { Repository } from './repository.ts';

/**
 * Below this many bytes of pack indexes (some ten thousand objects) git walks the commits themselves in no
 * time, and a repository is left as it is.
 */
const WORTH_BYTES = 300_000;
/** The lowest that every system has. */
const NICE = 19;

/**
 * The commit-graph is git's own index of commits (git-commit-graph(1)): with it walks need not read the
 * commits, and `git log -- PATH` skips what did not change the path. `git gc` writes it too, but nobody
 * may run that here. git takes its lock file for it, so it meets no other writer, and readers see the old
 * one or the new one.
 *
 * Not written: where there is little to win, where nothing may be written, in a shallow clone (git would
 * not use it), or where the repository's configuration says `core.commitGraph` or `gc.writeCommitGraph` false.
 */
export function createCommitGraphs(
  git: Git,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): BackgroundWork {
  return createBackgroundWork(
    async (repository) => {
      if (await isWorthIt(repository)) await write(git, repository, signal);
    },
    signal,
    (error) => {
      if (!signal.aborted) onError(error);
    },
  );
}

async function isWorthIt({ commonDir }: Repository): Promise<boolean> {
  const objects = join(commonDir, 'objects');
  if ((await stat(join(commonDir, 'shallow')).catch(() => null)) !== null) return false;
  const mayWrite = await access(join(objects, 'info'), constants.W_OK).then(
    () => true,
    () => false,
  );
  if (!mayWrite) return false;
  const names = await readdir(join(objects, 'pack')).catch(() => []);
  let bytes = 0;
  for (const name of names) {
    if (!name.endsWith('.idx')) continue;
    bytes += (await stat(join(objects, 'pack', name)).catch(() => null))?.size ?? 0;
    if (bytes >= WORTH_BYTES) return true;
  }
  return false;
}

async function write(git: Git, repository: Repository, signal: AbortSignal): Promise<void> {
  for (const key of ['core.commitGraph', 'gc.writeCommitGraph']) {
    const { stdout } = await git.run(repository, ['config', '--type=bool', '--get', key], {
      intent: 'status',
      signal,
      exitCodes: [0, 1],
    });
    if (stdout.toString('latin1').trim() === 'false') return;
  }
  // Layers: what is there already is not written again. Without one it is the whole.
  const args = ['commit-graph', 'write', '--reachable', '--split', '--changed-paths', '--no-progress']; // prettier-ignore
  const child = await git.spawn(repository, args, { intent: 'read', signal });
  try {
    setPriority(child.pid, NICE);
  } catch {
    // It has ended already.
  }
  child.stdin.end();
  child.stdout.resume();
  const { exitCode, stderr } = await child.ended;
  if (exitCode !== 0 && !signal.aborted) throw new Error(`git commit-graph failed: ${stderr}`);
}
