import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  pullDocument,
  runDocument,
  watchBusyDocument,
  watchOutputDocument,
} from '../../src/client/documents.ts';
import { openEvents, openSocket, query } from '../support/graphql-client.ts';
import { createScene, getStatus, postPull, waitAt, type Scene } from './scene.ts';

/** Reads events until one says what the test waits for, and gives all of them. */
async function collectUntil<T>(events: AsyncIterator<T>, isLast: (all: T[]) => boolean) {
  const all: T[] = [];
  while (!isLast(all)) {
    const event = await events.next();
    assert.ok(event.done !== true, `only ${all.length} events came`);
    all.push(event.value);
  }
  return all;
}

async function untilEnded(scene: Scene): Promise<void> {
  const { repo } = await query<{ repo: { currentJob: { key: string } | null } }>(
    scene.url,
    '{ repo(name: "site") { currentJob { key } } }',
  );
  if (repo.currentJob === null) return;
  const output = openEvents(scene.url, watchOutputDocument, { job: repo.currentJob.key });
  for await (const _ of output);
}

test('a repository is busy from the moment a job is accepted until its command has ended', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  assert.equal((await getStatus(scene.url))['busy'], false);
  await query(scene.url, pullDocument, { input: { repo: 'site', command: 'slow' } });
  assert.equal((await getStatus(scene.url))['busy'], true);
  await using socket = openSocket(scene.url);
  const output = socket.subscribe(watchOutputDocument, { repo: 'site' });
  // The command has started: the pull itself is over.
  await collectUntil(output, (all) => all.some((each) => each.output.text.includes('$ while')));
  assert.equal((await getStatus(scene.url))['busy'], true);
  await scene.open('gate');
  await untilEnded(scene);
  assert.equal((await getStatus(scene.url))['busy'], false);
});

test('with block=0 the repository is busy when the answer comes, and until the command has ended', async () => {
  await using scene = await createScene({ commands: { slow: `${waitAt('gate')}; echo over` } });
  const { body } = await postPull(scene.url, { block: '0', command: 'slow' });
  assert.deepEqual(body, { err_msg: null, ret: 'success' });
  assert.equal((await getStatus(scene.url))['busy'], true);
  assert.equal((await postPull(scene.url, { block: '0' })).body.ret, 'failure');
  assert.equal((await postPull(scene.url, { block: '1' })).body.ret, 'failure');
  await scene.open('gate');
  await untilEnded(scene);
  assert.equal((await getStatus(scene.url))['busy'], false);
  assert.equal((await postPull(scene.url, { block: '1' })).body.ret, 'success');
});

for (const transport of ['graphql-ws', 'server-sent events'] as const) {
  test(`a subscriber over ${transport} sees exactly one change each way, for each job`, async () => {
    await using scene = await createScene({ commands: { quick: 'true' } });
    await using socket = openSocket(scene.url);
    const events =
      transport === 'graphql-ws'
        ? socket.subscribe(watchBusyDocument, { repo: 'site' })
        : openEvents(scene.url, watchBusyDocument, { repo: 'site' });
    assert.deepEqual(await collectUntil(events, (all) => all.length === 1), [
      { busy: { name: 'site', busy: false } },
    ]);

    await postPull(scene.url, { block: '0', command: 'quick' });
    await untilEnded(scene);
    await query(scene.url, runDocument, { input: { repo: 'site', command: 'quick', wait: true } });
    // An agent that told too much would tell it before this one.
    await query(scene.url, runDocument, { input: { repo: 'site', command: 'quick', wait: true } });
    const seen = await collectUntil(events, (all) => all.length === 6);
    assert.deepEqual(
      seen.map(({ busy }) => busy.busy),
      [true, false, true, false, true, false],
    );
  });
}

test('a subscriber to all repositories sees each as it is, then what changes', async () => {
  await using scene = await createScene({ others: ['other'], commands: { quick: 'true' } });
  await using socket = openSocket(scene.url);
  const events = socket.subscribe(watchBusyDocument, {});
  const now = await collectUntil(events, (all) => all.length === 2);
  await query(scene.url, runDocument, { input: { repo: 'site', command: 'quick' } });
  const changes = await collectUntil(events, (all) => all.length === 2);
  assert.deepEqual(
    [...now, ...changes].map(({ busy }) => [busy.name, busy.busy]),
    [
      ['site', false],
      ['other', false],
      ['site', true],
      ['site', false],
    ],
  );
});

test('jobs that wait for their turn keep the repository busy without a gap', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  await using socket = openSocket(scene.url);
  const events = socket.subscribe(watchBusyDocument, { repo: 'site' });
  await events.next();
  const input = { repo: 'site', command: 'slow' };
  await query(scene.url, runDocument, { input });
  await query(scene.url, runDocument, { input: { ...input, ifBusy: 'WAIT' } });
  await query(scene.url, runDocument, { input: { ...input, ifBusy: 'WAIT' } });
  await scene.open('gate');
  const seen = await collectUntil(events, (all) => all.at(-1)?.busy.busy === false);
  assert.deepEqual(
    seen.map(({ busy }) => busy.busy),
    [true, false],
  );
});
