import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createReplayGuard } from '../../src/auth/replay-guard.ts';

test('a signature is spent once, as long as it is valid', () => {
  let now = 0;
  const guard = createReplayGuard(() => now);
  assert.equal(guard.spend({ sign: 'a', expiresAt: 1000 }), true);
  assert.equal(guard.spend({ sign: 'a', expiresAt: 1000 }), false);
  assert.equal(guard.spend({ sign: 'b', expiresAt: 1000 }), true);
  now = 999;
  assert.equal(guard.spend({ sign: 'a', expiresAt: 1000 }), false);
  now = 1000;
  assert.equal(guard.spend({ sign: 'c', expiresAt: 2000 }), true);
  // What has expired is refused by its time, so it need not be remembered.
  assert.equal(guard.spend({ sign: 'a', expiresAt: 1000 }), true);
});

test('it is bounded: when it is full of valid ones it refuses, and takes more when they expire', () => {
  let now = 0;
  const guard = createReplayGuard(() => now);
  guard.spend({ sign: 'of a clock that is ahead', expiresAt: 5000 });
  for (let i = 1; i < 10_000; i++) guard.spend({ sign: String(i), expiresAt: 1000 });
  assert.throws(() => guard.spend({ sign: 'one more', expiresAt: 1000 }), {
    code: 'LIMIT_EXCEEDED',
  });
  assert.equal(guard.spend({ sign: '7', expiresAt: 1000 }), false);
  now = 1000;
  assert.equal(guard.spend({ sign: 'one more', expiresAt: 2000 }), true);
  assert.equal(guard.spend({ sign: 'of a clock that is ahead', expiresAt: 5000 }), false);
});
