/** Clients that go away, stall or are slow: nothing of their requests goes on, and nothing stays behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { until, within } from '../support/deadline.ts';
import { createLifeline, putGitFirst, writeScript } from '../support/fake-git.ts';
import { openConnection, type RawConnection } from '../support/raw-http.ts';
import {
  exists,
  git,
  GIT_ENVIRONMENT,
  initRepository,
  runGit,
  writeCommit,
} from '../support/git-fixture.ts';
import { leftovers } from './leftovers.ts';
import { childrenIn, createGitScene, type GitScene, type SceneOptions } from './scene.ts';

const ZERO = '0'.repeat(40);
const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;

interface LeavingScene extends GitScene {
  readonly origin: string;
  readonly oid: string;
  /** A connection on which a fetch of everything has been asked for. */
  fetch(): Promise<RawConnection>;
  /** The bytes of a push of a new branch, and of its HTTP head. */
  readonly push: { readonly head: Buffer; readonly body: Buffer };
  /** Waits until nothing works in the repository and nothing was left there. */
  settled(): Promise<void>;
}

/** Some megabytes that do not compress. */
async function createLeavingScene(options: SceneOptions = {}): Promise<LeavingScene> {
  const scene = await createGitScene(options);
  const origin = await initRepository(scene.path('site.git'), { bare: true });
  const oid = await writeCommit(origin, { files: { big: randomBytes(4_000_000) } });
  const source = await initRepository(scene.fixture.path('source.git'), { bare: true });
  const pushed = await writeCommit(source, { files: { other: randomBytes(1_500_000) } });
  const pack = await runGit(source, ['pack-objects', '--revs', '--stdout', '-q'], {
    input: `${pushed}\n`,
  });
  const command = pkt(`${ZERO} ${pushed} refs/heads/new\0 report-status side-band-64k`);
  const body = Buffer.concat([Buffer.from(`${command}0000`), pack]);
  const head = Buffer.from(
    [
      'POST /site.git/git-receive-pack HTTP/1.1',
      'Host: 127.0.0.1',
      'Content-Type: application/x-git-receive-pack-request',
      `Content-Length: ${body.length}`,
      '\r\n',
    ].join('\r\n'),
  );
  return {
    ...scene,
    origin,
    oid,
    push: { head, body },
    fetch: async () => {
      const connection = await openConnection(scene.url);
      const wants = `${pkt(`want ${oid} side-band-64k no-progress\n`)}0000${pkt('done\n')}`;
      connection.write(
        [
          'POST /site.git/git-upload-pack HTTP/1.1',
          'Host: 127.0.0.1',
          'Content-Type: application/x-git-upload-pack-request',
          `Content-Length: ${wants.length}`,
          '',
          wants,
        ].join('\r\n'),
      );
      return connection;
    },
    settled: async () => {
      await until(
        async () => (await childrenIn(scene.fixture.dir)).length === 0,
        'no child is left',
      );
      await until(async () => (await leftovers(origin)).length === 0, 'nothing is left');
      await git(origin, 'fsck', '--strict');
    },
  };
}

test('a clone that is broken off at any byte ends its git', async () => {
  await using scene = await createLeavingScene();
  for (const size of [1, 100, 5_000, 70_000, 1_000_000, 3_900_000]) {
    using connection = await scene.fetch();
    await connection.peek((received) => received.length >= size);
    connection.socket.destroy();
    await scene.settled();
  }
});

test('a push that is broken off at any byte ends its git and leaves nothing behind', async () => {
  await using scene = await createLeavingScene();
  const { head, body } = scene.push;
  const before = await git(scene.origin, 'for-each-ref');
  const sizes = [0, 1, 60, 130, 150, 1_000, 65_536, 1_000_000, body.length - 20, body.length - 1];
  for (const size of sizes) {
    using connection = await openConnection(scene.url);
    connection.write(head);
    connection.write(body.subarray(0, size));
    // Once it has all been read git is in the middle of something.
    if (size > 130)
      await until(async () => (await childrenIn(scene.fixture.dir)).length > 0, 'git runs');
    await delay(Math.random() * 50);
    if (size % 2 === 0) connection.socket.resetAndDestroy();
    else connection.socket.destroy();
    await scene.settled();
    assert.equal(await git(scene.origin, 'for-each-ref'), before);
  }
});

test('a real client that is killed leaves nothing behind', async () => {
  await using scene = await createLeavingScene();
  await runGit(scene.origin, ['config', 'receive.unpackLimit', '1']);
  for (const args of [
    ['clone', '-q', '--bare', `${scene.url}/site.git`, scene.fixture.path('clone')],
    ['-C', scene.fixture.path('source.git'), 'push', '-q', `${scene.url}/site.git`, 'main:new'],
  ]) {
    for (let n = 0; n < 4; n++) {
      const child = spawn('git', args, {
        cwd: '/',
        env: GIT_ENVIRONMENT,
        stdio: 'ignore',
        detached: true,
      });
      const exited = new Promise((resolve) => child.once('exit', resolve));
      await delay(20 + Math.random() * 100);
      try {
        process.kill(-(child.pid ?? 0), 'SIGKILL');
      } catch {
        // It was faster.
      }
      await exited;
      await scene.settled();
      await runGit(scene.origin, ['update-ref', '-d', 'refs/heads/new']);
    }
  }
});

test('who leaves while git thinks ends all that git has started', async () => {
  await using base = await createGitScene();
  const lifeline = await createLifeline(base.fixture.path('pipe'));
  const PATH = await putGitFirst(
    base.fixture.path('bin'),
    'case "$1" in upload-pack) ;; *) exec "$REAL_GIT" "$@" ;; esac',
    lifeline.hold,
    "trap '' TERM",
    'cat > /dev/null',
    'sleep 1000 &',
    'wait',
  );
  await using scene = await createLeavingScene({ host: { PATH } });
  using connection = await scene.fetch();
  await within(lifeline.held, 'git runs');
  connection.socket.destroy();
  await within(lifeline.released, 'all are gone');
});

test('who leaves when all has been sent: the push ends soon, one way or the other', async () => {
  await using scene = await createLeavingScene({ hooks: true, graceMs: 200 });
  const running = scene.fixture.path('running');
  await writeScript(join(scene.origin, 'hooks/pre-receive'), `touch '${running}'`, 'sleep 1000');
  using connection = await openConnection(scene.url);
  connection.write(scene.push.head);
  connection.write(scene.push.body);
  await until(async () => await exists(running), 'the hook runs');
  const left = performance.now();
  connection.socket.destroy();
  await scene.settled();
  assert.ok(performance.now() - left >= 200, 'it was given its time');
  assert.equal(await git(scene.origin, 'for-each-ref', 'refs/heads/new'), '');
});

test('a push that finishes in its time of grace has landed, and its owner knows', async () => {
  const landed: string[] = [];
  await using scene = await createLeavingScene({
    hooks: true,
    graceMs: 10_000,
    onPush: async (_push, land) => void landed.push(...(await land()).map(({ name }) => name)),
  });
  const running = scene.fixture.path('running');
  const gate = scene.fixture.path('gate');
  await writeScript(
    join(scene.origin, 'hooks/pre-receive'),
    `touch '${running}'`,
    `while [ ! -e '${gate}' ]; do sleep 0.01; done`,
  );
  using connection = await openConnection(scene.url);
  connection.write(scene.push.head);
  connection.write(scene.push.body);
  await until(async () => await exists(running), 'the hook runs');
  connection.socket.destroy();
  await delay(50);
  await writeScript(gate);
  await scene.settled();
  assert.deepEqual(landed, ['refs/heads/new']);
  assert.notEqual(await git(scene.origin, 'for-each-ref', 'refs/heads/new'), '');
});

test('the quarantine of a push that had to be killed is swept away', async (t) => {
  if (process.platform !== 'linux') t.skip('needs /proc');
  await using scene = await createLeavingScene({ hooks: true, graceMs: 0 });
  const running = scene.fixture.path('running');
  // receive-pack is stopped: it cannot put anything away when it is told to end.
  await writeScript(
    join(scene.origin, 'hooks/pre-receive'),
    "trap '' TERM",
    'kill -STOP $PPID',
    `touch '${running}'`,
    'sleep 1000',
  );
  using connection = await openConnection(scene.url);
  connection.write(scene.push.head);
  connection.write(scene.push.body);
  await until(async () => await exists(running), 'the hook runs');
  assert.equal((await leftovers(scene.origin)).length, 1);
  connection.socket.destroy();
  await scene.settled();
});

test('a client that takes nothing is cut off', async () => {
  await using scene = await createLeavingScene({ stallMs: 400 });
  using connection = await scene.fetch();
  await connection.peek((received) => received.length > 0);
  connection.socket.pause();
  await until(async () => (await childrenIn(scene.fixture.dir)).length === 0, 'git has ended');
  connection.socket.resume();
  await within(new Promise((resolve) => connection.socket.once('close', resolve)), 'it is closed');
});

test('a client that sends nothing more is cut off, in the commands and in the pack', async () => {
  await using scene = await createLeavingScene({ stallMs: 400 });
  for (const size of [30, 1_000_000]) {
    using connection = await openConnection(scene.url);
    const closed = new Promise((resolve) => connection.socket.once('close', resolve));
    connection.write(scene.push.head);
    connection.write(scene.push.body.subarray(0, size));
    await within(closed, 'it is closed');
    await scene.settled();
  }
});

test('a slow client is no stalled one', async () => {
  await using scene = await createLeavingScene({ stallMs: 1500 });
  using connection = await openConnection(scene.url);
  connection.write(scene.push.head);
  const { body } = scene.push;
  const step = Math.ceil(body.length / 12);
  for (let at = 0; at < body.length; at += step) {
    connection.write(body.subarray(at, at + step));
    await delay(200);
  }
  const response = await connection.read();
  assert.match(response.text, /ok refs\/heads\/new/);
});

test('while git thinks it is not the client who stalls', async () => {
  await using scene = await createLeavingScene({ hooks: true, stallMs: 200 });
  await writeScript(join(scene.origin, 'hooks/pre-receive'), 'sleep 1');
  using connection = await openConnection(scene.url);
  connection.write(scene.push.head);
  connection.write(scene.push.body);
  assert.match((await connection.read()).text, /ok refs\/heads\/new/);
});

test('closing the handler breaks off what is under way', async () => {
  await using scene = await createLeavingScene({ hooks: true, graceMs: 100 });
  const running = scene.fixture.path('running');
  await writeScript(join(scene.origin, 'hooks/pre-receive'), `touch '${running}'`, 'sleep 1000');
  using pushing = await openConnection(scene.url);
  pushing.write(scene.push.head);
  pushing.write(scene.push.body);
  using fetching = await scene.fetch();
  await fetching.peek((received) => received.length > 0);
  fetching.socket.pause();
  await until(async () => await exists(running), 'the hook runs');
  await scene.handler.close();
  assert.deepEqual(await childrenIn(scene.fixture.dir), []);
  assert.deepEqual(await leftovers(scene.origin), []);
});

test('a connection goes on after a request that was refused, or that git did not read to its end', async () => {
  await using scene = await createLeavingScene();
  using connection = await openConnection(scene.url);
  const { head, body } = scene.push;
  connection.write(head.toString().replace('receive-pack-request', 'nonsense'));
  connection.write(body);
  assert.equal((await connection.read()).status, 415);
  await git(scene.origin, 'config', 'receive.maxInputSize', '1000');
  connection.write(head);
  connection.write(body);
  assert.match((await connection.read()).text, /ng refs\/heads\/new/);
  await git(scene.origin, 'config', '--unset', 'receive.maxInputSize');
  connection.write(head);
  connection.write(body);
  assert.match((await connection.read()).text, /ok refs\/heads\/new/);
});
