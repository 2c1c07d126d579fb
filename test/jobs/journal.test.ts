import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { stat } from 'node:fs/promises';
import { test, type TestContext } from 'node:test';
import { oid } from '../../src/git/oid.ts';
import { JOB_STATES, type Job } from '../../src/jobs/job.ts';
import { openJournal } from '../../src/jobs/journal.ts';
import { createFixture } from '../support/git-fixture.ts';
import { aJob } from './support.ts';

/** Starts a process that holds the journal, and resolves when it does. */
async function holdJournal(t: TestContext, stateDir: string): Promise<ChildProcess> {
  const program = new URL('fixture/hold-journal.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, stateDir], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => child.kill('SIGKILL'));
  await once(child.stdout, 'data');
  return child;
}

const FULL = aJob({
  repo: 'a "quoted" näme\n',
  kind: 'PULL',
  state: 'FAILED',
  branch: 'feature/ü',
  hash: 'abcd',
  strategy: 'reset',
  command: 'deploy',
  before: oid('1'.repeat(40)),
  after: oid('2'.repeat(64)),
  exitCode: 3,
  signal: 'SIGTERM',
  error: { code: 'CONFLICT', message: 'no', detail: { files: ['a', 'b\0c'], count: 2 } },
  startedAt: 1_800_000_000_001,
  finishedAt: 1_800_000_000_002,
});

test('jobs are there again after the journal was closed, each fact as it was', async () => {
  await using fixture = await createFixture();
  const kept: Job[] = [];
  {
    using journal = openJournal(fixture.path('state'));
    kept.push(journal.insert(aJob()), journal.insert(FULL));
    const third = journal.insert(aJob({ state: 'RUNNING' }));
    const changed = { ...third, state: 'SUCCEEDED', exitCode: 0, finishedAt: 9 } as const;
    journal.update(changed);
    kept.push(changed);
    assert.deepEqual(journal.list({ limit: 9 }), kept.toReversed());
  }
  using journal = openJournal(fixture.path('state'));
  assert.deepEqual(journal.list({ limit: 9 }), kept.toReversed());
  assert.deepEqual(
    kept.map(({ sequence }) => sequence),
    [1, 2, 3],
  );
  for (const job of kept) assert.deepEqual(journal.find(job.id), job);
  assert.equal(journal.find('unknown'), null);
  assert.deepEqual(journal.listUnfinished(), kept.slice(0, 1));
});

test('progress is not recorded', async () => {
  await using fixture = await createFixture();
  using journal = openJournal(fixture.path('state'));
  const progress = { phase: 'Receiving objects', current: 1, total: 2, percent: 50 };
  const job = journal.insert(aJob({ progress }));
  assert.deepEqual(job.progress, progress);
  assert.equal(journal.find(job.id)?.progress, null);
});

test('a list has the newest first, and is filtered by repository, states, place and number', async () => {
  await using fixture = await createFixture();
  using journal = openJournal(fixture.path('state'));
  const repos = ['a', 'b', 'c'];
  const all = Array.from({ length: 36 }, (_, index) =>
    journal.insert(
      aJob({ repo: repos[index % 3] ?? '', state: JOB_STATES[index % 6] ?? 'QUEUED' }),
    ),
  ).toReversed();
  const sequences = (filter: Partial<Parameters<typeof journal.list>[0]>): number[] =>
    journal.list({ limit: 100, ...filter }).map(({ sequence }) => sequence);
  const expected = (matches: (job: Job) => boolean): number[] =>
    all.filter(matches).map(({ sequence }) => sequence);

  assert.deepEqual(
    sequences({}),
    expected(() => true),
  );
  assert.deepEqual(
    sequences({ repo: 'b' }),
    expected(({ repo }) => repo === 'b'),
  );
  assert.deepEqual(
    sequences({ repos: ['a', 'c', 'x'] }),
    expected(({ repo }) => repo !== 'b'),
  );
  assert.deepEqual(sequences({ repos: [] }), []);
  assert.deepEqual(sequences({ repo: 'b', repos: ['a'] }), []);
  assert.deepEqual(
    sequences({ states: ['RUNNING', 'FAILED'] }),
    expected(({ state }) => state === 'RUNNING' || state === 'FAILED'),
  );
  assert.deepEqual(sequences({ states: [] }), []);
  assert.deepEqual(
    sequences({ before: 10 }),
    expected(({ sequence }) => sequence < 10),
  );
  assert.deepEqual(sequences({ limit: 0 }), []);
  assert.deepEqual(
    sequences({ repo: 'a', states: ['QUEUED'], before: 30, limit: 2 }),
    expected(
      ({ repo, state, sequence }) => repo === 'a' && state === 'QUEUED' && sequence < 30,
    ).slice(0, 2),
  );
});

test('pages that go on before the last one seen leave nothing out, whatever is added meanwhile', async () => {
  await using fixture = await createFixture();
  using journal = openJournal(fixture.path('state'));
  for (let index = 0; index < 25; index++) journal.insert(aJob());
  const seen: number[] = [];
  for (;;) {
    const page = journal.list({ before: seen.at(-1), limit: 10 });
    if (page.length === 0) break;
    seen.push(...page.map(({ sequence }) => sequence));
    journal.insert(aJob());
  }
  assert.deepEqual(
    seen,
    Array.from({ length: 25 }, (_, index) => 25 - index),
  );
});

test('two jobs never have the same id', async () => {
  await using fixture = await createFixture();
  using journal = openJournal(fixture.path('state'));
  const job = journal.insert(aJob());
  assert.throws(() => journal.insert(aJob({ id: job.id })), /UNIQUE/);
});

test('only the user of the agent can read the journal', async () => {
  await using fixture = await createFixture();
  using journal = openJournal(fixture.path('new', 'state'));
  journal.insert(aJob());
  const { mode } = await stat(fixture.path('new', 'state'));
  assert.equal(mode & 0o777, 0o700);
});

test('a second agent with the same state folder is refused, and told what to do', async (t) => {
  await using fixture = await createFixture();
  const stateDir = fixture.path('state');
  const refusal = {
    name: 'AppError',
    code: 'BUSY',
    message: `another agent is using ${stateDir}: stop it, or give this one its own with state_dir or GITAGENT_STATE_DIR`,
    detail: { stateDir },
  };
  const child = await holdJournal(t, stateDir);
  assert.throws(() => openJournal(stateDir), refusal);
  assert.throws(() => openJournal(stateDir), refusal);
  assert.equal(child.exitCode, null);
  openJournal(fixture.path('another'))[Symbol.dispose]();
});

test('a second agent in the same process is refused too', async () => {
  await using fixture = await createFixture();
  const journal = openJournal(fixture.path('state'));
  assert.throws(() => openJournal(fixture.path('state')), { code: 'BUSY' });
  journal[Symbol.dispose]();
  openJournal(fixture.path('state'))[Symbol.dispose]();
});

for (const signal of ['SIGTERM', 'SIGKILL'] as const) {
  test(`once the first agent has ended by ${signal} a second one starts, and finds its jobs`, async (t) => {
    await using fixture = await createFixture();
    const child = await holdJournal(t, fixture.path('state'));
    child.kill(signal);
    await once(child, 'exit');
    using journal = openJournal(fixture.path('state'));
    assert.deepEqual(
      journal.listUnfinished().map(({ id, state }) => [id, state]),
      [['left-behind', 'RUNNING']],
    );
  });
}
