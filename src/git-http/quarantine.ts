import { rm } from 'node:fs/promises';
import { join, parse, resolve } from 'node:path';
import type { GitProcess } from '../git/git-process.ts';
import { readGroupVariable } from '../git/process-group.ts';
import type { Repository } from '../git/repository.ts';

/**
 * Removes the folder in which an aborted push kept its objects (git-receive-pack(1), "Quarantine
 * Environment"). git does that itself when its input ends, but not on a signal since 2.39: so we note
 * the folder's name while git is there to say it, and remove what is left when git is gone.
 */
export async function sweepQuarantine(
  repository: Repository,
  child: Pick<GitProcess, 'pid' | 'ended'>,
): Promise<void> {
  const folders = await readGroupVariable(child.pid, 'GIT_QUARANTINE_PATH');
  await child.ended;
  const objects = join(repository.commonDir, 'objects');
  for (const path of folders) {
    // git says it as `/srv/site.git/./objects/tmp_objdir-incoming-123abc`.
    const { dir, base } = parse(resolve(path));
    if (dir === objects && /^(?:tmp_objdir-)?incoming-\w+$/.test(base)) {
      await rm(join(dir, base), { recursive: true, force: true });
    }
  }
}
