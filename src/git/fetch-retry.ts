import pRetry from 'p-retry';
import { fetchFailureReason, isTransientFetchFailure } from './fetch-failure.ts';
import { GitCommandError } from './git-command-error.ts';

/** How often, and after how long, a fetch that the network failed is tried again. */
export interface FetchPatience {
  /** How many times after the first. 0: never. */
  readonly retries: number;
  /** Milliseconds before the first of them; each next waits twice as long. Up to as much again is added by chance. */
  readonly firstDelayMs: number;
}

/** However many retries there are, none waits longer. */
const MAX_DELAY_MS = 60_000;

/**
 * Fetches, and tries again when the network failed; what the other side refused is thrown at once. A job that
 * is cancelled does not wait for the next try.
 * @param say told before each wait why, how long, and how many are left
 * @throws GitCommandError, the last one; what aborts the signal
 */
export async function fetchPatiently(
  fetch: () => Promise<void>,
  { retries, firstDelayMs }: FetchPatience,
  signal: AbortSignal,
  say: (line: string) => void,
): Promise<void> {
  let failure: unknown;
  const attempt = async (): Promise<void> => {
    try {
      await fetch();
    } catch (error) {
      failure = error;
      throw error;
    }
  };
  const trying = pRetry(attempt, {
    retries,
    factor: 2,
    minTimeout: firstDelayMs,
    maxTimeout: MAX_DELAY_MS,
    // Many working copies that lost one server must not all come back in the same instant.
    randomize: true,
    signal,
    shouldRetry({ error, attemptNumber, retryDelay }) {
      if (!isTransientFetchFailure(error)) return false;
      const wait = `trying again in ${(retryDelay / 1000).toFixed(1)} s (${attemptNumber} of ${retries})`;
      say(`fetch failed: ${fetchFailureReason(error)}; ${wait}`);
      return true;
    },
  });
  await trying.catch((error: unknown) => {
    // It puts the signal's reason in the place of what git says when it is ended.
    throw failure instanceof GitCommandError && failure.isCanceled ? failure : error;
  });
}
