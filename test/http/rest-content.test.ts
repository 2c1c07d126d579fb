/** Archives and files of a revision, compared with what git has. */
import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { gunzipSync } from 'node:zlib';
import { createScene, type Scene } from '../agent/scene.ts';
import { processesOf } from '../support/agent-process.ts';
import { until, within } from '../support/deadline.ts';
import { writeScript } from '../support/fake-git.ts';
import { git, runGit, runProgram, writeCommit } from '../support/git-fixture.ts';
import { formatRequest, openConnection, request } from '../support/raw-http.ts';

/** Unpacks an archive and gives its files by name. */
async function unpack(scene: Scene, name: string, body: Buffer): Promise<Record<string, string>> {
  const folder = scene.fixture.path(`unpacked-${name}`);
  const file = scene.fixture.path(name);
  await mkdir(folder);
  await writeFile(file, body);
  if (name.endsWith('zip')) await runProgram('unzip', '-q', file, '-d', folder);
  else await runProgram('tar', '-xzf', file, '-C', folder);
  const files: Record<string, string> = {};
  for (const each of await readdir(folder, { recursive: true, withFileTypes: true })) {
    if (!each.isFile()) continue;
    const path = `${each.parentPath}/${each.name}`;
    files[path.slice(folder.length + 1)] = await readFile(path, 'latin1');
  }
  return files;
}

const hasUnzip = spawnSync('unzip', ['-v']).error === undefined;

test('an archive has what git archive puts into it, under a name of its own, and a tag that spares it', async () => {
  await using scene = await createScene();
  await writeCommit(scene.copy, {
    branch: 'feature/x',
    parents: [scene.first],
    files: {
      'dir/b': 'two\n',
      secret: 'x',
      subst: '$Format:%H$',
      '.gitattributes': 'secret export-ignore\nsubst export-subst\n',
    },
  });
  const commit = await git(scene.copy, 'rev-parse', 'feature/x');
  const expected = { a: 'one\n', 'dir/b': 'two\n', subst: commit, '.gitattributes': 'secret export-ignore\nsubst export-subst\n' }; // prettier-ignore
  for (const ending of ['tar.gz', ...(hasUnzip ? ['zip'] : [])]) {
    const target = `/repo/site/archive/feature%2Fx.${ending}`;
    const answer = await request(scene.url, 'GET', target);
    assert.equal(answer.status, 200, answer.text);
    const { headers } = answer;
    assert.equal(headers['content-disposition'], `attachment; filename="site-feature-x.${ending}"`);
    assert.equal(headers['content-type'], ending === 'zip' ? 'application/zip' : 'application/gzip'); // prettier-ignore
    assert.equal(headers['cache-control'], 'private, no-cache');
    const found = await unpack(scene, ending.replace('.', '-'), answer.body);
    const named = Object.entries(expected).map(([name, text]) => [`site-feature-x/${name}`, text]);
    assert.deepEqual(found, Object.fromEntries(named));
    const etag = headers['etag'] ?? '';
    assert.match(etag, new RegExp(commit));
    const known = await request(scene.url, 'GET', target, { 'If-None-Match': etag });
    assert.equal(known.status, 304);
    const head = await request(scene.url, 'HEAD', target);
    assert.deepEqual([head.status, head.headers['etag'], head.body.length], [200, etag, 0]);
  }
  const fixed = await request(scene.url, 'GET', `/repo/site/archive/${commit}.tar.gz`);
  assert.equal(fixed.headers['cache-control'], 'private, max-age=31536000, immutable');
  const whole = await runGit(scene.copy, ['archive', '--format=tar', `--prefix=site-${commit}/`, commit]); // prettier-ignore
  assert.deepEqual(gunzipSync(fixed.body), whole);
  for (const [target, status] of [
    ['nowhere.tar.gz', 404],
    ['--output=x.tar.gz', 400],
    ['main.rar', 404],
    ['main%00.zip', 400],
  ] as const) {
    assert.equal((await request(scene.url, 'GET', `/repo/site/archive/${target}`)).status, status, target); // prettier-ignore
  }
  assert.equal((await request(scene.url, 'GET', '/repo/other/archive/main.zip')).status, 404);
});

test('a file of a revision comes byte for byte, in parts too, and never as a page', async () => {
  await using scene = await createScene();
  const page = '<script>alert(1)</script>\n';
  const big = Buffer.alloc(3_000_000, 'some text, and more of it\n');
  await writeCommit(scene.copy, {
    branch: 'x',
    files: { 'dir/page.html': page, big, binary: Buffer.from([1, 0, 255]), empty: '', 'dir/HEAD': 'head\n', 'info/refs': 'r\n', link: { mode: '120000', content: 'a' }, 'a b?#%': 'odd\n' }, // prettier-ignore
  });
  const get = async (path: string, headers = {}, method = 'GET') =>
    await request(scene.url, method, `/repo/site/raw/x/${path}`, headers);
  const html = await get('dir/page.html');
  assert.equal(html.text, page);
  assert.equal(html.headers['content-type'], 'text/plain; charset=utf-8');
  assert.equal(html.headers['content-security-policy'], "default-src 'none'; sandbox");
  assert.equal(html.headers['x-content-type-options'], 'nosniff');
  const binary = await get('binary');
  assert.deepEqual(binary.body, Buffer.from([1, 0, 255]));
  assert.equal(binary.headers['content-type'], 'application/octet-stream');
  for (const [path, text] of [
    ['empty', ''],
    ['dir/HEAD', 'head\n'],
    ['info/refs', 'r\n'],
    ['link', 'a'],
    ['a%20b%3F%23%25', 'odd\n'],
  ] as const) {
    // prettier-ignore
    const answer = await get(path);
    assert.deepEqual([answer.status, answer.text], [200, text], path);
  }
  const whole = await get('big');
  assert.ok(whole.body.equals(big));
  assert.equal(whole.headers['content-length'], String(big.length));
  const etag = whole.headers['etag'] ?? '';
  assert.equal(etag, `"${await git(scene.copy, 'rev-parse', 'x:big')}"`);
  for (const [range, first, last] of [
    ['bytes=0-0', 0, 0],
    ['bytes=1000000-1000009', 1_000_000, 1_000_009],
    ['bytes=-5', 2_999_995, 2_999_999],
    ['bytes=2999990-', 2_999_990, 2_999_999],
  ] as const) {
    // prettier-ignore
    const part = await get('big', { Range: range, 'If-Range': etag });
    assert.equal(part.status, 206);
    assert.equal(part.headers['content-range'], `bytes ${first}-${last}/3000000`);
    assert.ok(part.body.equals(big.subarray(first, last + 1)), range);
  }
  assert.equal((await get('big', { Range: 'bytes=3000000-' })).status, 416);
  assert.equal((await get('big', { Range: 'bytes=0-1', 'If-Range': '"other"' })).status, 200);
  assert.equal((await get('big', { 'If-None-Match': etag })).status, 304);
  const head = await get('big', {}, 'HEAD');
  assert.deepEqual([head.status, head.headers['content-length'], head.body.length], [200, '3000000', 0]); // prettier-ignore
  for (const [path, status] of [
    ['nowhere', 404],
    ['dir', 404],
    ['..%2f..%2fetc/passwd', 400],
    ['.', 400],
    ['a%0ab', 400],
    ['%ff', 400],
  ] as const) {
    // prettier-ignore
    assert.equal((await get(path)).status, status, path);
  }
});

test('who leaves in the middle leaves no git behind, and who reads slowly holds nothing up', async () => {
  await using scene = await createScene();
  // More than the sockets between us hold, and gzip cannot shorten it.
  const noise = randomBytes(20_000_000);
  await writeCommit(scene.copy, { branch: 'x', files: { noise } });
  for (const target of ['raw/x/noise', 'archive/x.tar.gz']) {
    const connection = await openConnection(scene.url);
    connection.socket.pause();
    connection.write(formatRequest('GET', `/repo/site/${target}`));
    const isGitThere = (): boolean =>
      processesOf(scene.agent.home).some(({ command }) => /cat-file blob|archive/.test(command));
    await until(isGitThere, 'git runs');
    const other = await within(request(scene.url, 'GET', '/repo'), 'others are answered');
    assert.equal(other.status, 200);
    connection.socket.destroy();
    await until(() => !isGitThere(), 'git is gone');
  }
});

test('no program that a repository names runs for its archives and files', async () => {
  await using scene = await createScene();
  await writeCommit(scene.copy, {
    branch: 'x',
    files: { a: 'stored\n', s: '$Format:%G?$', '.gitattributes': '* filter=evil diff=evil\ns export-subst\n' }, // prettier-ignore
  });
  const trap = async (name: string): Promise<string> =>
    await writeScript(scene.fixture.path('traps', name), `touch '${scene.fixture.path('ran')}'-${name}`, 'cat'); // prettier-ignore
  for (const key of [
    'filter.evil.smudge',
    'filter.evil.process',
    'tar.tar.gz.command',
    'tar.tar.command',
    'gpg.program',
    'gpg.ssh.program',
    'core.fsmonitor',
    'diff.evil.textconv',
  ]) {
    // prettier-ignore
    await git(scene.copy, 'config', key, await trap(key));
  }
  await git(scene.copy, 'config', 'filter.evil.required', 'true');
  const archive = await request(scene.url, 'GET', '/repo/site/archive/x.tar.gz');
  assert.equal(archive.status, 200);
  assert.match(gunzipSync(archive.body).toString(), /stored\n/);
  const zip = await request(scene.url, 'GET', '/repo/site/archive/x.zip');
  assert.equal(zip.status, 200);
  assert.equal((await request(scene.url, 'GET', '/repo/site/raw/x/a')).text, 'stored\n');
  await git(scene.copy, 'config', 'tar.zip.command', await trap('zip'));
  const refused = await request(scene.url, 'GET', '/repo/site/archive/x.zip');
  assert.deepEqual([refused.status, /tar\.gz/.test(refused.text)], [409, true]);
  const ran = async (): Promise<string[]> => (await readdir(scene.fixture.dir)).filter((name) => name.startsWith('ran')); // prettier-ignore
  assert.deepEqual(await ran(), []);
  await runGit(scene.copy, ['archive', '--format=zip', 'x'], { exitCodes: [128] });
  assert.ok((await ran()).length > 0, 'git alone does run them');
});
