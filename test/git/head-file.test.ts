import assert from 'node:assert/strict';
import { mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readHeadFile } from '../../src/git/head-file.ts';
import { openRepository } from '../../src/git/repository.ts';
import { createFixture, git, initRepository, runProgram, writeCommit } from '../support/git-fixture.ts'; // prettier-ignore

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`HEAD of a ${objectFormat} repository is read from its files as git reads it`, async () => {
    await using fixture = await createFixture();
    const dir = await initRepository(fixture.path('copy'), { objectFormat });
    const first = await writeCommit(dir, { files: { a: '1' } });
    const second = await writeCommit(dir, { files: { a: '2' } });
    const linked = fixture.path('linked');
    await git(dir, 'worktree', 'add', '--quiet', '-b', 'side/caf\u00e9', linked, first);
    const check = async (path: string): Promise<void> => {
      const branch = await git(path, 'symbolic-ref', '--quiet', '--short', 'HEAD').catch(() => null); // prettier-ignore
      const oid = await git(path, 'rev-parse', '--verify', 'HEAD');
      assert.deepEqual(await readHeadFile(await openRepository(path)), { branch, oid });
    };
    await check(dir);
    await check(linked);
    await git(dir, 'pack-refs', '--all');
    await check(dir);
    await check(linked);
    // A file goes before what is packed.
    await git(dir, 'update-ref', 'refs/heads/main', first);
    await check(dir);
    await git(dir, 'update-ref', '--no-deref', 'HEAD', second);
    await check(dir);
  });
}

test('what is unusual is left to git', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('bare.git'), { bare: true });
  const tip = await writeCommit(dir);
  await writeFile(fixture.path('secret'), `${tip}\n`);
  const repository = await openRepository(dir);
  const head = join(dir, 'HEAD');
  for (const text of [
    'ref: refs/heads/unborn\n',
    'ref: refs/heads/../../../secret\n',
    'ref: refs/heads/main/../main\n',
    'ref: refs/remotes/origin/main\n',
    'ref: refs/heads/.invalid\n',
    'ref: refs/heads/main',
    'ref: refs/heads/main\r\n',
    `${tip.slice(1)}\n`,
    `${tip}\nmore\n`,
    '',
    'x'.repeat(5000),
  ]) {
    await writeFile(head, text);
    assert.equal(await readHeadFile(repository), null, JSON.stringify(text.slice(0, 40)));
  }
  await writeFile(head, 'ref: refs/heads/main\n');
  const branch = join(dir, 'refs/heads/main');
  for (const text of ['garbage\n', 'ref: refs/heads/other\n', '']) {
    await writeFile(branch, text);
    assert.equal(await readHeadFile(repository), null, JSON.stringify(text));
  }
  await rm(branch);
  await runProgram('mkfifo', branch);
  assert.equal(await readHeadFile(repository), null);
  await rm(branch);
  await mkdir(branch);
  assert.equal(await readHeadFile(repository), null);
  await rm(head);
  await symlink('refs/heads/main', head);
  assert.equal(await readHeadFile(repository), null);
});
