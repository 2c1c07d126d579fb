import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { chmod, rename, rm, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { AppError } from '../../src/error.ts';
import { readCommit } from '../../src/git/commit-reader.ts';
import { gitPath } from '../../src/git/git-path.ts';
import {
  createObjectReader,
  type ObjectInfo,
  type ObjectReader,
} from '../../src/git/object-reader.ts';
import { oid as toOid, type Oid } from '../../src/git/oid.ts';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { parseRevisionExpression, peeled } from '../../src/git/revision-expression.ts';
import { findEntry } from '../../src/git/tree-path.ts';
import { until, within } from '../support/deadline.ts';
import { untilDone } from '../support/git-door.ts';
import {
  cloneRepository,
  git,
  initRepository,
  runGit,
  writeCommit,
} from '../support/git-fixture.ts';
import {
  createObjectScene,
  createRandom,
  listObjects,
  writeObject,
  writeRandomHistory,
} from './object-scene.ts';

const code = (expected: string) => (error: unknown) => {
  assert.ok(error instanceof AppError, String(error));
  assert.equal(error.code, expected, error.message);
  return true;
};

/** Commits that each change a file a little, in one pack. */
async function writeLongHistory(dir: string, count: number): Promise<void> {
  const stream: string[] = [];
  for (let n = 1; n <= count; n++) {
    const text = `${'line\n'.repeat(50)}commit ${n}\n`;
    stream.push(
      `commit refs/heads/main\ncommitter Ada <ada@example.com> ${1_700_000_000 + n} +0000`,
      `data ${`commit ${n}`.length}\ncommit ${n}`,
      `M 100644 inline dir/f${n % 20}\ndata ${text.length}\n${text}`,
    );
  }
  await runGit(dir, ['fast-import', '--quiet'], { input: `${stream.join('\n')}\n` });
}

/** Kills each child once, as soon as it is there. Resolves with how many. */
async function killEach(objects: ObjectReader, mayGoOn: (count: number) => boolean) {
  const killed = new Set<number>();
  for (; mayGoOn(killed.size); await nextTurn()) {
    for (const pid of objects.pids()) {
      if (killed.has(pid)) continue;
      killed.add(pid);
      process.kill(pid, 'SIGKILL');
    }
  }
  return killed.size;
}

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`a random sample of ${objectFormat} objects is read as git prints them`, async (t) => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed);
    await using scene = await createObjectScene({
      objectFormat,
      cacheBytes: 20_000,
      fill: async (dir) => {
        await writeRandomHistory(dir, random, 40);
        await writeObject(dir, 'blob', randomBytes(300_000));
        await writeObject(dir, 'blob', '');
      },
    });
    const all = await listObjects(scene.dir);
    const sample = Array.from({ length: 120 }, () => all[Math.floor(random() * all.length)]).filter(
      (each) => each !== undefined,
    );
    const ids = sample.map(({ oid }) => oid);
    const printed = await runGit(scene.dir, ['cat-file', '--batch'], { input: ids.join('\n') });
    const read = async (oid: Oid) => await scene.objects.read(scene.repository, oid, untilDone);
    const parts: Buffer[] = [];
    for (let at = 0; at < ids.length;) {
      const wave = ids.slice(at, at + 1 + Math.floor(random() * 30));
      at += wave.length;
      for (const { oid, type, size, body } of await Promise.all(wave.map(read))) {
        parts.push(Buffer.from(`${oid} ${type} ${size}\n`), body, Buffer.from('\n'));
      }
    }
    assert.ok(Buffer.concat(parts).equals(printed), `seed ${seed}`);
    for (const { oid, type, size } of sample.slice(0, 20)) {
      const info = await scene.objects.info(scene.repository, oid, untilDone);
      assert.deepEqual(info, { oid, type, size });
    }
  });
}

test('killing the child in the middle of a thousand reads loses no answer', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => {
      await writeLongHistory(dir, 1000);
    },
  });
  const { objects, repository } = scene;
  const commits = (await git(scene.dir, 'rev-list', 'main')).split('\n').map(toOid);
  await objects.resolve(repository, parseRevisionExpression('main').revision, untilDone);
  let answered = 0;
  const reads = Promise.all(
    commits.map(async (id) => {
      const commit = await readCommit(objects, repository, id, untilDone);
      answered++;
      return commit.oid;
    }),
  );
  // While they are in flight, and again as soon as the next child is there, answers or not.
  const kills = killEach(objects, (count) => answered < commits.length && count < 8);
  assert.deepEqual(await within(reads, 'all have been read'), commits);
  assert.ok((await kills) > 0);
});

test('an object whose every reader is killed is refused, not read for ever', async () => {
  await using scene = await createObjectScene({
    readerDoes: 'kill -9 $$',
    fill: async (dir) => await writeCommit(dir, { files: { a: 'one\n' } }),
  });
  const { revision } = parseRevisionExpression('main');
  const read = scene.objects.resolve(scene.repository, revision, untilDone);
  await assert.rejects(within(read, 'it is given up'), /is killed each time/);
});

test('a child that has ended while nobody asked is replaced, and an idle one ends', async () => {
  await using scene = await createObjectScene({
    idleMs: 50,
    fill: async (dir) => await writeCommit(dir, { files: { a: 'one\n' } }),
  });
  const { objects, repository } = scene;
  const { revision } = parseRevisionExpression('main');
  const resolve = async () => await objects.resolve(repository, revision, untilDone);
  const first = await resolve();
  const [pid] = objects.pids();
  if (pid !== undefined) process.kill(pid, 'SIGKILL');
  assert.deepEqual(await resolve(), first);
  await until(() => objects.pids().length === 0, 'the idle child has ended');
  assert.deepEqual(await resolve(), first);
});

test('more repositories than children are all read, with no more children than allowed', async () => {
  await using scene = await createObjectScene({ maxChildren: 2 });
  const { objects } = scene;
  const repositories: Repository[] = [];
  for (let n = 0; n < 5; n++) {
    const dir = await initRepository(scene.fixture.path(`r${n}`), { bare: true });
    await writeCommit(dir, { files: { a: `${n}\n` } });
    repositories.push(await openRepository(dir));
  }
  const { revision } = parseRevisionExpression('main');
  let most = 0;
  for (let round = 0; round < 3; round++) {
    const found: (ObjectInfo | null)[] = await within(
      Promise.all(
        repositories.map(async (each) => await objects.resolve(each, revision, untilDone)),
      ),
      'all are read',
    );
    most = Math.max(most, objects.pids().length);
    assert.equal(new Set(found.map((each) => each?.oid)).size, 5);
  }
  assert.ok(most <= 2);
});

test('git gc and repack under load give right answers', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => {
      await writeLongHistory(dir, 400);
    },
  });
  const { objects, repository } = scene;
  const commits = (await git(scene.dir, 'rev-list', 'main')).split('\n').map(toOid);
  let isDone = false;
  const load = (async () => {
    let rounds = 0;
    for (; !isDone || rounds < 3; rounds++) {
      const read = await Promise.all(
        commits.map(async (id) => await readCommit(objects, repository, id, untilDone)),
      );
      assert.deepEqual(
        read.map((each) => each.oid),
        commits,
      );
      const tip = await objects.resolve(
        repository,
        parseRevisionExpression('main').revision,
        untilDone,
      );
      assert.ok(tip !== null);
    }
    return rounds;
  })();
  for (const args of [
    ['repack', '-adq'],
    ['gc', '--quiet', '--prune=now'],
    ['repack', '-adfq', '--depth=3'],
  ]) {
    await git(scene.dir, ...args);
    await writeCommit(scene.dir, { files: { new: args.join(' ') } });
  }
  isDone = true;
  assert.ok((await load) >= 3);
  const tip = toOid(await git(scene.dir, 'rev-parse', 'main'));
  assert.equal((await readCommit(objects, repository, tip, untilDone)).oid, tip);
});

test('a repository that is deleted and made again under load gives the new one or a clear error', async () => {
  await using scene = await createObjectScene({ cacheBytes: 1_000_000 });
  const { objects, repository, fixture } = scene;
  const tips: Oid[] = [];
  for (const name of ['one', 'two']) {
    const dir = await initRepository(fixture.path(name), { bare: true });
    await writeLongHistory(dir, 50);
    tips.push(await writeCommit(dir, { files: { name }, message: `${name}\n` }));
  }
  const [one, two] = tips;
  assert.ok(one !== undefined && two !== undefined);
  const { revision } = parseRevisionExpression('main');
  const place = async (name: string) => {
    await rm(scene.dir, { recursive: true });
    await cloneRepository(fixture.path(name), scene.dir, '--bare', '--no-local');
  };
  await place('one');

  let isDone = false;
  const outcomes = { found: 0, refused: 0 };
  const load = (async () => {
    while (!isDone) {
      for (const outcome of await Promise.allSettled([
        objects.resolve(repository, revision, untilDone),
        objects.read(repository, one, untilDone),
        objects.read(repository, two, untilDone),
      ])) {
        if (outcome.status === 'fulfilled') {
          if (outcome.value !== null) assert.ok(tips.includes(outcome.value.oid));
          outcomes.found++;
        } else {
          const { reason } = outcome as { reason: unknown };
          assert.ok(reason instanceof AppError, String(reason));
          assert.match(reason.code, /^(?:NOT_FOUND|COMMAND_FAILED|CONFLICT)$/);
          outcomes.refused++;
        }
      }
      await nextTurn();
    }
  })();
  for (const name of ['two', 'one', 'two']) await place(name);
  isDone = true;
  await load;
  assert.ok(outcomes.found > 0);

  // What was remembered of the old one is not served as the new one's.
  assert.equal((await objects.resolve(repository, revision, untilDone))?.oid, two);
  assert.equal((await objects.read(repository, two, untilDone)).oid, two);
  await assert.rejects(objects.read(repository, one, untilDone), code('NOT_FOUND'));
  const away = fixture.path('away');
  await rename(scene.dir, away);
  await assert.rejects(objects.read(repository, two, untilDone), code('NOT_FOUND'));
  await rename(away, scene.dir);
  assert.equal((await objects.read(repository, two, untilDone)).oid, two);
});

test('objects that are not there are NOT_FOUND, also in a partial clone, and no server is asked', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => {
      await writeCommit(dir, { files: { a: 'a file of the server\n' } });
      await git(dir, 'config', 'uploadpack.allowFilter', 'true');
    },
  });
  const blob = toOid(await git(scene.dir, 'rev-parse', 'main:a'));
  const partial = await cloneRepository(
    `file://${scene.dir}`,
    scene.fixture.path('partial'),
    '--bare',
    '--filter=blob:none',
  );
  const repository = await openRepository(partial);
  for (const id of [blob, toOid('1'.repeat(40)), toOid('1'.repeat(64))]) {
    await assert.rejects(scene.objects.read(repository, id, untilDone), code('NOT_FOUND'));
    await assert.rejects(scene.objects.info(repository, id, untilDone), code('NOT_FOUND'));
  }
  assert.equal((await scene.objects.read(scene.repository, blob, untilDone)).type, 'blob');
});

test('an id of 40 digits is not found in a SHA-256 repository, though it begins one', async () => {
  await using scene = await createObjectScene({
    objectFormat: 'sha256',
    fill: async (dir) => await writeCommit(dir, { files: { a: 'one\n' } }),
  });
  const main = await git(scene.dir, 'rev-parse', 'main');
  const short = toOid(main.slice(0, 40));
  await assert.rejects(scene.objects.info(scene.repository, short, untilDone), code('NOT_FOUND'));
});

test('of a large object only the beginning is read, and of too large a tree nothing', async () => {
  const bytes = randomBytes(3_000_000);
  await using scene = await createObjectScene();
  const { objects, repository } = scene;
  const blob = await writeObject(scene.dir, 'blob', bytes);
  const start = await objects.readStart(repository, blob, 1000, untilDone);
  assert.deepEqual(
    [start.size, start.isTruncated, start.body.equals(bytes.subarray(0, 1000))],
    [3_000_000, true, true],
  );
  const whole = await objects.readStart(repository, blob, 3_000_000, untilDone);
  assert.ok(!whole.isTruncated && whole.body.equals(bytes));

  const huge = await writeObject(scene.dir, 'blob', Buffer.alloc(17 * 1024 * 1024));
  const small = await writeObject(scene.dir, 'blob', 'small');
  const [refused, read] = await Promise.allSettled([
    objects.read(repository, huge, untilDone),
    objects.read(repository, small, untilDone),
  ]);
  assert.ok(refused.status === 'rejected' && code('LIMIT_EXCEEDED')(refused.reason));
  assert.ok(read.status === 'fulfilled' && read.value.body.toString() === 'small');
});

test('a damaged object is an error of its own, and its neighbours are read', async () => {
  await using scene = await createObjectScene({ fill: async (dir) => await writeCommit(dir) });
  const { objects, repository } = scene;
  const bad = await writeObject(scene.dir, 'blob', randomBytes(2000));
  const good = await writeObject(scene.dir, 'blob', 'good');
  const path = `${scene.dir}/objects/${bad.slice(0, 2)}/${bad.slice(2)}`;
  await chmod(path, 0o644);
  await writeFile(path, 'this is no zlib stream');
  const [refused, read] = await within(
    Promise.allSettled([
      objects.read(repository, bad, untilDone),
      objects.read(repository, good, untilDone),
    ]),
    'both are answered',
  );
  assert.ok(refused.status === 'rejected' && refused.reason instanceof AppError);
  assert.match(refused.reason.code, /^(?:COMMAND_FAILED|NOT_FOUND)$/);
  assert.ok(read.status === 'fulfilled' && read.value.body.toString() === 'good');
});

test('revisions are resolved as git resolves them, and replacements are not followed', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => {
      for (const n of [1, 2, 3]) await writeCommit(dir, { files: { 'd/a b': `${n}\n` } });
      await git(dir, 'tag', '-a', '-m', 'a tag', 'v1', 'main~1');
      await git(dir, 'tag', '-a', '-m', 'a tag of a tag', 'v2', 'v1');
      await git(dir, 'replace', 'main', 'main~2');
    },
  });
  const { objects, repository } = scene;
  for (const text of [
    'main', 'HEAD', '@', 'HEAD~2', 'HEAD^', 'v1', 'v2', 'v2^{}', 'v2^{commit}', 'v1^{tree}', 'main^{tree}',
    'refs/tags/v1', 'tags/v1', 'HEAD~3', 'none', 'v1^{blob}', 'HEAD^2', 'a b', 'main --all', '*',
  ]) {
    const args = ['--no-replace-objects', 'rev-parse', '--verify', '--quiet', '--end-of-options', text];
    const printed = await runGit(scene.dir, args, { exitCodes: [1, 128] });
    const { revision } = parseRevisionExpression(text);
    const found = await objects.resolve(repository, revision, untilDone);
    assert.equal(found?.oid ?? '', printed.toString().trim(), text);
  } // prettier-ignore
  const main = await git(scene.dir, 'rev-parse', 'main');
  const short = parseRevisionExpression(main.slice(0, 10)).revision;
  assert.equal((await objects.resolve(repository, short, untilDone))?.oid, main);
  const tree = await objects.resolve(repository, peeled(short, 'tree'), untilDone);
  assert.ok(tree?.type === 'tree');
  const entry = await findEntry(
    objects,
    repository,
    tree.oid,
    gitPath(Buffer.from('d/a b')),
    untilDone,
  );
  const line = `${entry?.oid}`;
  assert.equal(line, await git(scene.dir, '--no-replace-objects', 'rev-parse', `${main}:d/a b`));
  assert.equal(
    (await readCommit(objects, repository, toOid(main), untilDone)).parentOids.length,
    1,
  );
});

test('an abbreviated id of several objects is refused', async () => {
  await using scene = await createObjectScene();
  const seen = new Map<string, number>();
  let twice = '';
  const bodies = Array.from({ length: 3000 }, (_, n) => `${n}`);
  for (let n = 0; twice === '' && n < bodies.length; n++) {
    const body = bodies[n] ?? '';
    const id = createHash('sha1').update(`blob ${body.length}\0${body}`).digest('hex').slice(0, 4);
    const other = seen.get(id);
    if (other !== undefined) {
      twice = id;
      await writeObject(scene.dir, 'blob', body);
      await writeObject(scene.dir, 'blob', bodies[other] ?? '');
    }
    seen.set(id, n);
  }
  assert.notEqual(twice, '');
  const { revision } = parseRevisionExpression(twice);
  await assert.rejects(
    scene.objects.resolve(scene.repository, revision, untilDone),
    code('BAD_USER_INPUT'),
  );
});

test('expressions that search, leak or could be misread are refused', () => {
  for (const text of [
    '', ':/fix', ':a', ':0:a', '-h', '--all', 'HEAD^{/fix}', 'main@{1}', '@{-1}', '@{u}', 'main@{yesterday}',
    'a..b', 'a...b', 'a\nb', 'a\0b', 'HEAD~9999999999', '\ud800', `a${'b'.repeat(5000)}`,
  ]) {
    assert.throws(() => parseRevisionExpression(text), code('BAD_USER_INPUT'), JSON.stringify(text));
  } // prettier-ignore
  for (const [text, revision, path] of [
    ['main', 'main', undefined],
    ['main:', 'main', ''],
    ['main:a/b', 'main', 'a/b'],
    ['HEAD~3:a:b@{1}..\n', 'HEAD~3', 'a:b@{1}..\n'],
  ] as const) {
    const parsed = parseRevisionExpression(text);
    assert.deepEqual([parsed.revision, parsed.path?.text], [revision, path]);
  }
});

test('a shallow clone that is deepened is noticed', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => {
      for (const n of [1, 2, 3]) await writeCommit(dir, { files: { a: `${n}\n` } });
    },
  });
  const dir = await cloneRepository(
    `file://${scene.dir}`,
    scene.fixture.path('shallow'),
    '--bare',
    '--depth=1',
  );
  const repository = await openRepository(dir);
  const { revision } = parseRevisionExpression('HEAD~2');
  assert.equal(await scene.objects.resolve(repository, revision, untilDone), null);
  await git(dir, 'fetch', '--quiet', '--unshallow');
  const found = await scene.objects.resolve(repository, revision, untilDone);
  assert.equal(found?.oid, await git(scene.dir, 'rev-parse', 'main~2'));
});

test('what is aborted is not read, and a closed reader refuses and leaves no child', async () => {
  await using scene = await createObjectScene({ fill: async (dir) => await writeCommit(dir) });
  const main = toOid(await git(scene.dir, 'rev-parse', 'main'));
  const aborted = AbortSignal.abort();
  await assert.rejects(scene.objects.read(scene.repository, main, aborted), { name: 'AbortError' });
  const reader = createObjectReader({ git: scene.git, maxChildren: 1, cacheBytes: 0 });
  await reader.info(scene.repository, main, untilDone);
  const [pid = 0] = reader.pids();
  await reader[Symbol.asyncDispose]();
  assert.throws(() => process.kill(pid, 0), { code: 'ESRCH' });
  await assert.rejects(reader.info(scene.repository, main, untilDone), code('CANCELLED'));
});
