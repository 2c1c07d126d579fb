import type { Git } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';

/** git's own housekeeping after pushes: at most one at a time, and one that waits for each repository. */
export interface Maintenance {
  /** Asks for it; returns at once. */
  request(repository: Repository): void;
  /** Resolves when none is under way. */
  idle(): Promise<void>;
}

/**
 * receive-pack would do this itself, and either keep the pusher waiting or leave a daemon behind that
 * outlives us.
 */
export function createMaintenance(
  git: Git,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): Maintenance {
  const wanted = new Map<string, Repository>();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    for (const [key, repository] of wanted) {
      if (signal.aborted) return;
      wanted.delete(key);
      const args = [`--git-dir=${repository.gitDir}`, 'maintenance', 'run', '--auto', '--quiet'];
      try {
        const child = await git.spawn(repository, args, { intent: 'receive', signal });
        child.stdin.end();
        child.stdout.resume();
        await child.ended;
      } catch (error) {
        onError(error);
      }
    }
  }

  return {
    request(repository) {
      wanted.set(repository.commonDir, repository);
      running ??= run().finally(() => {
        running = undefined;
      });
    },
    idle: async () => {
      await running;
    },
  };
}
