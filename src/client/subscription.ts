import { GitAgentNetworkError } from './error.ts';
import type { Subscriber } from './socket.ts';

export interface ReconnectOptions {
  /** Failures in a row after which it gives up. Default: 60, some five minutes. */
  readonly attempts?: number;
  /** Milliseconds between two attempts, at most. Default: 5000. The first waits a tenth of a second. */
  readonly maxDelayMs?: number;
}

export interface SubscriptionDeps<TResult> extends ReconnectOptions {
  /**
   * Subscribes, and returns what unsubscribes.
   * @param last the last result that came over an earlier connection; undefined when none did
   */
  open(last: TResult | undefined, subscriber: Subscriber): () => void;
  /** Ends it with its reason as the error. */
  readonly signal?: AbortSignal | undefined;
  /** Ends it as if the server had. */
  readonly closed: AbortSignal;
}

/** Results that may wait for the consumer. Output comes in chunks of 64 KiB: this is 1 MiB of them. */
const MAX_WAITING = 16;
const MIN_WAITING = 4;
const FIRST_DELAY_MS = 100;

/**
 * A subscription that outlives its connections. Nothing can pause a socket in a browser, so a consumer
 * that is slow is unsubscribed while as many results wait as may, and subscribed again, behind the last
 * one, when it has caught up. It begins when the first result is asked for.
 *
 * Not an async generator: those queue `return()` behind a pending `next()`, so who leaves would stay
 * subscribed until the next result.
 */
export function createSubscription<TResult>(
  deps: SubscriptionDeps<TResult>,
): AsyncIterableIterator<TResult, undefined> {
  const { signal, closed, attempts = 60, maxDelayMs = 5000 } = deps;
  const waiting: TResult[] = [];
  let state: 'new' | 'subscribed' | 'paused' | 'retrying' | 'ended' = 'new';
  let last: TResult | undefined;
  let failures = 0;
  let failure: { readonly error: unknown } | undefined;
  let leave = (): void => undefined;
  let timer: ReturnType<typeof setTimeout> | undefined;
  let wake = (): void => undefined;
  let turn: Promise<unknown> = Promise.resolve();

  const abort = (): void => {
    end(signal?.reason);
    waiting.length = 0;
  };
  const close = (): void => {
    end();
    waiting.length = 0;
  };

  function begin(): void {
    signal?.addEventListener('abort', abort);
    closed.addEventListener('abort', close);
    if (signal?.aborted === true) abort();
    else if (closed.aborted) close();
    else subscribe();
  }

  function subscribe(): void {
    state = 'subscribed';
    // What a pause has left may still tell something; it is not listened to.
    let isCurrent = true;
    const unsubscribe = deps.open(last, {
      next(data) {
        if (!isCurrent) return;
        last = data as TResult;
        failures = 0;
        waiting.push(last);
        if (waiting.length >= MAX_WAITING) {
          state = 'paused';
          leave();
        }
        wake();
      },
      complete() {
        if (isCurrent) end();
      },
      fail(error) {
        if (isCurrent) end(error);
      },
      lose(error) {
        if (isCurrent) retry(error);
      },
    });
    leave = () => {
      isCurrent = false;
      unsubscribe();
    };
  }

  function retry(error: GitAgentNetworkError): void {
    failures++;
    if (failures > attempts) {
      const message = `${error.message}, ${failures} times in a row; does the agent run?`;
      end(new GitAgentNetworkError(message, { cause: error.cause }));
      return;
    }
    state = 'retrying';
    // Many clients lose the same agent at once; they should not come back at once.
    const delay = Math.min(maxDelayMs, FIRST_DELAY_MS * 2 ** (failures - 1));
    timer = setTimeout(subscribe, delay * (0.5 + Math.random() / 2));
  }

  function end(error?: unknown): void {
    if (state === 'ended') return;
    state = 'ended';
    if (error !== undefined) failure = { error };
    clearTimeout(timer);
    leave();
    signal?.removeEventListener('abort', abort);
    closed.removeEventListener('abort', close);
    wake();
  }

  async function step(): Promise<IteratorResult<TResult, undefined>> {
    if (state === 'new') begin();
    while (waiting.length === 0 && !isEnded()) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    const value = waiting.shift();
    if (value !== undefined) {
      if (state === 'paused' && waiting.length <= MIN_WAITING) subscribe();
      return { done: false, value };
    }
    const failed = failure;
    failure = undefined;
    if (failed !== undefined) throw failed.error;
    return { done: true, value: undefined };
  }

  function isEnded(): boolean {
    return state === 'ended';
  }

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
      waiting.length = 0;
      end();
      failure = undefined;
      return await Promise.resolve({ done: true, value: undefined });
    },
  };
}
