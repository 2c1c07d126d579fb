/** The dumb protocol: files, for clients that know no other, where the owner wants it. */
import assert from 'node:assert/strict';
import { mkdir, readFile, rename, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { request } from '../support/raw-http.ts';
import {
  cloneRepository,
  git,
  initRepository,
  runProgram,
  writeCommit,
  type InitOptions,
} from '../support/git-fixture.ts';
import { clients, runClient, tryClient } from './client.ts';
import { askBackend } from './http-backend.ts';
import { createGitScene, type GitScene } from './scene.ts';

const DUMB = { GIT_SMART_HTTP: '0' };

async function fill(scene: GitScene, options: InitOptions = {}): Promise<string> {
  const origin = await initRepository(scene.path('site.git'), { bare: true, ...options });
  await writeCommit(origin, { files: { a: '1' } });
  await git(origin, 'tag', '-m', 'one', 'v1');
  return origin;
}

/** Where an object lies. */
const loose = (oid: string): string => `objects/${oid.slice(0, 2)}/${oid.slice(2)}`;

for (const program of clients) {
  test(`${program}: clones loose and packed objects, and follows as they change`, async () => {
    await using scene = await createGitScene({ dumb: true });
    const origin = await fill(scene);
    const options = { env: DUMB, program };
    const safe = ['-c', 'safe.directory=*'];
    const url = `${scene.url}/site.git`;
    await runClient(scene.fixture.dir, [...safe, 'clone', '-q', url, 'copy'], options);
    const copy = scene.fixture.path('copy');
    await git(origin, 'repack', '-q', '-a', '-d');
    const second = await writeCommit(origin, { files: { b: '1' } });
    // Nobody ran `git update-server-info`.
    await runClient(copy, [...safe, 'fetch', '-q'], options);
    assert.equal(await git(copy, 'rev-parse', 'origin/main'), second);
    await git(origin, 'gc', '-q');
    await runClient(scene.fixture.dir, [...safe, 'clone', '-q', url, 'again'], options);
    assert.equal(await git(scene.fixture.path('again'), 'rev-parse', 'HEAD'), second);
  });

  test(`${program}: where it is off, a dumb clone fails with 404, or with what authorize says`, async () => {
    await using off = await createGitScene();
    await fill(off);
    const run = await tryClient(off.fixture.dir, ['clone', `${off.url}/site.git`, 'x'], {
      env: DUMB,
      program,
    });
    assert.match(run.stderr, /not found/);
    assert.match(run.stderr, /remote: the dumb protocol is off here/);
    await using closed = await createGitScene({
      authorize: () => ({ kind: 'challenge', realm: 'x' }),
    });
    await fill(closed);
    const asked = await tryClient(closed.fixture.dir, ['clone', `${closed.url}/site.git`, 'x'], {
      env: DUMB,
      program,
    });
    assert.match(asked.stderr, /could not read Username/);
  });
}

test('files and lists are those of git http-backend, but for the caching of GitTornado', async () => {
  await using scene = await createGitScene({ dumb: true });
  const origin = await fill(scene);
  await git(origin, 'repack', '-q', '-a', '-d');
  const commit = await writeCommit(origin, { files: { b: '1' } });
  const packs = (
    await askBackend(scene.fixture.path('served'), {
      method: 'GET',
      target: '/site.git/objects/info/packs',
    })
  ).body.toString();
  const name = /pack-[0-9a-f]+/.exec(packs)?.[0] ?? '';
  for (const file of [
    'HEAD',
    'info/refs',
    'objects/info/packs',
    loose(commit),
    `objects/pack/${name}.pack`,
    `objects/pack/${name}.idx`,
    loose('1'.repeat(40)),
    'objects/info/alternates',
    'objects/info/http-alternates',
    'config',
    'packed-refs',
    'objects/pack/pack-nothing.pack',
  ]) {
    for (const method of ['GET', 'HEAD']) {
      const target = `/site.git/${file}`;
      const theirs = await askBackend(scene.fixture.path('served'), { method, target });
      const ours = await request(scene.url, method, target);
      assert.equal(ours.status, theirs.status, `${method} ${file}`);
      if (ours.status !== 200) continue;
      if (method === 'GET') assert.ok(ours.body.equals(theirs.body), file);
      const type = (text = ''): string => text.replace(/;.*/, '');
      assert.equal(type(ours.headers['content-type']), type(theirs.headers['content-type']), file);
      const isForEver = /^objects\/(?!info)/.test(file);
      assert.equal(
        ours.headers['cache-control'],
        isForEver ? 'public, max-age=31556926' : 'no-cache, max-age=0, must-revalidate',
      );
      const year = Date.parse(ours.headers['expires'] ?? '') - Date.now();
      assert.ok(isForEver ? year > 31_556_000_000 && year < 31_557_000_000 : year < 0);
    }
  }
});

test('a detached HEAD, an unborn one, and SHA-256 objects', async () => {
  await using scene = await createGitScene({ dumb: true });
  const origin = await fill(scene, { objectFormat: 'sha256' });
  const commit = await git(origin, 'rev-parse', 'main');
  assert.equal((await request(scene.url, 'GET', `/site.git/${loose(commit)}`)).status, 200);
  await git(origin, 'update-ref', '--no-deref', 'HEAD', commit);
  assert.equal((await request(scene.url, 'GET', '/site.git/HEAD')).text, `${commit}\n`);
  await initRepository(scene.path('new.git'), { bare: true, branch: 'unborn' });
  assert.equal((await request(scene.url, 'GET', '/new.git/HEAD')).text, 'ref: refs/heads/unborn\n');
  assert.equal((await request(scene.url, 'GET', '/new.git/info/refs')).text, '');
});

test('hidden refs are not listed', async () => {
  await using scene = await createGitScene({ dumb: true });
  const origin = await fill(scene);
  await git(origin, 'update-ref', 'refs/gitagent/saved/1', 'main');
  await git(origin, 'update-ref', 'refs/gitagentx', 'main');
  const { text } = await request(scene.url, 'GET', '/site.git/info/refs');
  assert.deepEqual(
    text.split('\n').map((line) => line.split('\t')[1]),
    ['refs/gitagentx', 'refs/heads/main', 'refs/tags/v1', 'refs/tags/v1^{}', undefined],
  );
});

test('a file that the client has already is not sent, and a part of it can be', async () => {
  await using scene = await createGitScene({ dumb: true });
  const origin = await fill(scene);
  const target = `/site.git/${loose(await git(origin, 'rev-parse', 'main'))}`;
  const ask = async (headers: Record<string, string>) =>
    await request(scene.url, 'GET', target, headers);
  const whole = await ask({});
  const etag = whole.headers['etag'] ?? '';
  const modified = whole.headers['last-modified'] ?? '';
  assert.match(etag, /^"[^"]+"$/);
  assert.equal(whole.headers['accept-ranges'], 'bytes');
  for (const headers of [
    { 'If-None-Match': etag },
    { 'If-None-Match': `"x", W/${etag}` },
    { 'If-None-Match': '*' },
    { 'If-Modified-Since': modified },
  ]) {
    const response = await ask(headers);
    assert.deepEqual(
      [response.status, response.body.length, response.headers['etag']],
      [304, 0, etag],
    );
  }
  assert.equal((await ask({ 'If-None-Match': '"x"', 'If-Modified-Since': modified })).status, 200);
  assert.equal((await ask({ 'If-Modified-Since': 'Fri, 01 Jan 1980 00:00:00 GMT' })).status, 200);

  const size = whole.body.length;
  for (const [range, from, to] of [
    ['bytes=0-0', 0, 1],
    ['bytes=10-19', 10, 20],
    ['bytes=10-', 10, size],
    ['bytes=-5', size - 5, size],
    [`bytes=0-${size * 2}`, 0, size],
    [`bytes=-${size * 2}`, 0, size],
  ] as const) {
    const part = await ask({ Range: range });
    assert.equal(part.status, 206, range);
    assert.ok(part.body.equals(whole.body.subarray(from, to)), range);
    assert.equal(part.headers['content-range'], `bytes ${from}-${to - 1}/${size}`);
  }
  for (const range of [`bytes=${size}-`, 'bytes=-0']) {
    const none = await ask({ Range: range });
    assert.deepEqual([none.status, none.headers['content-range']], [416, `bytes */${size}`]);
  }
  for (const range of ['bytes=5-2', 'bytes=0-1,3-4', 'lines=1-2', 'bytes=a-b', 'bytes=-']) {
    assert.equal((await ask({ Range: range })).status, 200, range);
  }
  assert.equal((await ask({ Range: 'bytes=0-1', 'If-Range': etag })).status, 206);
  assert.equal((await ask({ Range: 'bytes=0-1', 'If-Range': modified })).status, 206);
  assert.equal((await ask({ Range: 'bytes=0-1', 'If-Range': '"old"' })).status, 200);
});

test('no link leads out of the repository, no other file is a file of the protocol', async () => {
  await using scene = await createGitScene({ dumb: true });
  const origin = await fill(scene);
  const secret = scene.fixture.path('secret');
  await writeFile(secret, 'secret');
  const oid = await git(origin, 'rev-parse', 'main');
  const file = join(origin, loose(oid));

  await rename(file, `${file}.kept`);
  await symlink(secret, file);
  assert.equal((await request(scene.url, 'GET', `/site.git/${loose(oid)}`)).status, 404);

  // A folder on the way, and a pack.
  const outside = scene.fixture.path('outside');
  await mkdir(outside);
  await writeFile(join(outside, '1'.repeat(38)), 'secret');
  await symlink(outside, join(origin, 'objects/11'));
  assert.equal(
    (await request(scene.url, 'GET', `/site.git/objects/11/${'1'.repeat(38)}`)).status,
    404,
  );
  await symlink('/etc/passwd', join(origin, `objects/pack/pack-${'1'.repeat(40)}.pack`));
  const pack = `/site.git/objects/pack/pack-${'1'.repeat(40)}.pack`;
  assert.equal((await request(scene.url, 'GET', pack)).status, 404);

  // Within the repository a link is a file.
  await rename(`${file}.kept`, join(origin, 'objects/kept'));
  const other = `objects/22/${'2'.repeat(38)}`;
  await mkdir(join(origin, 'objects/22'));
  await symlink('../kept', join(origin, other));
  assert.equal((await request(scene.url, 'GET', `/site.git/${other}`)).status, 200);

  // A folder, a pipe: opening one would wait for ever.
  await mkdir(join(origin, `objects/33/${'3'.repeat(38)}`), { recursive: true });
  assert.equal(
    (await request(scene.url, 'GET', `/site.git/objects/33/${'3'.repeat(38)}`)).status,
    404,
  );
  await runProgram('mkfifo', join(origin, `objects/33/${'4'.repeat(38)}`));
  assert.equal(
    (await request(scene.url, 'GET', `/site.git/objects/33/${'4'.repeat(38)}`)).status,
    404,
  );

  for (const target of [
    '/site.git/objects/../config',
    '/site.git/objects/info/../../config',
    '/site.git/objects/%2e%2e/config',
    '/site.git/objects/AA/' + 'B'.repeat(38),
  ]) {
    assert.equal((await request(scene.url, 'GET', target)).status, 404, target);
  }
});

test('a push keeps the files fresh that another web server would serve', async () => {
  await using scene = await createGitScene({ dumb: true });
  const origin = await fill(scene);
  const copy = await cloneRepository(origin, scene.fixture.path('copy'));
  const commit = await writeCommit(copy);
  await runClient(copy, ['push', '-q', `${scene.url}/site.git`, 'main']);
  assert.match(
    await readFile(join(origin, 'info/refs'), 'utf8'),
    new RegExp(`^${commit}\trefs/heads/main$`, 'm'),
  );
});

test('objects of a linked working tree are those of its repository', async () => {
  await using scene = await createGitScene({ dumb: true });
  const main = await initRepository(scene.fixture.path('main'));
  const commit = await writeCommit(main, { files: { a: '1' } });
  await git(main, 'worktree', 'add', '-q', '-b', 'side', scene.path('linked'));
  assert.equal((await request(scene.url, 'GET', '/linked/HEAD')).text, 'ref: refs/heads/side\n');
  assert.equal((await request(scene.url, 'GET', `/linked/${loose(commit)}`)).status, 200);
});
