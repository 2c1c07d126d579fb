/** Pushes: who is told of them, who may refuse them, and what the pusher sees. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { AppError } from '../../src/git-http/index.ts';
import { writeScript } from '../support/fake-git.ts';
import { until } from '../support/deadline.ts';
import { exchange } from '../support/raw-http.ts';
import {
  cloneRepository,
  exists,
  git,
  initRepository,
  runGit,
  treeState,
  writeCommit,
} from '../support/git-fixture.ts';
import { runClient, tryClient, type ClientRun } from './client.ts';
import { leftovers } from './leftovers.ts';
import { createGitScene, type GitScene, type SceneOptions } from './scene.ts';

interface PushScene extends GitScene {
  readonly origin: string;
  readonly copy: string;
  push(...args: string[]): Promise<ClientRun>;
  tryPush(...args: string[]): Promise<ClientRun>;
}

/** `site.git` with one commit, and a clone of it. */
async function createPushScene(options: SceneOptions = {}): Promise<PushScene> {
  const scene = await createGitScene(options);
  const origin = await initRepository(scene.path('site.git'), { bare: true });
  await writeCommit(origin, { files: { a: '1' } });
  const copy = await cloneRepository(origin, scene.fixture.path('copy'));
  await git(copy, 'remote', 'set-url', 'origin', `${scene.url}/site.git`);
  return {
    ...scene,
    origin,
    copy,
    push: async (...args) => await runClient(copy, ['push', ...args]),
    tryPush: async (...args) => await tryClient(copy, ['push', ...args]),
  };
}

const refsOf = async (dir: string) => await git(dir, 'for-each-ref', '--format=%(refname)');

test('the owner is told who pushes what, before and after it lands', async () => {
  const seen: unknown[] = [];
  await using scene = await createPushScene({
    authorize: () => ({ kind: 'allow', caller: 'ada' }),
    onPush: async ({ updates, options, isAtomic, caller, repository }, land) => {
      seen.push({ updates, options, isAtomic, caller, path: repository.path });
      const before = await refsOf(scene.origin);
      const landed = await land();
      assert.notEqual(await refsOf(scene.origin), before);
      seen.push(landed);
    },
  });
  const before = await git(scene.copy, 'rev-parse', 'main');
  const after = await writeCommit(scene.copy, { files: { b: '1' } });
  await scene.push('-q', '--atomic', '-o', 'one', '-o', 'two words', 'origin', 'main', 'main:new');
  const updates = [
    { name: 'refs/heads/main', beforeOid: before, afterOid: after },
    { name: 'refs/heads/new', beforeOid: null, afterOid: after },
  ];
  const options = ['one', 'two words'];
  assert.deepEqual(seen, [
    { updates, options, isAtomic: true, caller: 'ada', path: scene.origin },
    updates,
  ]);
  seen.length = 0;
  await scene.push('-q', 'origin', ':new');
  const deleted = [{ name: 'refs/heads/new', beforeOid: after, afterOid: null }];
  assert.deepEqual(seen.at(-1), deleted);
});

test('what git itself refused has not landed', async () => {
  const landed: unknown[] = [];
  await using scene = await createPushScene({
    onPush: async (_push, land) => void landed.push(...(await land())),
  });
  await git(scene.origin, 'config', 'receive.denyDeletes', 'true');
  const commit = await writeCommit(scene.copy, { branch: 'side' });
  const run = await scene.tryPush('origin', 'side', ':main');
  assert.match(run.stderr, /\[remote rejected\] main \(deletion prohibited\)/);
  assert.deepEqual(landed, [{ name: 'refs/heads/side', beforeOid: null, afterOid: commit }]);
});

test('a push that asks for no report is told all the same', async () => {
  const landed: unknown[] = [];
  await using scene = await createPushScene({
    onPush: async (_push, land) => void landed.push(...(await land())),
  });
  const oid = await git(scene.origin, 'rev-parse', 'main');
  await git(scene.origin, 'update-ref', 'refs/heads/old', oid);
  const lines = [
    `${oid} ${'0'.repeat(40)} refs/heads/old\0`,
    `${'1'.repeat(40)} ${'0'.repeat(40)} refs/heads/main`,
  ];
  const body = lines.map((line) => (line.length + 4).toString(16).padStart(4, '0') + line).join('');
  const response = await exchange(scene.url, post('/site.git/git-receive-pack', `${body}0000`));
  assert.equal(response.status, 200);
  assert.deepEqual(landed, [{ name: 'refs/heads/old', beforeOid: oid, afterOid: null }]);
  assert.equal(await refsOf(scene.origin), 'refs/heads/main');
});

test('the owner refuses a push before it lands, and the pusher sees why', async () => {
  await using scene = await createPushScene({
    onPush: () => Promise.reject(new AppError('FORBIDDEN', 'main is frozen until Monday')),
  });
  await writeCommit(scene.copy, { files: { b: '1' } });
  const before = await git(scene.origin, 'for-each-ref');
  const run = await scene.tryPush('origin', 'main', 'main:new');
  assert.equal(run.code, 1);
  assert.match(run.stderr, /\[remote rejected\] main -> main \(main is frozen until Monday\)/);
  assert.match(run.stderr, /\[remote rejected\] main -> new \(main is frozen until Monday\)/);
  assert.doesNotMatch(run.stderr, /^remote:/m);
  assert.equal(await git(scene.origin, 'for-each-ref'), before);
  assert.deepEqual(await git(scene.origin, 'count-objects'), '3 objects, 12 kilobytes');
});

test('a reason of several lines is shown once, above the refs', async () => {
  await using scene = await createPushScene({
    onPush: () => Promise.reject(new AppError('CONFLICT', 'the tree is dirty\n  a\n  b')),
  });
  await writeCommit(scene.copy);
  const run = await scene.tryPush('origin', 'main');
  assert.match(run.stderr, /^remote: the tree is dirty\nremote: {3}a\nremote: {3}b$/m);
  assert.match(run.stderr, /\[remote rejected\] main -> main \(the tree is dirty\)/);
});

test('a large push is refused in words too, not with a broken pipe', async () => {
  await using scene = await createPushScene({
    onPush: () => Promise.reject(new AppError('FORBIDDEN', 'not today')),
  });
  await writeCommit(scene.copy, { files: { big: randomBytes(20_000_000) } });
  for (const postBuffer of ['65536', '100000000']) {
    const run = await tryClient(scene.copy, ['-c', `http.postBuffer=${postBuffer}`, 'push']);
    assert.match(run.stderr, /\[remote rejected\] main -> main \(not today\)/);
    assert.doesNotMatch(run.stderr, /curl|RPC|hung up|pipe/i);
  }
});

test("a mistake in the owner's code refuses the push, and stays his", async () => {
  const bug = new TypeError('secret');
  await using scene = await createPushScene({ onPush: () => Promise.reject(bug) });
  await writeCommit(scene.copy);
  const run = await scene.tryPush('origin', 'main');
  assert.match(run.stderr, /\[remote rejected\] main -> main \(internal error/);
  assert.doesNotMatch(run.stderr, /secret/);
  assert.deepEqual(scene.errors.splice(0), [bug]);
});

test('a mistake after landing is told to the owner, and not to the pusher', async () => {
  const bug = new TypeError('secret');
  await using scene = await createPushScene({
    onPush: async (_push, land) => {
      await land();
      throw bug;
    },
  });
  const commit = await writeCommit(scene.copy);
  await scene.push('-q', 'origin', 'main');
  assert.equal(await git(scene.origin, 'rev-parse', 'main'), commit);
  assert.deepEqual(scene.errors.splice(0), [bug]);
});

test('a push that the owner never lets land is refused', async () => {
  await using scene = await createPushScene({ onPush: async () => await Promise.resolve() });
  await writeCommit(scene.copy);
  const run = await scene.tryPush('origin', 'main');
  assert.match(run.stderr, /\[remote rejected\] main -> main \(not accepted\)/);
});

test('the answer ends when the owner has done with the push', async () => {
  let isDone = false;
  await using scene = await createPushScene({
    onPush: async (_push, land) => {
      await land();
      await new Promise((resolve) => setTimeout(resolve, 200));
      isDone = true;
    },
  });
  await writeCommit(scene.copy);
  await scene.push('-q', 'origin', 'main');
  assert.equal(isDone, true);
});

test('the owner may end a push', async () => {
  await using scene = await createPushScene({
    hooks: true,
    graceMs: 0,
    onPush: async (_push, land) => {
      const abort = new AbortController();
      await land({
        signal: abort.signal,
        onOutput: () => {
          abort.abort();
        },
      }).catch(() => undefined);
    },
  });
  await writeScript(join(scene.origin, 'hooks/pre-receive'), 'echo waiting', 'sleep 1000');
  await writeCommit(scene.copy);
  const before = await git(scene.origin, 'rev-parse', 'main');
  const run = await scene.tryPush('origin', 'main');
  assert.notEqual(run.code, 0);
  assert.match(run.stderr, /remote: waiting/);
  assert.equal(await git(scene.origin, 'rev-parse', 'main'), before);
  scene.errors.length = 0;
});

test('hooks do not run unless the owner allows it', async () => {
  await using scene = await createPushScene();
  const marker = scene.fixture.path('ran');
  for (const name of ['pre-receive', 'update', 'post-receive', 'post-update', 'proc-receive']) {
    await writeScript(join(scene.origin, 'hooks', name), `touch '${marker}'`, 'exit 1');
  }
  await git(scene.origin, 'config', 'receive.procReceiveRefs', 'refs/for');
  const commit = await writeCommit(scene.copy);
  await scene.push('-q', 'origin', 'main');
  assert.equal(await git(scene.origin, 'rev-parse', 'main'), commit);
  assert.equal(await exists(marker), false);
});

test('hooks see the push options, the caller, the quarantine, and are heard', async () => {
  let output = '';
  await using scene = await createPushScene({
    hooks: true,
    authorize: () => ({ kind: 'allow', caller: 'ada <x>\n' }),
    onPush: async (_push, land) => {
      await land({ onOutput: (bytes) => (output += bytes.toString()) });
    },
  });
  const dump = scene.fixture.path('dump');
  await writeScript(
    join(scene.origin, 'hooks/pre-receive'),
    `echo "$GIT_PUSH_OPTION_COUNT $GIT_PUSH_OPTION_0 $REMOTE_USER $REMOTE_ADDR" > '${dump}'`,
    `echo "$GIT_COMMITTER_NAME $GIT_COMMITTER_EMAIL" >> '${dump}'`,
    `test -d "$GIT_QUARANTINE_PATH" && cat >> '${dump}'`,
  );
  await writeScript(join(scene.origin, 'hooks/post-receive'), 'echo deployed');
  const before = await git(scene.copy, 'rev-parse', 'main');
  const after = await writeCommit(scene.copy);
  const run = await scene.push('-o', 'fast', 'origin', 'main');
  assert.match(run.stderr, /^remote: deployed$/m);
  assert.match(output, /deployed\n/);
  assert.deepEqual((await readFile(dump, 'utf8')).split('\n'), [
    '1 fast ada x 127.0.0.1',
    'ada x ada x@http.127.0.0.1',
    `${before} ${after} refs/heads/main`,
    '',
  ]);
});

test('a hook refuses, and the pusher sees what it says', async () => {
  const landed: unknown[] = [];
  await using scene = await createPushScene({
    hooks: true,
    onPush: async (_push, land) => void landed.push(...(await land())),
  });
  await writeScript(join(scene.origin, 'hooks/pre-receive'), 'echo no spaces please >&2', 'exit 1');
  await writeCommit(scene.copy);
  const run = await scene.tryPush('origin', 'main');
  assert.match(run.stderr, /^remote: no spaces please$/m);
  assert.match(run.stderr, /\[remote rejected\] main -> main \(pre-receive hook declined\)/);
  assert.deepEqual(landed, []);
});

test('a service that a hook leaves behind does not keep the pusher', async () => {
  await using scene = await createPushScene({ hooks: true });
  const pid = scene.fixture.path('pid');
  await writeScript(
    join(scene.origin, 'hooks/post-receive'),
    `cd /; sleep 1000 >/dev/null 2>&1 </dev/null & echo $! > '${pid}'`,
  );
  await writeCommit(scene.copy);
  await scene.push('-q', 'origin', 'main');
  process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL');
});

test('git ends a push early: its words arrive, and the connection goes on', async () => {
  await using scene = await createPushScene();
  await git(scene.origin, 'config', 'receive.maxInputSize', '1000000');
  await writeCommit(scene.copy, { files: { big: randomBytes(20_000_000) } });
  const run = await scene.tryPush('origin', 'main');
  assert.match(run.stderr, /remote: fatal: pack exceeds maximum allowed size/);
  assert.match(run.stderr, /\[remote rejected\] main -> main \(unpacker error\)/);
  assert.doesNotMatch(run.stderr, /curl|RPC|hung up/);
  await until(async () => (await leftovers(scene.origin)).length === 0, 'the quarantine is gone');
});

test('a push to the branch of a working tree obeys receive.denyCurrentBranch', async () => {
  await using scene = await createGitScene();
  const tree = await initRepository(scene.path('site'));
  await writeCommit(tree, { files: { a: '1' } });
  await git(tree, 'reset', '-q', '--hard');
  const copy = await cloneRepository(tree, scene.fixture.path('copy'));
  await git(copy, 'remote', 'set-url', 'origin', `${scene.url}/site`);
  await writeCommit(copy, { files: { a: '2' } });

  const before = await treeState(tree);
  const refused = await tryClient(copy, ['push', 'origin', 'main']);
  assert.match(refused.stderr, /\(branch is currently checked out\)/);
  assert.deepEqual(await treeState(tree), before);

  await git(tree, 'config', 'receive.denyCurrentBranch', 'updateInstead');
  await runClient(copy, ['push', '-q', 'origin', 'main']);
  assert.equal(await readFile(join(tree, 'a'), 'utf8'), '2');
  assert.equal(await git(tree, 'status', '--porcelain'), '');

  // And in a linked working tree, where $GIT_DIR is not the repository.
  await git(tree, 'worktree', 'add', '-q', '-b', 'side', scene.path('linked'));
  await writeCommit(copy, { branch: 'side', parents: ['main'], files: { b: '1' } });
  await runClient(copy, ['push', '-q', `${scene.url}/linked`, 'side']);
  assert.equal(await readFile(scene.path('linked/b'), 'utf8'), '1');
});

test('hidden refs are neither shown nor pushed to', async () => {
  await using scene = await createPushScene();
  await git(scene.origin, 'update-ref', 'refs/gitagent/saved/1', 'main');
  for (const version of [0, 2]) {
    const settings = ['-c', `protocol.version=${version}`];
    const run = await runClient(scene.copy, [...settings, 'ls-remote', 'origin']);
    assert.doesNotMatch(run.stdout, /gitagent/);
  }
  const run = await scene.tryPush('origin', 'main:refs/gitagent/saved/1');
  assert.match(run.stderr, /deny updating a hidden ref/);
});

test('10,000 refs are pushed at once', async () => {
  let count = 0;
  await using scene = await createPushScene({
    onPush: async (_push, land) => void (count = (await land()).length),
  });
  // A file for each, which git would wait for to be on the disk.
  await git(scene.origin, 'config', 'core.fsync', 'none');
  const oid = await git(scene.origin, 'rev-parse', 'main');
  const lines = Array.from({ length: 10_000 }, (_, n) => {
    const capabilities = n === 0 ? '\0report-status side-band-64k' : '';
    return `${'0'.repeat(40)} ${oid} refs/tags/t${n}${capabilities}`;
  });
  const body = lines.map((line) => (line.length + 4).toString(16).padStart(4, '0') + line).join('');
  const pack = await runGit(scene.origin, ['pack-objects', '--stdout', '-q'], { input: '' });
  const bytes = Buffer.concat([Buffer.from(`${body}0000`), pack]);
  const response = await exchange(scene.url, post('/site.git/git-receive-pack', bytes));
  assert.equal(response.text.match(/ok refs/g)?.length, 10_000);
  assert.equal(count, 10_000);
});

test('more commands than are held in memory are refused', async () => {
  await using scene = await createPushScene({ maxCommandBytes: 1000 });
  const line = `${'0'.repeat(40)} ${'1'.repeat(40)} refs/heads/x${'y'.repeat(2000)}`;
  const body = `${(line.length + 4).toString(16).padStart(4, '0')}${line}`;
  const response = await exchange(scene.url, post('/site.git/git-receive-pack', body.repeat(20)));
  assert.equal(response.status, 413);
});

test('what is inflated is bounded, for fetches and pushes', async () => {
  await using scene = await createPushScene({
    maxRequestBytes: 100_000,
    maxCommandBytes: Infinity,
  });
  const oid = await git(scene.origin, 'rev-parse', 'main');
  const want = Buffer.from(`0032want ${oid}\n`);
  const command = Buffer.from(`0062${oid} ${oid} refs/heads/x`);
  for (const [service, line] of [
    ['upload-pack', want],
    ['receive-pack', command],
  ] as const) {
    const headers = {
      'Content-Encoding': 'gzip',
      'Content-Type': `application/x-git-${service}-request`,
    };
    const bomb = gzipSync(Buffer.alloc(50_000_000, line));
    const response = await exchange(scene.url, post(`/site.git/git-${service}`, bomb, headers));
    assert.equal(response.status, 413);
  }
});

function post(
  target: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): Buffer {
  const bytes = Buffer.from(body);
  const lines = Object.entries({
    Host: '127.0.0.1',
    'Content-Type': 'application/x-git-receive-pack-request',
    'Content-Length': String(bytes.length),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  return Buffer.concat([
    Buffer.from(`POST ${target} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`),
    bytes,
  ]);
}
