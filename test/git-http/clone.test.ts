/** What people do with git, done with the real one, over every mount and every version of the protocol. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { git, initRepository, runGit, writeCommit } from '../support/git-fixture.ts';
import { clients, runClient, tryClient, type ClientOptions, type ClientRun } from './client.ts';
import { mounts, plain, type Mount } from './mount.ts';
import { createGitScene, type GitScene } from './scene.ts';

interface Way {
  readonly mount: Mount;
  readonly program: string;
  readonly version: 0 | 1 | 2;
}

const versions = [0, 1, 2] as const;

/** Every version, and every mount, with every client. A version is a header to a mount, which 2 has. */
const ways: readonly Way[] = mounts
  .flatMap((mount) =>
    clients.flatMap((program) => versions.map((version) => ({ mount, program, version }))),
  )
  .filter(({ mount, version }) => version === 2 || mount === plain);

interface User {
  /** Runs git in the scene's folder; it must succeed. */
  run(...args: string[]): Promise<ClientRun>;
  in(dir: string, ...args: string[]): Promise<ClientRun>;
  try(dir: string, ...args: string[]): Promise<ClientRun>;
}

function userOf(scene: GitScene, { program, version }: Way): User {
  const options: ClientOptions = { program, env: {} };
  const settings = ['-c', `protocol.version=${version}`];
  const all = [...settings, '-c', 'safe.directory=*'];
  const go = async (dir: string, args: string[]) =>
    await runClient(dir, [...all, ...args], options);
  return {
    run: async (...args) => await go(scene.fixture.dir, args),
    in: async (dir, ...args) => await go(scene.fixture.path(dir), args),
    try: async (dir, ...args) =>
      await tryClient(scene.fixture.path(dir), [...all, ...args], options),
  };
}

for (const way of ways) {
  const { mount, program, version } = way;
  const title = `${mount.name}, ${program === 'git' ? 'git' : program}, version ${version}`;

  test(`${title}: an empty repository is cloned, pushed to, and cloned again`, async () => {
    await using scene = await createGitScene({ mount });
    const user = userOf(scene, way);
    await initRepository(scene.path('new.git'), { bare: true });
    await user.run('clone', '-q', `${scene.url}/new.git`, 'a');
    const commit = await writeCommit(scene.fixture.path('a'), { files: { a: '1' } });
    await user.in('a', 'push', '-q', 'origin', 'main');
    assert.equal(await git(scene.path('new.git'), 'rev-parse', 'main'), commit);
    await user.run('clone', '-q', `${scene.url}/new.git`, 'b');
    assert.equal(await git(scene.fixture.path('b'), 'rev-parse', 'HEAD'), commit);
    assert.equal(await readFile(scene.fixture.path('b/a'), 'utf8'), '1');
  });

  test(`${title}: fetches, pushes with tags, deletions and atomic pushes`, async () => {
    await using scene = await createGitScene({ mount });
    const user = userOf(scene, way);
    const origin = await initRepository(scene.path('site.git'), { bare: true });
    await writeCommit(origin, { files: { a: '1' } });
    await user.run('clone', '-q', `${scene.url}/site.git`, 'a');
    const copy = scene.fixture.path('a');

    const second = await writeCommit(origin, { files: { a: '2' } });
    await user.in('a', 'fetch', '-q');
    assert.equal(await git(copy, 'rev-parse', 'origin/main'), second);

    const mine = await writeCommit(copy, { branch: 'mine', parents: [second] });
    await git(copy, 'tag', '-m', 'one', 'v1', mine);
    await user.in('a', 'push', '-q', '--follow-tags', 'origin', 'mine');
    assert.equal(await git(origin, 'rev-parse', 'mine', 'v1^{}'), `${mine}\n${mine}`);

    const side = await writeCommit(copy, { branch: 'side', parents: [second] });
    const behind = await git(copy, 'rev-parse', 'main');
    assert.notEqual(behind, second);
    // One of the two is no fast-forward.
    const refused = await user.try('a', 'push', '--atomic', 'origin', 'side', 'main');
    assert.equal(refused.code, 1);
    assert.equal(await git(origin, 'for-each-ref', 'refs/heads/side'), '');
    await user.in('a', 'push', '-q', '--atomic', 'origin', 'side', 'side:other');
    assert.equal(await git(origin, 'rev-parse', 'side', 'other'), `${side}\n${side}`);

    await user.in('a', 'push', '-q', 'origin', ':other', ':refs/tags/v1');
    assert.equal(await git(origin, 'for-each-ref', 'refs/tags', 'refs/heads/other'), '');
    await user.in('a', 'push', '-q', '--force', 'origin', `${second}~1:main`);
    assert.equal(await git(origin, 'rev-parse', 'main'), behind);
  });

  test(`${title}: shallow and partial clones become whole`, async () => {
    await using scene = await createGitScene({ mount });
    const user = userOf(scene, way);
    const origin = await initRepository(scene.path('site.git'), { bare: true });
    for (let n = 1; n <= 5; n++)
      await writeCommit(origin, { files: { a: String(n), [`f${n}`]: 'x' } });

    await user.run('clone', '-q', '--depth=1', `${scene.url}/site.git`, 'shallow');
    const shallow = scene.fixture.path('shallow');
    assert.equal(await git(shallow, 'rev-list', '--count', 'HEAD'), '1');
    await user.in('shallow', 'fetch', '-q', '--deepen=2');
    assert.equal(await git(shallow, 'rev-list', '--count', 'HEAD'), '3');
    await writeCommit(shallow, { branch: 'from-shallow', parents: ['HEAD'], files: { b: '1' } });
    await user.in('shallow', 'push', '-q', 'origin', 'from-shallow');
    assert.equal(await git(origin, 'rev-list', '--count', 'from-shallow'), '6');
    await user.in('shallow', 'fetch', '-q', '--unshallow');
    assert.equal(await git(shallow, 'rev-list', '--count', 'HEAD'), '5');

    await user.run(
      'clone',
      '-q',
      '--filter=blob:none',
      '--no-checkout',
      `${scene.url}/site.git`,
      'partial',
    );
    const partial = scene.fixture.path('partial');
    const missing = ['rev-list', '--objects', '--missing=print', 'HEAD'];
    const count = async () => (await git(partial, ...missing)).match(/^\?/gm)?.length ?? 0;
    assert.equal(await count(), 6);
    await user.in('partial', 'checkout', '-q', 'main');
    assert.equal(await readFile(join(partial, 'a'), 'utf8'), '5');
    assert.equal(await count(), 4);
  });
}

for (const program of clients) {
  const way: Way = { mount: plain, program, version: 2 };

  test(`${program}: a mirror goes there and back`, async () => {
    await using scene = await createGitScene();
    const user = userOf(scene, way);
    const origin = await initRepository(scene.path('site.git'), { bare: true });
    await initRepository(scene.path('copy.git'), { bare: true });
    const commit = await writeCommit(origin, { files: { a: '1' } });
    await git(origin, 'tag', '-m', 'one', 'v1');
    await git(origin, 'update-ref', 'refs/notes/x', commit);
    await git(origin, 'update-ref', 'refs/gitagent/saved/1', commit);
    await user.run('clone', '-q', '--mirror', `${scene.url}/site.git`, 'mirror.git');
    await user.in('mirror.git', 'push', '-q', '--mirror', `${scene.url}/copy.git`);
    const seen = await git(scene.path('copy.git'), 'for-each-ref', '--format=%(refname)');
    assert.deepEqual(seen.split('\n'), ['refs/heads/main', 'refs/notes/x', 'refs/tags/v1']);
  });

  test(`${program}: SHA-256 repositories are cloned and pushed to`, async () => {
    await using scene = await createGitScene();
    const user = userOf(scene, way);
    const origin = await initRepository(scene.path('s.git'), {
      bare: true,
      objectFormat: 'sha256',
    });
    await writeCommit(origin, { files: { a: '1' } });
    await user.run('clone', '-q', `${scene.url}/s.git`, 'a');
    const commit = await writeCommit(scene.fixture.path('a'), { files: { a: '2' } });
    assert.equal(commit.length, 64);
    await user.in('a', 'push', '-q', 'origin', 'main');
    assert.equal(await git(origin, 'rev-parse', 'main'), commit);
  });

  test(`${program}: pushes larger than http.postBuffer are sent in chunks, smaller ones whole`, async () => {
    await using scene = await createGitScene();
    const user = userOf(scene, way);
    const origin = await initRepository(scene.path('site.git'), { bare: true });
    await user.run('clone', '-q', `${scene.url}/site.git`, 'a');
    const copy = scene.fixture.path('a');
    for (const [index, postBuffer] of ['65536', '10000000'].entries()) {
      const content = randomBytes(3_000_000);
      const commit = await writeCommit(copy, { files: { [`big${index}`]: content } });
      await user.in('a', '-c', `http.postBuffer=${postBuffer}`, 'push', '-q', 'origin', 'main');
      assert.equal(await git(origin, 'rev-parse', 'main'), commit);
      const blob = await runGit(origin, ['cat-file', 'blob', `main:big${index}`]);
      assert.ok(blob.equals(content));
    }
  });

  test(`${program}: a long negotiation is sent as gzip`, async () => {
    const encodings: (string | undefined)[] = [];
    await using scene = await createGitScene({
      authorize: ({ request }) => {
        if (request.method === 'POST') encodings.push(request.headers['content-encoding']);
        return { kind: 'allow' };
      },
    });
    const user = userOf(scene, way);
    const origin = await initRepository(scene.path('site.git'), { bare: true });
    await writeCommit(origin, { files: { a: '1' } });
    await user.run('clone', '-q', `${scene.url}/site.git`, 'a');
    for (let n = 0; n < 60; n++) await writeCommit(scene.fixture.path('a'));
    const next = await writeCommit(origin, { files: { a: '2' } });
    await user.in('a', 'fetch', '-q');
    assert.equal(await git(scene.fixture.path('a'), 'rev-parse', 'origin/main'), next);
    assert.ok(encodings.includes('gzip'), `sent as ${encodings.join()}`);
  });

  test(`${program}: 10,000 refs are listed and fetched`, async () => {
    await using scene = await createGitScene();
    const user = userOf(scene, way);
    const origin = await initRepository(scene.path('site.git'), { bare: true });
    const commit = await writeCommit(origin, { files: { a: '1' } });
    const lines = Array.from({ length: 9_999 }, (_, n) => `${commit} refs/tags/t${n}\n`);
    await writeFile(join(origin, 'packed-refs'), lines.toSorted().join(''));
    const listed = await user.run('ls-remote', '--refs', `${scene.url}/site.git`);
    assert.equal(listed.stdout.trimEnd().split('\n').length, 10_000);
    await user.run('clone', '-q', '--mirror', `${scene.url}/site.git`, 'mirror.git');
    assert.equal(
      await git(scene.fixture.path('mirror.git'), 'for-each-ref'),
      await git(origin, 'for-each-ref'),
    );
  });
}
