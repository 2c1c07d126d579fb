import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readdirSync } from 'node:fs';
import { utimes, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Job } from '../../src/jobs/job.ts';
import { openJournal, type Journal } from '../../src/jobs/journal.ts';
import { createOutputLogs, type OutputLogs } from '../../src/jobs/output-log.ts';
import {
  createRetention,
  type Retention,
  type RetentionLimits,
  type Swept,
} from '../../src/jobs/retention.ts';
import { createFixture, type Fixture } from '../support/git-fixture.ts';
import { aJob } from './support.ts';

const DAY = 24 * 60 * 60 * 1000;
const MUCH: RetentionLimits = { jobs: 1e6, jobsDays: 1e4, outputDays: 1e4, outputBytes: 2 ** 40 };

interface Scene extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly journal: Journal;
  readonly outputs: OutputLogs;
  readonly swept: Swept[];
  /** A job in the journal that ended so many days ago, with so much output. */
  add(daysAgo: number, bytes: number, facts?: Partial<Job>): Promise<string>;
  retain(limits: Partial<RetentionLimits>): Promise<Retention>;
  /** Which of these jobs are remembered, and which of their outputs are there. */
  kept(ids: readonly string[]): Promise<{ jobs: number[]; outputs: number[] }>;
}

async function createScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await createFixture());
  const journal = stack.use(openJournal(fixture.path('state')));
  const outputs = createOutputLogs(fixture.path('state'), 65_536);
  const swept: Swept[] = [];
  const bugs: unknown[] = [];
  stack.defer(() => {
    assert.deepEqual(bugs, []);
  });
  const kept = stack.move();
  return {
    fixture,
    journal,
    outputs,
    swept,
    async add(daysAgo, bytes, facts = {}) {
      const time = Date.now() - daysAgo * DAY;
      const times = { queuedAt: time - 10, startedAt: time - 5, finishedAt: time };
      const { id } = journal.insert(aJob({ state: 'SUCCEEDED', ...times, ...facts }));
      const log = outputs.create(id);
      await log.append(Buffer.alloc(bytes, 'x'));
      await log.end();
      return id;
    },
    async retain(limits) {
      const retention = createRetention({
        journal,
        outputs,
        limits: { ...MUCH, ...limits },
        onSwept: (each) => swept.push(each),
        onBug: (error) => bugs.push(error),
      });
      kept.use(retention);
      await retention.sweep();
      return retention;
    },
    async kept(ids) {
      const jobs = ids.flatMap((id, n) => (journal.has(id) ? [n] : []));
      const sizes = await Promise.all(ids.map(async (id) => (await outputs.open(id)).size));
      return { jobs, outputs: sizes.flatMap((size, n) => (size > 0 ? [n] : [])) };
    },
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
    },
  };
}

test('nothing goes that is within the limits', async () => {
  await using scene = await createScene();
  const ids = [await scene.add(400, 10), await scene.add(0, 0), await scene.add(0, 10)];
  await scene.retain({});
  assert.deepEqual(await scene.kept(ids), { jobs: [0, 1, 2], outputs: [0, 2] });
  assert.deepEqual(scene.swept, []);
  assert.ok(ids.every((id) => !scene.journal.isOutputRemoved(id)));
});

test('old outputs go before old jobs, and the journal says that they did', async () => {
  await using scene = await createScene();
  const ids = [
    await scene.add(30, 10),
    await scene.add(9, 20),
    await scene.add(8, 0),
    await scene.add(1, 30),
  ];
  const retention = await scene.retain({ jobsDays: 20, outputDays: 5 });
  assert.deepEqual(await scene.kept(ids), { jobs: [1, 2, 3], outputs: [3] });
  assert.deepEqual(ids.map((id) => scene.journal.isOutputRemoved(id)), [false, true, true, false]); // prettier-ignore
  assert.deepEqual(scene.swept, [{ jobs: 1, outputs: 1, bytes: 20 }]);
  await retention.sweep();
  assert.equal(scene.swept.length, 1);
});

test('outputs that are too much together go, the oldest first, also those of long jobs', async () => {
  await using scene = await createScene();
  const ids: string[] = [];
  for (let n = 0; n < 250; n++) ids.push(await scene.add(250 - n, n % 5 === 0 ? 0 : 100));
  // 200 of them printed something: 150 may stay, and those that printed nothing are not touched.
  await scene.retain({ outputBytes: 15_000 });
  const { jobs, outputs } = await scene.kept(ids);
  assert.equal(jobs.length, 250);
  assert.equal(outputs.length, 150);
  assert.ok(outputs.every((n) => n >= 62));
  assert.equal(scene.journal.isOutputRemoved(ids[0] ?? ''), false);
  assert.deepEqual(scene.swept, [{ jobs: 0, outputs: 50, bytes: 5000 }]);
});

test('of more jobs than may be remembered the oldest are forgotten', async () => {
  await using scene = await createScene();
  const ids: string[] = [];
  for (let n = 0; n < 250; n++) ids.push(await scene.add(0, 1));
  await scene.retain({ jobs: 30 });
  const last = Array.from({ length: 30 }, (_, n) => 220 + n);
  assert.deepEqual(await scene.kept(ids), { jobs: last, outputs: last });
  assert.equal(scene.journal.count(), 30);
});

test('a job that has not ended keeps what it has', async () => {
  await using scene = await createScene();
  const running = { state: 'RUNNING', finishedAt: null } as const;
  const ids = [
    await scene.add(30, 10, running),
    await scene.add(30, 10, { state: 'QUEUED', finishedAt: null }),
    await scene.add(29, 10),
  ];
  await scene.retain({ jobs: 1, jobsDays: 1, outputDays: 1, outputBytes: 0 });
  assert.deepEqual(await scene.kept(ids), { jobs: [0, 1], outputs: [0, 1] });
});

test('what a crash left is removed with the next sweep, and what nobody knows with time', async () => {
  await using scene = await createScene();
  const half = await scene.add(0, 10);
  scene.journal.markOutputRemoved(half);
  const folder = scene.fixture.path('state', 'outputs');
  const [fresh, old] = [randomUUID(), randomUUID()];
  for (const id of [fresh, old]) await writeFile(`${folder}/${id}.log`, 'x');
  await writeFile(`${folder}/notes`, 'x');
  const longAgo = new Date(Date.now() - 100 * DAY);
  await utimes(`${folder}/${old}.log`, longAgo, longAgo);
  await scene.retain({ outputDays: 90 });
  assert.deepEqual(readdirSync(folder).toSorted(), ['notes', `${fresh}.log`].toSorted());
});

test('a forgotten job takes the note about its output with it', async () => {
  await using scene = await createScene();
  const id = await scene.add(10, 10);
  const retention = await scene.retain({ outputDays: 5 });
  assert.ok(scene.journal.isOutputRemoved(id));
  await retention[Symbol.asyncDispose]();
  await scene.retain({ jobsDays: 5 });
  assert.deepEqual([scene.journal.has(id), scene.journal.isOutputRemoved(id)], [false, false]);
});
