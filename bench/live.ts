/**
 * How soon a change in a working tree of 5,000 files reaches a subscriber, what 1,000 subscribers cost,
 * and how much faster a status is that is known already.
 */
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { readStatus } from '../src/git/status.ts';
import { countWatches, createWatchScene } from '../test/live/scene.ts';
import { startAgent, type AgentProcess } from '../test/support/agent-process.ts';
import { putGitFirst } from '../test/support/fake-git.ts';
import { untilDone } from '../test/support/git-door.ts';
import {
  createFixture,
  git,
  initRepository,
  writeCommit,
  type Fixture,
} from '../test/support/git-fixture.ts';
import { openSocket } from '../test/support/graphql-client.ts';
import { manyFiles } from './support/many-files.ts';
import { median, printRows, type Row } from './support/row.ts';

const FILES = 5000;
const SUBSCRIBERS = 1000;
const SOCKETS = 10;
const CHANGES = 20;
/** What src/live/copy-watch.ts calls WINDOW_MS. */
const WINDOW_MS = 100;
const DOCUMENT = 'subscription { repo(name: "site") { branch dirty untrackedFiles head { oid } } }';

interface Event {
  readonly repo: { readonly untrackedFiles: readonly string[] };
}

async function createTree(fixture: Fixture): Promise<string> {
  const dir = await initRepository(fixture.path('site'));
  await writeCommit(dir, { files: manyFiles(FILES) });
  await git(dir, 'reset', '--quiet', '--hard');
  // The index was written in the same moment as the files, so that git would compare them byte by byte.
  await delay(1100);
  await git(dir, 'update-index', '--really-refresh');
  return dir;
}

async function measureLatency(agent: AgentProcess, dir: string): Promise<Row> {
  await using socket = openSocket(agent.url);
  const events = socket.subscribe<Event, object>(DOCUMENT);
  await events.next();
  const times: number[] = [];
  const path = join(dir, 'part-3/folder-13/new');
  for (let round = 0; round < CHANGES; round++) {
    // At rest, as a person's working copy is.
    await delay(400);
    const start = performance.now();
    await (round % 2 === 0 ? writeFile(path, '') : rm(path));
    for (let isSeen = false; !isSeen;) {
      const event = await events.next();
      if (event.done === true) throw new Error('the subscription has ended');
      isSeen = (event.value.repo.untrackedFiles.length === 1) === (round % 2 === 0);
    }
    times.push(performance.now() - start);
  }
  return {
    what: `a change in a tree of ${FILES} files reaches a subscriber`,
    value: median(times),
    unit: 'ms',
    against: { what: 'what is allowed', value: 200 },
  };
}

async function measureCrowd(fixture: Fixture, dir: string): Promise<Row[]> {
  const log = fixture.path('log');
  const PATH = await putGitFirst(
    fixture.path('bin'),
    `echo "$1" >> '${log}'`,
    'exec "$REAL_GIT" "$@"',
  );
  await using agent = await startAgent({
    config: { repo: { site: { repo_path: dir } } },
    env: { PATH },
  });
  await using one = openSocket(agent.url);
  await one.subscribe(DOCUMENT).next();
  // The first answer comes before every folder is watched.
  await delay(1000);
  const watches = countWatches(agent.pid);
  await using sockets = new AsyncDisposableStack();
  let received = 0;
  const following: Promise<void>[] = [];
  for (let index = 0; index < SOCKETS; index++) {
    const socket = sockets.use(openSocket(agent.url));
    await socket.connected();
    for (let each = 0; each < SUBSCRIBERS / SOCKETS; each++) {
      const results = socket.client.iterate({ query: DOCUMENT });
      await results.next();
      following.push(
        (async () => {
          for await (const _ of results) received += 1;
        })(),
      );
    }
  }
  const watchesForAll = countWatches(agent.pid);
  await delay(500);
  await writeFile(log, '');
  const start = performance.now();
  for (let n = 0; performance.now() - start < 3000; n++) {
    await writeFile(join(dir, `part-1/folder-1/new-${n % 50}`), '');
    await delay(10);
  }
  const took = performance.now() - start;
  await delay(1000);
  const statuses = (await readFile(log, 'utf8')).match(/^status$/gm)?.length ?? 0;
  const pushed = received;
  await sockets.disposeAsync();
  await Promise.allSettled(following);
  return [
    {
      what: `folders watched for ${SUBSCRIBERS} subscribers`,
      value: watchesForAll,
      unit: '',
      against: { what: 'for one', value: watches },
    },
    {
      what: `git status during 3 s of changes, ${SUBSCRIBERS} subscribers`,
      value: statuses,
      unit: '',
      // One more: what changed last is looked at after the last window.
      against: { what: 'debounce windows', value: Math.ceil(took / WINDOW_MS) + 1 },
    },
    {
      what: 'events each of them received',
      value: pushed / SUBSCRIBERS,
      unit: '',
      against: { what: 'git status', value: statuses },
    },
  ];
}

/** Microseconds that one call takes: the median of some. */
async function timeEach(count: number, call: () => Promise<unknown>): Promise<number> {
  const times: number[] = [];
  for (let n = 0; n < count; n++) {
    const start = performance.now();
    await call();
    times.push((performance.now() - start) * 1000);
  }
  return median(times);
}

async function measureCache(fixture: Fixture, dir: string): Promise<Row[]> {
  await using scene = await createWatchScene(fixture, dir);
  const repo = { site: { repo_path: dir } };
  await using cached = await startAgent({ config: { repo } });
  await using uncached = await startAgent({ config: { repo, limits: { watched_folders: 0 } } });
  const get = async (agent: AgentProcess): Promise<unknown> =>
    await (await fetch(`${agent.url}/repo/site`)).json();
  for (let n = 0; n < 5; n++) {
    await scene.watch.read();
    await get(cached);
    await get(uncached);
  }
  const rounds = {
    read: [] as number[],
    status: [] as number[],
    cached: [] as number[],
    uncached: [] as number[],
  };
  for (let round = 0; round < 5; round++) {
    rounds.read.push(await timeEach(200, async () => await scene.watch.read()));
    rounds.status.push(
      await timeEach(5, async () => await readStatus(scene.git, scene.repository, untilDone)),
    );
    rounds.cached.push(await timeEach(100, async () => await get(cached)));
    rounds.uncached.push(await timeEach(5, async () => await get(uncached)));
  }
  return [
    {
      what: `a status of ${FILES} files that is known already`,
      value: median(rounds.read),
      unit: 'us',
      against: { what: 'one by git status', value: median(rounds.status) },
    },
    {
      what: 'how many times faster that is',
      value: median(rounds.status) / median(rounds.read),
      unit: '',
      against: { what: 'what is wanted', value: 100 },
    },
    {
      what: 'GET /repo/NAME of it',
      value: median(rounds.cached),
      unit: 'us',
      against: { what: 'one that asks git', value: median(rounds.uncached) },
    },
  ];
}

await using fixture = await createFixture();
const dir = await createTree(fixture);
const rows: Row[] = [];
{
  await using agent = await startAgent({ config: { repo: { site: { repo_path: dir } } } });
  rows.push(await measureLatency(agent, dir));
}
rows.push(...(await measureCache(fixture, dir)));
rows.push(...(await measureCrowd(fixture, dir)));
printRows(rows);
