import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { createWake, follow, type Look } from '../../src/jobs/follow.ts';
import { countWaiters, createRandom } from './support.ts';

/** A number that is followed, as jobs are: a slow reader skips what lies between. */
function createNumber() {
  const wake = createWake();
  let now = 0;
  return {
    wake,
    waiters: countWaiters(wake),
    set(value: number) {
      now = value;
      wake.wake();
    },
    follow(isAsync = false) {
      let seen = 0;
      const look = (): Look<number> => {
        if (seen !== now) return { value: (seen = now) };
        return now < 0 ? { ended: true } : { wait: wake };
      };
      return follow(isAsync ? async () => await Promise.resolve(look()) : look);
    },
  };
}

for (const isAsync of [false, true]) {
  const kind = isAsync ? 'an asynchronous' : 'a synchronous';
  test(`a change between ${kind} look and the waiting for it is seen`, async () => {
    for (let ticks = 0; ticks < 12; ticks++) {
      const number = createNumber();
      const pending = number.follow(isAsync).next();
      for (let tick = 0; tick < ticks; tick++) await Promise.resolve();
      number.set(7);
      assert.deepEqual(await pending, { done: false, value: 7 }, `after ${ticks} microtasks`);
      assert.equal(number.waiters(), 0);
    }
  });
}

test('many followers see the last of many changes', async () => {
  const number = createNumber();
  const random = createRandom(1);
  const readers = Array.from({ length: 50 }, async (_, index) => {
    let last = 0;
    for await (const value of number.follow(index % 2 === 0)) {
      assert.ok(value > last || value === -1);
      last = value;
      for (let ticks = random(5); ticks > 0; ticks--) await Promise.resolve();
      if (random(4) === 0) await nextTurn();
    }
    return last;
  });
  for (let value = 1; value <= 500; value++) {
    for (let ticks = random(6); ticks > 0; ticks--) await Promise.resolve();
    if (random(10) === 0) await nextTurn();
    number.set(value);
  }
  number.set(-1);
  assert.deepEqual(new Set(await Promise.all(readers)), new Set([-1]));
  assert.equal(number.waiters(), 0);
});

test('who leaves while waiting is gone at once, and what it waited for is done', async () => {
  const number = createNumber();
  const following = number.follow();
  const pending = following.next();
  await nextTurn();
  assert.equal(number.waiters(), 1);
  const left = following.return?.();
  assert.equal(number.waiters(), 0);
  assert.deepEqual(await pending, { done: true, value: undefined });
  assert.deepEqual(await left, { done: true, value: undefined });
  number.set(1);
  assert.deepEqual(await following.next(), { done: true, value: undefined });
});

test('who leaves before waiting, or while looking, never waits', async () => {
  const number = createNumber();
  const early = number.follow();
  await early.return?.();
  assert.deepEqual(await early.next(), { done: true, value: undefined });
  const looking = number.follow(true);
  const pending = looking.next();
  await looking.return?.();
  assert.deepEqual(await pending, { done: true, value: undefined });
  assert.equal(number.waiters(), 0);
});

test('several next() at once are answered in order, each value once', async () => {
  const wake = createWake();
  const waiters = countWaiters(wake);
  let end = 0;
  let position = 0;
  // Reading takes a while, as from a file: two reads at once would find the same position.
  const following = follow<number>(async () => {
    if (position === end) return { wait: wake };
    const value = position;
    await nextTurn();
    position = value + 1;
    return { value };
  });
  const all = Promise.all([following.next(), following.next(), following.next(), following.next()]);
  end = 3;
  wake.wake();
  for (let turn = 0; turn < 5; turn++) await nextTurn();
  await following.return?.();
  assert.deepEqual(
    (await all).map(({ value }) => value),
    [0, 1, 2, undefined],
  );
  assert.equal(waiters(), 0);
});

test('when looking fails the reader is told and the following has ended', async () => {
  const wake = createWake();
  const waiters = countWaiters(wake);
  let looks = 0;
  const following = follow<number>(() => {
    looks += 1;
    if (looks === 2) throw new Error('the file is gone');
    return { wait: wake };
  });
  const pending = following.next();
  await nextTurn();
  assert.equal(waiters(), 1);
  wake.wake();
  await assert.rejects(pending, /the file is gone/);
  assert.deepEqual(await following.next(), { done: true, value: undefined });
  assert.equal(waiters(), 0);
});

for (const isAsync of [false, true]) {
  test(`by callback each value is given when the last was taken, ${isAsync ? 'read slowly' : 'read at once'}`, async () => {
    const number = createNumber();
    const given: number[] = [];
    const ends: unknown[] = [];
    let take = (): void => undefined;
    number.follow(isAsync).each(
      (value, taken) => {
        given.push(value);
        take = taken;
      },
      (error) => ends.push(error),
    );
    for (const value of [1, 2, 3]) {
      number.set(value);
      await nextTurn();
    }
    assert.deepEqual(given, [1]);
    assert.equal(number.waiters(), 0);
    take();
    await nextTurn();
    take();
    await nextTurn();
    assert.deepEqual(given, [1, 3]);
    assert.equal(number.waiters(), 1);
    number.set(-1);
    await nextTurn();
    take();
    await nextTurn();
    assert.deepEqual([given, ends], [[1, 3, -1], [undefined]]);
    assert.equal(number.waiters(), 0);
  });
}

test('by callback, too, who leaves is told the end, once, whether he waits or takes', async () => {
  for (const isTaking of [false, true]) {
    const number = createNumber();
    if (isTaking) number.set(1);
    const following = number.follow();
    let take: (() => void) | undefined;
    let ends = 0;
    following.each(
      (_value, taken) => (take = taken),
      () => (ends += 1),
    );
    assert.equal(number.waiters(), isTaking ? 0 : 1);
    await following.return();
    take?.();
    assert.equal(ends, 1);
    number.set(2);
    assert.deepEqual([ends, number.waiters()], [1, 0]);
  }
});

test('by callback, too, a look that fails is the end', async () => {
  const error = new Error('the file is gone');
  for (const fail of [() => assert.fail(error), async () => await Promise.reject(error)]) {
    const ends = new Promise((resolve) => {
      follow<number>(fail).each(() => undefined, resolve);
    });
    assert.equal(await ends, error);
  }
});
