import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { graphql } from '../../src/client/generated/gql.ts';
import { runDocument } from '../../src/client/documents.ts';
import type { WatchRepoSubscription } from '../../src/client/generated/graphql.ts';
import { countWatches, onLinux } from '../live/scene.ts';
import { until, within } from '../support/deadline.ts';
import { git } from '../support/git-fixture.ts';
import { openEvents, openSocket, query } from '../support/graphql-client.ts';
import { createScene, getStatus, waitAt } from './scene.ts';

const watchRepo = graphql(`
  subscription WatchRepo($name: String!) {
    repo(name: $name) {
      branch
      busy
      dirty
      operation
      head {
        oid
      }
      upstream {
        ahead
        behind
      }
      changedFiles {
        modified
      }
      untrackedFiles
      currentJob {
        state
      }
    }
  }
`);

type Event = WatchRepoSubscription['repo'];
type Events = AsyncIterableIterator<WatchRepoSubscription>;

/** Reads events until one says what the test waits for. */
async function nextThat(events: Events, isIt: (event: Event) => boolean): Promise<Event> {
  for (;;) {
    const event = await events.next();
    assert.ok(event.done !== true, 'there is a next event');
    if (isIt(event.value.repo)) return event.value.repo;
  }
}

for (const transport of ['graphql-ws', 'server-sent events'] as const) {
  test(`a subscriber over ${transport} sees what somebody does by hand`, onLinux, async () => {
    await using scene = await createScene();
    await using socket = openSocket(scene.url);
    const events =
      transport === 'graphql-ws'
        ? socket.subscribe(watchRepo, { name: 'site' })
        : openEvents(scene.url, watchRepo, { name: 'site' });
    const now = await nextThat(events, () => true);
    assert.deepEqual(now, {
      branch: 'main',
      busy: false,
      dirty: false,
      operation: null,
      head: { oid: scene.first },
      upstream: { ahead: 0, behind: 0 },
      changedFiles: { modified: [] },
      untrackedFiles: [],
      currentJob: null,
    });
    await scene.write('a', 'edited\n');
    await nextThat(events, ({ changedFiles }) => changedFiles.modified[0] === 'a');
    await scene.write('new', '');
    await nextThat(events, ({ untrackedFiles }) => untrackedFiles[0] === 'new');
    await git(scene.copy, 'commit', '--quiet', '--all', '-m', 'mine');
    const mine = await git(scene.copy, 'rev-parse', 'HEAD');
    const committed = await nextThat(events, ({ head, dirty }) => head?.oid === mine && !dirty);
    assert.equal(committed.upstream?.ahead, 1);
    await scene.commit({ files: { a: 'theirs\n' } });
    await git(scene.copy, 'fetch', '--quiet');
    await nextThat(events, ({ upstream }) => upstream?.behind === 1);
    await git(scene.copy, 'merge', 'origin/main').catch(() => undefined);
    await nextThat(events, ({ operation }) => operation === 'MERGE');
    await git(scene.copy, 'merge', '--abort');
    await nextThat(events, ({ operation }) => operation === null);
    await git(scene.copy, 'checkout', '--quiet', '-b', 'side');
    await nextThat(events, ({ branch }) => branch === 'side');
    await mkdir(join(scene.copy, 'deep/er'), { recursive: true });
    await writeFile(join(scene.copy, 'deep/er/file'), '');
    await nextThat(events, ({ untrackedFiles }) => untrackedFiles.includes('deep/er/file'));
    await events.return?.();
  });
}

test('a subscriber sees the current job come, run and go', onLinux, async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  await using socket = openSocket(scene.url);
  const events = socket.subscribe(watchRepo, { name: 'site' });
  await events.next();
  await query(scene.url, runDocument, { input: { repo: 'site', command: 'slow' } });
  const running = await nextThat(events, ({ currentJob }) => currentJob?.state === 'RUNNING');
  assert.equal(running.busy, true);
  await scene.open('gate');
  const over = await nextThat(events, ({ currentJob }) => currentJob === null);
  assert.equal(over.busy, false);
});

test(
  'a working copy that is asked for again costs no git child until it changes',
  onLinux,
  async () => {
    await using scene = await createScene({
      git: (dir) => [`echo "$@" >> '${dir}/log'`, 'exec "$REAL_GIT" "$@"'],
    });
    const log = scene.fixture.path('log');
    const ask = async () =>
      await query<{ repo: { dirty: boolean; branch: string; liveness: string } }>(
        scene.url,
        '{ repo(name: "site") { dirty branch liveness livenessReason } }',
      );
    await ask();
    await ask();
    await ask();
    await writeFile(log, '');
    for (let n = 0; n < 10; n++) {
      assert.deepEqual((await ask()).repo, {
        dirty: false,
        branch: 'main',
        liveness: 'WATCHING',
        livenessReason: null,
      });
      assert.equal((await getStatus(scene.url))['dirty'], false);
    }
    assert.equal(await readFile(log, 'utf8'), '');
    await scene.write('a', 'edited\n');
    assert.equal((await getStatus(scene.url))['dirty'], true);
    assert.equal((await ask()).repo.dirty, true);
    assert.equal((await readFile(log, 'utf8')).match(/^status /gm)?.length, 1);
  },
);

test('20 subscribers share one watcher, and one git status for each change', onLinux, async () => {
  await using scene = await createScene({
    config: { timeouts: { watch_idle: 0.1 } },
    git: (dir) => [`echo "$@" >> '${dir}/log'`, 'exec "$REAL_GIT" "$@"'],
  });
  const log = scene.fixture.path('log');
  assert.equal(countWatches(scene.agent.pid), 0);
  await using one = openSocket(scene.url);
  const first = one.subscribe(watchRepo, { name: 'site' });
  await first.next();
  const watches = countWatches(scene.agent.pid);
  assert.ok(watches > 0);
  {
    await using socket = openSocket(scene.url);
    const all = Array.from({ length: 20 }, () => socket.subscribe(watchRepo, { name: 'site' }));
    await Promise.all(all.map(async (events) => await events.next()));
    assert.equal(countWatches(scene.agent.pid), watches);
    await until(async () => {
      const before = await readFile(log, 'utf8');
      await getStatus(scene.url);
      return before === (await readFile(log, 'utf8'));
    }, 'it is at rest');
    await writeFile(log, '');
    await scene.write('a', 'edited\n');
    await Promise.all(all.map(async (events) => await nextThat(events, ({ dirty }) => dirty)));
    // A write is two events, so a second look may follow; never one for each subscriber.
    const count = (await readFile(log, 'utf8')).match(/^status /gm)?.length ?? 0;
    assert.ok(count >= 1 && count <= 2, `${count} times git status`);
  }
  await first.return?.();
  await until(() => countWatches(scene.agent.pid) === 0, 'nothing is watched any more');
});

test(
  'a subscriber is told that the repository is gone, and sees the one made anew',
  onLinux,
  async () => {
    await using scene = await createScene();
    await using socket = openSocket(scene.url);
    const results = socket.client.iterate({
      query: 'subscription { repo(name: "site") { branch } }',
    });
    const next = async (): Promise<unknown> => {
      const result = await within(results.next(), 'the next event arrives');
      assert.ok(result.done !== true, 'there is a next event');
      const { data, errors } = result.value;
      return errors?.[0]?.extensions?.['code'] ?? data;
    };
    const there = { repo: { branch: 'main' } };
    assert.deepEqual(await next(), there);
    await rename(scene.copy, `${scene.copy}.away`);
    assert.equal(await next(), 'NOT_FOUND');
    await rename(`${scene.copy}.away`, scene.copy);
    assert.deepEqual(await next(), there);
    await rm(join(scene.copy, '.git'), { recursive: true });
    assert.equal(await next(), 'NOT_FOUND');
  },
);

test(
  'a repository that is not watched for a moment after it was asked for is answered all the same',
  onLinux,
  async () => {
    await using scene = await createScene({ config: { timeouts: { watch_idle: 0 } } });
    for (let n = 0; n < 4; n++) assert.equal((await getStatus(scene.url))['dirty'], false);
    await scene.write('a', 'edited\n');
    assert.equal((await getStatus(scene.url))['dirty'], true);
    await until(() => countWatches(scene.agent.pid) === 0, 'nothing is watched any more');
  },
);
