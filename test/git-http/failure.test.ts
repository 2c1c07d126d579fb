/** When git fails: the status before its first byte, a broken stream after it, and its words in our log only. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { within } from '../support/deadline.ts';
import { putGitFirst } from '../support/fake-git.ts';
import { openConnection, request } from '../support/raw-http.ts';
import {
  createFixture,
  git,
  initRepository,
  runProgram,
  writeCommit,
} from '../support/git-fixture.ts';
import { runClient, tryClient } from './client.ts';
import { createGitScene, type GitScene } from './scene.ts';

const REFS = '/site.git/info/refs?service=git-upload-pack';

async function fill(scene: GitScene, files = {}): Promise<string> {
  const origin = await initRepository(scene.path('site.git'), { bare: true });
  await writeCommit(origin, { files: { a: '1', ...files } });
  return origin;
}

/** The errors that the owner was told, which the test expected. */
function gitErrors(scene: GitScene): GitCommandError[] {
  return scene.errors.splice(0).map((error) => {
    assert.ok(error instanceof GitCommandError);
    return error;
  });
}

test("a broken repository is a 500 with words for the user; git's own go to the log", async () => {
  await using scene = await createGitScene();
  const origin = await fill(scene);
  await writeFile(join(origin, 'config'), '[core\n');
  const run = await tryClient(scene.fixture.dir, ['ls-remote', `${scene.url}/site.git`]);
  assert.match(run.stderr, /^remote: git failed in this repository/m);
  assert.match(run.stderr, /500/);
  assert.doesNotMatch(run.stderr, /bad config|served/);
  const [error] = gitErrors(scene);
  assert.match(error?.stderr ?? '', /bad config/);
});

test('a repository of somebody else is served: the owner has named exactly this one', async (t) => {
  if (process.getuid?.() !== 0) t.skip('needs root, to give a folder away');
  await using scene = await createGitScene();
  const origin = await fill(scene);
  await runProgram('chown', '-R', 'nobody', origin);
  await runClient(scene.fixture.dir, ['clone', '-q', `${scene.url}/site.git`, 'copy']);
  await writeCommit(scene.fixture.path('copy'));
  await runClient(scene.fixture.path('copy'), ['push', '-q', 'origin', 'main']);
});

test('a git that is not there is a 500', async () => {
  await using scene = await createGitScene({ host: { PATH: '/nonexistent' } });
  await fill(scene);
  const response = await request(scene.url, 'GET', REFS);
  assert.equal(response.status, 500);
  assert.match(gitErrors(scene)[0]?.stderr ?? '', /cannot be started/);
});

test('a pack that cannot be finished breaks the stream, after what git said last', async () => {
  await using scene = await createGitScene();
  const origin = await fill(scene, { big: randomBytes(3_000_000), lost: 'x' });
  const blob = await git(origin, 'rev-parse', 'main:lost');
  await rm(join(origin, 'objects', blob.slice(0, 2), blob.slice(2)));
  for (const version of [0, 2]) {
    const settings = ['-c', `protocol.version=${version}`];
    const args = [...settings, 'clone', `${scene.url}/site.git`, `v${version}`];
    const run = await tryClient(scene.fixture.dir, args);
    assert.notEqual(run.code, 0);
    assert.match(run.stderr, /remote: aborting due to possible repository corruption/);
    assert.doesNotMatch(run.stderr, /served/);
    const [error] = gitErrors(scene);
    assert.match(error?.stderr ?? '', /pack-objects died/);
  }
});

for (const [version, ending] of [
  ['HTTP/1.1', 'its last chunk'],
  ['HTTP/1.0', 'a clean end'],
] as const) {
  test(`an answer that broke lacks ${ending} (${version})`, async () => {
    await using folder = await createFixture();
    const PATH = await putGitFirst(
      folder.path('bin'),
      'case "$1" in upload-pack) printf "0008NAK\\n"; printf "secret" >&2; sleep 0.1; exit 1 ;; esac',
      'exec "$REAL_GIT" "$@"',
    );
    await using scene = await createGitScene({ host: { PATH } });
    await fill(scene);
    using connection = await openConnection(scene.url);
    let reset = false;
    connection.socket.on('error', () => (reset = true));
    const closed = new Promise((resolve) => connection.socket.once('close', resolve));
    connection.write(`GET ${REFS} ${version}\r\nHost: x\r\n\r\n`);
    await within(closed, 'the connection is closed');
    const text = connection.take().toString();
    assert.match(text, /^HTTP\/1\.1 200 OK/);
    assert.match(text, /0008NAK/);
    assert.doesNotMatch(text, /secret/);
    if (version === 'HTTP/1.1') assert.doesNotMatch(text, /\r\n0\r\n\r\n$/);
    else assert.equal(reset, true);
    assert.equal(gitErrors(scene)[0]?.stderr, 'secret');
  });
}

test('what git writes to stderr before its answer does not spoil it', async () => {
  await using folder = await createFixture();
  const PATH = await putGitFirst(
    folder.path('bin'),
    'echo "warning: noise" >&2',
    'exec "$REAL_GIT" "$@"',
  );
  await using scene = await createGitScene({ host: { PATH } });
  await fill(scene);
  await runClient(scene.fixture.dir, ['clone', '-q', `${scene.url}/site.git`, 'copy']);
  await writeCommit(scene.fixture.path('copy'));
  const run = await runClient(scene.fixture.path('copy'), ['push', '-q', 'origin', 'main']);
  assert.doesNotMatch(run.stderr, /noise/);
});

test('megabytes on stderr neither stop git nor are kept', async () => {
  await using folder = await createFixture();
  const PATH = await putGitFirst(
    folder.path('bin'),
    'head -c 5000000 /dev/zero | tr "\\0" x >&2',
    'echo the end >&2; exit 3',
  );
  await using scene = await createGitScene({ host: { PATH } });
  await fill(scene);
  assert.equal((await request(scene.url, 'GET', REFS)).status, 500);
  const [error] = gitErrors(scene);
  assert.match(error?.stderr ?? '', /the end\n$/);
  assert.ok((error?.stderr.length ?? 0) <= 64 * 1024);
});

test('a want that is not there is told as git tells it, and nothing else', async () => {
  await using scene = await createGitScene();
  await fill(scene);
  await runClient(scene.fixture.dir, ['clone', '-q', `${scene.url}/site.git`, 'copy']);
  const run = await tryClient(scene.fixture.path('copy'), ['fetch', 'origin', '1'.repeat(40)]);
  assert.equal(
    run.stderr.trim(),
    `fatal: remote error: upload-pack: not our ref ${'1'.repeat(40)}`,
  );
});

test('a repository that vanished is a 404', async () => {
  await using scene = await createGitScene({ resolve: () => ({ path: '/nonexistent/site.git' }) });
  const response = await request(scene.url, 'GET', REFS);
  assert.deepEqual([response.status, response.text], [404, 'there is no such repository\n']);
});
