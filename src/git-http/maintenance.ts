import { createBackgroundWork, type BackgroundWork } from '../git/background-work.ts';
import type { Git } from '../git/git.ts';

/**
 * git's own housekeeping after pushes. receive-pack would do this itself, and either keep the pusher
 * waiting or leave a daemon behind that outlives us.
 */
export function createMaintenance(
  git: Git,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): BackgroundWork {
  return createBackgroundWork(
    async (repository) => {
      const args = [`--git-dir=${repository.gitDir}`, 'maintenance', 'run', '--auto', '--quiet'];
      const child = await git.spawn(repository, args, { intent: 'receive', signal });
      child.stdin.end();
      child.stdout.resume();
      await child.ended;
    },
    signal,
    onError,
  );
}
