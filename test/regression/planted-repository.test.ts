/**
 * The attack: git commits no `.git`, but it does commit folders that look like a bare repository. Whoever
 * gets such a commit into a working tree below `git_base` has a repository of his own making served: with a
 * hook that runs on a push, with links to another repository's objects, or with a `commondir` that is a
 * device and never ends.
 */
import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openGitBase } from '../../src/http/git-base.ts';
import { createFixture, initRepository, writeCommit } from '../support/git-fixture.ts';

test('what lies among the files of a working tree below git_base is no repository', async () => {
  await using fixture = await createFixture();
  const base = fixture.path('base');
  await mkdir(base);
  const site = await initRepository(join(base, 'site'));
  await writeCommit(site, { files: { a: 'one\n' } });
  const planted = join(site, 'deep', 'evil');
  for (const dir of ['objects', 'refs', 'hooks']) {
    await mkdir(join(planted, dir), { recursive: true });
  }
  await writeFile(join(planted, 'HEAD'), 'ref: refs/heads/main\n');
  const gitBase = await openGitBase(base);
  assert.equal(await gitBase.find('site'), join(base, 'site'));
  assert.equal(await gitBase.find('site/deep/evil'), null);

  await symlink(join('site', 'deep', 'evil'), join(base, 'short'));
  assert.equal(await gitBase.find('short'), null);
});

test('a repository whose objects lie outside of git_base is not served', async () => {
  await using fixture = await createFixture();
  const base = fixture.path('base');
  const secret = await initRepository(fixture.path('secret.git'), { bare: true });
  const planted = join(base, 'evil.git');
  await mkdir(join(planted, 'refs'), { recursive: true });
  await symlink(join(secret, 'objects'), join(planted, 'objects'));
  await writeFile(join(planted, 'HEAD'), 'ref: refs/heads/main\n');
  assert.equal(await (await openGitBase(base)).find('evil.git'), null);
});

test('a commondir that is a device is not read', async () => {
  await using fixture = await createFixture();
  const base = fixture.path('base');
  for (const dir of ['objects', 'refs']) {
    await mkdir(join(base, 'zero.git', dir), { recursive: true });
  }
  await writeFile(join(base, 'zero.git', 'HEAD'), 'ref: refs/heads/main\n');
  await symlink('/dev/zero', join(base, 'zero.git', 'commondir'));
  const found = await (await openGitBase(base)).find('zero.git');
  assert.equal(found, join(base, 'zero.git'));
});
