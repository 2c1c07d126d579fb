/** Wakes everybody who waits for something to change. It carries no value: who wakes looks for himself. */
export interface Wake {
  /** How many wait. */
  readonly size: number;
  /** Calls `waiter` once at the next wake, unless the returned function was called before. */
  once(waiter: () => void): () => void;
  /** Wakes those who have waited longest, so many of them; all when it is left out. */
  wake(most?: number): void;
}

export function createWake(): Wake {
  // A Set gives its members in the order in which they came.
  const waiters = new Set<{ readonly wake: () => void }>();
  return {
    get size() {
      return waiters.size;
    },
    once(wake) {
      const waiter = { wake };
      waiters.add(waiter);
      return () => waiters.delete(waiter);
    },
    // Who waits again at once has to wait for the next wake: it is not counted.
    wake(most = waiters.size) {
      let left = most;
      for (const waiter of waiters) {
        if (left-- <= 0) break;
        waiters.delete(waiter);
        waiter.wake();
      }
    },
  };
}

/** What `follow` finds when it looks: a value, the end, or nothing new yet and what to wait for. */
export type Look<T> = { readonly value: T } | { readonly ended: true } | { readonly wait: Wake };

/** An iterator that can also be followed by callbacks. */
export interface Following<T> extends AsyncIterableIterator<T, undefined> {
  /**
   * As `for await`, without a promise: calls `take` with each value, and goes on when `taken` has been
   * called, which must not be from within `take`. Calls `end` once, with what `look` threw if it did.
   * @param take must not throw
   */
  each(take: (value: T, taken: () => void) => void, end: (error?: Error) => void): void;
  return(): Promise<IteratorReturnResult<undefined>>;
}

/** Somebody who waits for the next value. */
interface Request<T> {
  give(value: T): void;
  end(error?: Error): void;
}

/**
 * Follows something that changes: looks, gives what is there, and when nothing is new waits to be
 * woken. The consumer sets the pace, so a slow one costs nothing but its position. As with a
 * generator, several `next()` at once are answered one after the other, and a throwing `look` is the end.
 *
 * Not an async generator: those queue `return()` behind a pending `next()`, so a subscriber that left
 * would stay until the next event. Nor made of promises: what is allocated for one who waits lives until the next
 * event, for a thousand that is longer than the young generation has room for, and old garbage stays for long.
 * @param look always waits for the same `Wake`
 */
export function follow<T>(look: () => Look<T> | Promise<Look<T>>): Following<T> {
  const requests: Request<T>[] = [];
  const done = { done: true, value: undefined } as const;
  let isLooking = false;
  let hasEnded = false;
  /** While it waits. */
  let leave: (() => void) | undefined;

  const find = (): void => {
    isLooking = true;
    let looked: ReturnType<typeof look>;
    try {
      looked = look();
    } catch (error) {
      end(error);
      return;
    }
    if (looked instanceof Promise) looked.then(judgeLate, end);
    else judge(looked);
  };
  const judge = (seen: Look<T>): void => {
    isLooking = false;
    if (hasEnded) return;
    if ('wait' in seen) {
      leave ??= seen.wait.once(wake);
    } else if ('ended' in seen) {
      end();
    } else {
      stopWaiting();
      requests.shift()?.give(seen.value);
      if (requests.length > 0 && !isLooking) find();
    }
  };
  const judgeLate = (seen: Look<T>): void => {
    const isWaiting = leave !== undefined;
    judge(seen);
    // What changed between the look and this line woke nobody: look once more before waiting.
    if ('wait' in seen && !isWaiting && !hasEnded) find();
  };
  const wake = (): void => {
    leave = undefined;
    if (!isLooking) find();
  };
  const stopWaiting = (): void => {
    leave?.();
    leave = undefined;
  };
  const end = (error?: unknown): void => {
    hasEnded = true;
    stopWaiting();
    requests.shift()?.end(error as Error | undefined);
    for (const request of requests.splice(0)) request.end();
  };
  const ask = (request: Request<T>): void => {
    if (hasEnded) request.end();
    else if (requests.push(request) === 1) find();
  };
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      return await new Promise((resolve, reject) => {
        ask({
          give(value) {
            resolve({ done: false, value });
          },
          end(error) {
            if (error === undefined) resolve(done);
            else reject(error);
          },
        });
      });
    },
    each(take, whenEnded) {
      const taken = (): void => {
        ask(request);
      };
      const request: Request<T> = {
        give(value) {
          take(value, taken);
        },
        end: whenEnded,
      };
      ask(request);
    },
    async return() {
      end();
      return await Promise.resolve(done);
    },
  };
}
