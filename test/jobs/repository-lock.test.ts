import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createWake } from '../../src/jobs/follow.ts';
import { createRepositoryLock, type RepositoryLock } from '../../src/jobs/repository-lock.ts';

/** Work that ends when it is told to, and writes down what happens to it. */
function addWork(lock: RepositoryLock, id: string, events: string[]): () => void {
  const { promise, resolve } = Promise.withResolvers<undefined>();
  lock.add({
    id,
    run: async () => {
      events.push(`${id} runs`);
      await promise;
      return () => events.push(`${id} ended, held ${isHeld(lock)}`);
    },
  });
  return () => {
    resolve(undefined);
  };
}

function isHeld(lock: RepositoryLock): boolean {
  return lock.transitions % 2 === 1;
}

async function settle(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}

test('work is done one at a time, in the order it came', async () => {
  const lock = createRepositoryLock();
  const events: string[] = [];
  const ends = ['a', 'b', 'c'].map((id) => addWork(lock, id, events));
  assert.deepEqual(lock.jobIds, ['a', 'b', 'c']);
  assert.deepEqual(events, ['a runs']);
  ends[1]?.();
  ends[2]?.();
  await settle();
  assert.deepEqual(events, ['a runs']);
  ends[0]?.();
  await settle();
  assert.deepEqual(events, [
    'a runs',
    'a ended, held true',
    'b runs',
    'b ended, held true',
    'c runs',
    'c ended, held false',
  ]);
  assert.deepEqual(lock.jobIds, []);
});

test('the lock is taken with the first work and given back after the last, once each', async () => {
  const changed = createWake();
  const lock = createRepositoryLock(changed);
  const seen: boolean[] = [];
  const watch = (): void => {
    seen.push(isHeld(lock));
    changed.once(watch);
  };
  changed.once(watch);
  assert.equal(isHeld(lock), false);
  const ends = ['a', 'b'].map((id) => addWork(lock, id, []));
  assert.equal(isHeld(lock), true);
  ends[0]?.();
  await settle();
  ends[1]?.();
  await settle();
  assert.deepEqual(seen, [true, false]);
  addWork(lock, 'c', [])();
  await settle();
  assert.deepEqual(seen, [true, false, true, false]);
  assert.equal(lock.transitions, 4);
});

test('work that waits can be taken back, work that runs cannot', async () => {
  const lock = createRepositoryLock();
  const events: string[] = [];
  const end = addWork(lock, 'a', events);
  addWork(lock, 'b', events);
  addWork(lock, 'c', events)();
  assert.equal(lock.remove('a'), false);
  assert.equal(lock.remove('b'), true);
  assert.equal(lock.remove('b'), false);
  assert.equal(lock.remove('unknown'), false);
  assert.deepEqual(lock.jobIds, ['a', 'c']);
  end();
  await settle();
  assert.deepEqual(events, ['a runs', 'a ended, held true', 'c runs', 'c ended, held false']);
});

test('work that is added as other work ends is done', async () => {
  const lock = createRepositoryLock();
  const events: string[] = [];
  lock.add({
    id: 'a',
    run: async () =>
      await Promise.resolve(() => {
        events.push('a ended');
        addWork(lock, 'b', events)();
      }),
  });
  await settle();
  assert.deepEqual(events, ['a ended', 'b runs', 'b ended, held false']);
  assert.deepEqual([lock.transitions, lock.jobIds], [4, []]);
});
