import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReplayGuard } from '../../src/auth/replay-guard.ts';
import type { Signature } from '../../src/auth/signature.ts';

function signature(sign: string, expiresAt: number): Signature {
  return { sign, isAmbiguous: false, expiresAt };
}

test('a signature is spent once, as long as it is valid', () => {
  let now = 0;
  const guard = createReplayGuard(() => now);
  assert.equal(guard.spend(signature('a', 1000)), true);
  assert.equal(guard.spend(signature('a', 1000)), false);
  assert.equal(guard.spend(signature('b', 1000)), true);
  now = 999;
  assert.equal(guard.spend(signature('a', 1000)), false);
  now = 1000;
  assert.equal(guard.spend(signature('c', 2000)), true);
  // What has expired is refused by its time, so it need not be remembered.
  assert.equal(guard.spend(signature('a', 1000)), true);
});

test('it is bounded: when it is full of valid ones it refuses, and takes more when they expire', () => {
  let now = 0;
  const guard = createReplayGuard(() => now);
  guard.spend(signature('of a clock that is ahead', 5000));
  for (let i = 1; i < 10_000; i++) guard.spend(signature(String(i), 1000));
  assert.throws(() => guard.spend(signature('one more', 1000)), {
    code: 'LIMIT_EXCEEDED',
  });
  assert.equal(guard.spend(signature('7', 1000)), false);
  now = 1000;
  assert.equal(guard.spend(signature('one more', 2000)), true);
  assert.equal(guard.spend(signature('of a clock that is ahead', 5000)), false);
});
