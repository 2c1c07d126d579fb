/** Wakes everybody who waits for something to change. It carries no value: who wakes looks for himself. */
export interface Wake {
  /** Calls `waiter` once at the next wake, unless the returned function was called before. */
  once(waiter: () => void): () => void;
  /** Gives how many were woken. */
  wake(): number;
}

export function createWake(): Wake {
  let waiters = new Set<() => void>();
  return {
    once(waiter) {
      waiters.add(waiter);
      const joined = waiters;
      return () => joined.delete(waiter);
    },
    wake() {
      const woken = waiters;
      waiters = new Set();
      for (const waiter of woken) waiter();
      return woken.size;
    },
  };
}

/** Wakes somebody no more often than what it costs allows. */
export interface Pace {
  /** At once, or soon when the last time was a moment ago. */
  wake(): void;
  /** Forgets what was to be woken soon. */
  stop(): void;
}

/** A waiter that was woken costs some 30 microseconds until its socket has what is new; others have work, too. */
const PAUSE_MS_PER_WAITER = 0.04;
const MAX_PAUSE_MS = 40;

/**
 * What changes a hundred times a second is told to one waiter a hundred times, to a thousand some twenty times:
 * each then gets more at once.
 */
export function createPace(changed: Wake): Pace {
  let timer: NodeJS.Timeout | undefined;
  let isDue = false;
  const wake = (): void => {
    const woken = changed.wake();
    const pause = Math.min(MAX_PAUSE_MS, Math.floor(woken * PAUSE_MS_PER_WAITER));
    if (pause === 0) return;
    timer = setTimeout(() => {
      timer = undefined;
      if (!isDue) return;
      isDue = false;
      wake();
    }, pause);
  };
  return {
    wake() {
      if (timer === undefined) wake();
      else isDue = true;
    },
    stop() {
      clearTimeout(timer);
      timer = undefined;
      isDue = false;
    },
  };
}

/** What `follow` finds when it looks: a value, the end, or nothing new yet and what to wait for. */
export type Look<T> = { readonly value: T } | { readonly ended: true } | { readonly wait: Wake };

/**
 * Follows something that changes: looks, gives what is there, and when nothing is new waits to be
 * woken. The consumer sets the pace, so a slow one costs nothing but its position. As with a
 * generator, several `next()` at once are answered one after the other, and a throwing `look` is the end.
 *
 * Not an async generator: those queue `return()` behind a pending `next()`, so a subscriber that left
 * would stay until the next event.
 * @param look always waits for the same `Wake`
 */
export function follow<T>(
  look: () => Look<T> | Promise<Look<T>>,
): AsyncIterableIterator<T, undefined> {
  let closed = false;
  let release: (() => void) | undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const step = async (): Promise<IteratorResult<T, undefined>> => {
    let woken: Promise<void> | undefined;
    try {
      while (!closed) {
        const seen = await look();
        if (isClosed()) break;
        if ('value' in seen) return { done: false, value: seen.value };
        if ('ended' in seen) break;
        if (woken === undefined) {
          // What changed between the look and this line woke nobody: look once more before waiting.
          woken = new Promise((resolve) => {
            const leave = seen.wait.once(resolve);
            release = () => {
              leave();
              resolve();
            };
          });
          continue;
        }
        await woken;
        woken = undefined;
      }
      closed = true;
      return { done: true, value: undefined };
    } catch (error) {
      closed = true;
      throw error;
    } finally {
      release?.();
    }
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const result = turn.then(step);
      turn = result.catch(() => undefined);
      return await result;
    },
    async return() {
      closed = true;
      release?.();
      return { done: true, value: undefined };
    },
  };
  function isClosed(): boolean {
    return closed;
  }
}
