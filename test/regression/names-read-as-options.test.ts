/**
 * The attack: a name that begins with a dash is taken for an option. Gitea before 1.17.3 (a branch
 * `-h`), Gogs CVE-2024-39932 and the rebase hole of 2026, soft-serve GHSA-33pr-m977-5w97: whoever may
 * create a branch, or name one in a request, runs `--upload-pack=...` or `--output=...`.
 *
 * A request's branch is refused by parseBranchName; what a repository itself has (branches that others
 * pushed, the names of its remotes) never becomes an option either.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { findRefs } from '../../src/git/ref.ts';
import { openRepository } from '../../src/git/repository.ts';
import { untilDone } from '../support/git-door.ts';
import { exists, git } from '../support/git-fixture.ts';
import { createScene } from '../git/pull-scene.ts';

test('a branch in an order that looks like an option is refused before git is asked', async () => {
  await using scene = await createScene();
  const marker = scene.fixture.path('marker');
  for (const branch of [
    `--upload-pack=touch ${marker}`,
    `--upload-pack=touch$IFS${marker}`,
    '-h',
    '--',
    '-',
  ]) {
    await assert.rejects(scene.pull({ branch }), { code: 'BAD_USER_INPUT' });
  }
  assert.equal(await exists(marker), false);
});

test('a remote that is called like an option is not fetched from', async () => {
  await using scene = await createScene();
  const marker = scene.fixture.path('marker');
  await git(scene.copy, 'remote', 'remove', 'origin');
  const name = `--upload-pack=touch ${marker};git-upload-pack`;
  await git(scene.copy, 'config', `remote.${name}.url`, scene.origin);
  await git(scene.copy, 'config', `remote.${name}.fetch`, '+refs/heads/*:refs/remotes/odd/*');
  await scene.fail({ branch: 'main' });
  assert.equal(await exists(marker), false);
});

test('a present or default branch that is called like an option is refused', async () => {
  await using scene = await createScene();
  for (const ref of ['refs/heads/-h', 'refs/remotes/origin/-h']) {
    await git(scene.copy, 'update-ref', ref, scene.first);
  }
  await git(scene.copy, 'symbolic-ref', 'refs/remotes/origin/HEAD', 'refs/remotes/origin/-h');
  await scene.refuse('BAD_USER_INPUT', /"-h" is not a branch name/);
  await git(scene.copy, 'symbolic-ref', '--delete', 'refs/remotes/origin/HEAD');
  await git(scene.copy, 'symbolic-ref', 'HEAD', 'refs/heads/-h');
  await scene.refuse('BAD_USER_INPUT', /"-h" is not a branch name/);
  // It is no hindrance to going elsewhere.
  assert.equal((await scene.pull({ branch: 'main' })).branch, 'main');
});

test('a hash that is none never reaches git', async () => {
  await using scene = await createScene();
  for (const hash of [
    '',
    '-h',
    '--all',
    'HEAD',
    'main',
    '123',
    '1234 --all',
    '12345\n--all',
    'g'.repeat(40),
    '1'.repeat(65),
    'ffff^{tree}',
    'ffff..ffff',
  ]) {
    await assert.rejects(scene.pull({ hash }), { code: 'BAD_USER_INPUT' });
  }
});

test('refs are found by their exact names, not by patterns', async () => {
  await using scene = await createScene();
  const repository = await openRepository(scene.copy);
  await git(scene.copy, 'update-ref', 'refs/heads/a/b', scene.first);
  const names = [
    'refs/heads/*',
    'refs/heads',
    'refs/heads/a',
    '--format=x',
    '-h',
    'refs/heads/[m]ain',
  ];
  assert.equal((await findRefs(scene.door, repository, names, untilDone)).size, 0);
  const found = await findRefs(
    scene.door,
    repository,
    ['refs/heads/main', 'refs/heads/a/b', 'refs/heads/nope'],
    untilDone,
  );
  assert.deepEqual([...found.keys()].toSorted(), ['refs/heads/a/b', 'refs/heads/main']);
});

test('files that are called like options or pathspecs are files', async () => {
  await using scene = await createScene();
  for (const name of ['--output=x', '-f', ':(exclude)*', ':!*', '*'])
    await writeFile(`${scene.copy}/${name}`, 'mine');
  await scene.commit({ files: { '-f': 'theirs', ':!*': 'theirs' } });
  const error = await scene.refuse('CONFLICT', /stand in the way/);
  assert.deepEqual(error.detail, { files: ['-f', ':!*'] });
  await scene.pull({ strategy: 'reset' });
  assert.equal(await git(scene.copy, 'show', 'refs/gitagent/saved/job:-f'), 'mine');
  assert.equal(await scene.read('*'), 'mine');
});
