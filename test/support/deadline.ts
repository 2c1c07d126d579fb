import assert from 'node:assert/strict';
import { setTimeout as delay } from 'node:timers/promises';

/** What a test waits for, at most. */
const DEADLINE_MS = 15_000;

/** A promise's value, or a failed test when it takes too long. */
export async function within<T>(
  promise: Promise<T>,
  what: string,
  ms: number = DEADLINE_MS,
): Promise<T> {
  const done = new AbortController();
  const late = delay(ms, undefined, { signal: done.signal }).then(() => {
    throw new Error(`waited ${ms} ms in vain until ${what}`);
  });
  late.catch(() => undefined);
  try {
    return await Promise.race([promise, late]);
  } finally {
    done.abort();
  }
}

/** Resolves when a condition holds that nothing tells us of, such as what another process did. */
export async function until(
  condition: () => boolean | Promise<boolean>,
  what: string,
  ms: number = DEADLINE_MS,
): Promise<void> {
  const end = performance.now() + ms;
  while (!(await condition())) {
    assert.ok(performance.now() < end, `waited ${ms} ms in vain until ${what}`);
    await delay(5);
  }
}
