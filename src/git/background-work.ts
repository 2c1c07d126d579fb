import type { Repository } from './repository.ts';

/** Work on repositories that nobody waits for: at most one at a time, and one that waits for each repository. */
export interface BackgroundWork {
  /** Asks for it; returns at once, and never fails. */
  request(repository: Repository): void;
  /** Resolves when none is under way. */
  idle(): Promise<void>;
}

/**
 * @param work does it; what it throws is told, and the next goes on
 * @param signal takes nothing up any more once it is aborted
 */
export function createBackgroundWork(
  work: (repository: Repository) => Promise<void>,
  signal: AbortSignal,
  onError: (error: unknown) => void,
): BackgroundWork {
  const wanted = new Map<string, Repository>();
  let running: Promise<void> | undefined;

  async function run(): Promise<void> {
    for (const [key, repository] of wanted) {
      if (signal.aborted) return;
      wanted.delete(key);
      try {
        await work(repository);
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
