import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createWake } from '../../src/jobs/follow.ts';
import { createPace } from '../../src/jobs/pace.ts';
import { until } from '../support/deadline.ts';

/** So many who wait, each again as soon as he is woken. */
function createWaiters(count: number) {
  const changed = createWake();
  /** Who was woken, in order. */
  const woken: number[] = [];
  for (let each = 0; each < count; each++) {
    const wait = (): void => {
      changed.once(() => {
        woken.push(each);
        wait();
      });
    };
    wait();
  }
  return { changed, woken, pace: createPace(changed) };
}

const upTo = (count: number): number[] => Array.from({ length: count }, (_, each) => each);

test('a few are told of every change at once', () => {
  const { woken, pace } = createWaiters(5);
  for (let change = 1; change <= 3; change++) {
    pace.wake();
    assert.equal(woken.length, 5 * change);
  }
});

test('of many the first are told at once, the others in turns that leave room for other work', async () => {
  const { woken, pace } = createWaiters(1000);
  pace.wake();
  assert.ok(woken.length > 0 && woken.length < 100, `${woken.length} at once`);
  let turns = 0;
  for (; woken.length < 1000; turns++) await nextTurn();
  assert.ok(turns >= 10, `${turns} turns`);
  assert.deepEqual(woken, upTo(1000));
  pace.end();
});

test('changes while many are told of one are told together when all have been told', async () => {
  const { woken, pace } = createWaiters(300);
  // Fewer turns than a round of 300 takes, however slow they are.
  for (let change = 0; change < 8; change++) {
    pace.wake();
    await nextTurn();
  }
  await until(() => woken.length === 600, 'all were told twice');
  for (let turn = 0; turn < 20; turn++) await nextTurn();
  assert.deepEqual(woken, [...upTo(300), ...upTo(300)]);
});

test('at the end all are told without a pause, those who wait for their turn, too', async () => {
  const { changed, woken, pace } = createWaiters(300);
  pace.wake();
  pace.wake();
  const before = woken.length;
  let late = 0;
  changed.once(() => (late += 1));
  pace.end();
  for (let turn = 0; turn < 30; turn++) await nextTurn();
  assert.equal(woken.length, before + 300);
  assert.equal(late, 1);
});

test('who leaves while others are told is not told', async () => {
  const { changed, woken, pace } = createWaiters(100);
  let told = 0;
  const leave = changed.once(() => (told += 1));
  pace.wake();
  leave();
  await until(() => woken.length >= 100, 'the others are told');
  assert.equal(told, 0);
  pace.end();
});
