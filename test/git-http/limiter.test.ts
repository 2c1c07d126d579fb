/** Too many at once: they wait, and who cannot wait is told so where git listens. */
import assert from 'node:assert/strict';
import { rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../src/git-http/index.ts';
import { createLimiter, type Limits } from '../../src/git-http/limiter.ts';
import { until, within } from '../support/deadline.ts';
import { openConnection, request } from '../support/raw-http.ts';
import { putGitFirst } from '../support/fake-git.ts';
import { createFixture, exists, initRepository, writeCommit } from '../support/git-fixture.ts';
import { clients, runClient, tryClient } from './client.ts';
import { createGitScene } from './scene.ts';

const LIMITS: Limits = {
  total: 3,
  perRepository: 2,
  perCaller: 2,
  waiting: 4,
  waitingPerCaller: 3,
  waitMs: 10_000,
};

/** A limiter, and who is in: `aR1` is caller a in repository R, the first of its kind. */
function createScene(limits: Partial<Limits> = {}) {
  const limiter = createLimiter({ ...LIMITS, ...limits });
  const over = new AbortController();
  const inside = new Map<string, () => void>();
  const refused = new Map<string, string>();
  return {
    enter: async (name: string, options: { hasBegun?: boolean; signal?: AbortSignal } = {}) => {
      const entering = limiter.enter({
        caller: name.charAt(0),
        repository: name.charAt(1),
        hasBegun: options.hasBegun ?? false,
        signal: options.signal ?? over.signal,
      });
      entering.then(
        (leave) => inside.set(name, leave),
        (error: unknown) => refused.set(name, error instanceof AppError ? error.code : 'bug'),
      );
      await delay(0);
    },
    leave: async (name: string) => {
      inside.get(name)?.();
      inside.delete(name);
      await delay(0);
    },
    inside: () => [...inside.keys()],
    refused: () => Object.fromEntries(refused),
    [Symbol.dispose]: () => {
      over.abort();
    },
  };
}

test('at most so many are in, in all, for a repository, for a caller', async () => {
  using scene = createScene();
  for (const name of ['aR1', 'aR2', 'aS1', 'bR1', 'bS1', 'cS1']) await scene.enter(name);
  // aS1: its caller has two; bR1: its repository has two; cS1: three are in.
  assert.deepEqual(scene.inside(), ['aR1', 'aR2', 'bS1']);
  await scene.leave('bS1');
  assert.deepEqual(scene.inside(), ['aR1', 'aR2', 'cS1']);
  await scene.leave('aR1');
  assert.deepEqual(scene.inside(), ['aR2', 'cS1', 'aS1']);
  await scene.leave('aR2');
  assert.deepEqual(scene.inside(), ['cS1', 'aS1', 'bR1']);
});

test('one that leaves may let in two', async () => {
  using scene = createScene({ total: 10, perRepository: 1, perCaller: 1 });
  for (const name of ['aR1', 'aS1', 'bR1']) await scene.enter(name);
  await scene.leave('aR1');
  assert.deepEqual(scene.inside(), ['aS1', 'bR1']);
});

test('leaving twice is leaving once', async () => {
  const limiter = createLimiter({ ...LIMITS, total: 1 });
  const over = new AbortController();
  const entrant = { caller: 'a', repository: 'R', hasBegun: false, signal: over.signal };
  const leave = await limiter.enter(entrant);
  leave();
  await limiter.enter(entrant);
  leave();
  let isIn = false;
  const entering = limiter.enter(entrant).then(() => (isIn = true));
  await delay(10);
  assert.equal(isIn, false);
  over.abort();
  await assert.rejects(entering);
});

test('the queue is bounded, in all and for a caller; who has begun may wait longer', async () => {
  using scene = createScene({ total: 1 });
  for (const name of ['aR1', 'aR2', 'aR3', 'aR4', 'aR5', 'bR1', 'cR1']) await scene.enter(name);
  assert.deepEqual(scene.refused(), { aR5: 'LIMIT_EXCEEDED', cR1: 'LIMIT_EXCEEDED' });
  await scene.enter('cR2', { hasBegun: true });
  assert.deepEqual(Object.keys(scene.refused()), ['aR5', 'cR1']);
});

test('who waits too long is refused, who leaves the queue is gone from it', async () => {
  using scene = createScene({ total: 1, waitMs: 50 });
  const abort = new AbortController();
  await scene.enter('aR1');
  await scene.enter('aR2', { signal: abort.signal });
  await scene.enter('aR3');
  abort.abort();
  await until(() => Object.keys(scene.refused()).length === 2, 'both are out');
  assert.deepEqual(scene.refused(), { aR2: 'CANCELLED', aR3: 'LIMIT_EXCEEDED' });
  await scene.enter('aR4', { signal: abort.signal });
  assert.equal(scene.refused()['aR4'], 'CANCELLED');
  await scene.leave('aR1');
  await scene.enter('aR5');
  assert.deepEqual(scene.inside(), ['aR5']);
});

/** A git whose services wait until the file `gate` is there. */
async function gatedGit(dir: string): Promise<string> {
  return await putGitFirst(
    `${dir}/bin`,
    'case "$1" in upload-pack)',
    `  touch '${dir}/running'; while [ ! -e '${dir}/gate' ]; do sleep 0.01; done ;; esac`,
    'exec "$REAL_GIT" "$@"',
  );
}

for (const program of clients) {
  test(`${program}: a client that must be refused is so at info/refs, in words`, async () => {
    await using folder = await createFixture();
    const PATH = await gatedGit(folder.dir);
    await using scene = await createGitScene({
      host: { PATH },
      limits: { total: 1, waiting: 0 },
    });
    await initRepository(scene.path('site.git'), { bare: true });
    const target = '/site.git/info/refs?service=git-upload-pack';
    const first = request(scene.url, 'GET', target);
    await until(async () => await exists(folder.path('running')), 'git runs');

    const refused = await request(scene.url, 'GET', target);
    assert.equal(refused.status, 429);
    assert.equal(refused.headers['retry-after'], '10');
    const run = await tryClient(scene.fixture.dir, ['ls-remote', `${scene.url}/site.git`], {
      program,
    });
    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /429/);
    assert.match(run.stderr, /^remote: the server is busy: try again in a moment$/m);

    await writeFile(folder.path('gate'), '');
    assert.equal((await first).status, 200);
  });
}

test('who waits and leaves starts no git', async () => {
  await using folder = await createFixture();
  const PATH = await gatedGit(folder.dir);
  await using scene = await createGitScene({ host: { PATH }, limits: { total: 1 } });
  await initRepository(scene.path('site.git'), { bare: true });
  const target = '/site.git/info/refs?service=git-upload-pack';
  const first = request(scene.url, 'GET', target);
  await until(async () => await exists(folder.path('running')), 'git runs');
  using waiting = await openConnection(scene.url);
  waiting.write(`GET ${target} HTTP/1.1\r\nHost: x\r\n\r\n`);
  await delay(50);
  waiting.socket.destroy();
  await delay(50);
  await rm(folder.path('running'));
  await writeFile(folder.path('gate'), '');
  await within(first, 'the first is answered');
  assert.equal(await exists(folder.path('running')), false);
});

test('many small clones at once all succeed, by waiting', async () => {
  await using scene = await createGitScene({ limits: { total: 3 } });
  const origin = await initRepository(scene.path('site.git'), { bare: true });
  await writeCommit(origin, { files: { a: '1' } });
  const clones = Array.from({ length: 24 }, async (_, n) => {
    await runClient(scene.fixture.dir, ['clone', '-q', '--bare', `${scene.url}/site.git`, `c${n}`]);
  });
  await Promise.all(clones);
});
