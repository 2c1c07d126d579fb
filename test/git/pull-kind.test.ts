import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  cloneRepository,
  git,
  initRepository,
  treeState,
  writeCommit,
} from '../support/git-fixture.ts';
import { createScene, lines, openScene, type Scene } from './pull-scene.ts';

test('a SHA-256 working copy is pulled in every way', async () => {
  await using scene = await createScene({ objectFormat: 'sha256' });
  assert.equal(scene.first.length, 64);
  const second = await scene.commit({ files: { a: lines('theirs') } });
  assert.equal((await scene.pull()).after, second);
  assert.equal((await scene.pull({ hash: scene.first.slice(0, 9) })).after, scene.first);
  await scene.pull();
  await scene.commit({ files: { a: lines('theirs', 'too') } });
  await scene.commitHere({ files: { b: lines('ours') } });
  await scene.refuse('CONFLICT', /diverged/);
  await scene.pull({ strategy: 'merge' });
  await scene.write({ a: 'dirty' });
  await scene.pull({ strategy: 'reset' });
  assert.equal(await scene.read('b'), lines());
  assert.equal(await git(scene.copy, 'show', 'refs/gitagent/saved/job:a'), 'dirty');
  await scene.refuse('NOT_FOUND', /there is no commit/, { hash: '1'.repeat(40) });
});

test('a linked working tree is pulled, and the main one stays as it was', async () => {
  await using scene = await createScene();
  await scene.commit({ branch: 'side', parents: [scene.first], files: { s: '1' } });
  const dir = scene.fixture.path('linked');
  await git(scene.copy, 'worktree', 'add', '--quiet', '--detach', dir);
  const there = await treeState(scene.copy);
  const linked = openScene(scene.door, dir);
  assert.equal((await linked.pull({ branch: 'side' })).branch, 'side');
  const tip = await scene.commit({ branch: 'side', files: { s: '2' } });
  await linked.write({ a: 'dirty' });
  assert.equal((await linked.pull({ branch: 'side' })).after, tip);
  await linked.write({ s: 'dirty' });
  await scene.commit({ branch: 'side', files: { s: '3' } });
  await linked.refuse('CONFLICT', /stand in the way: "s"/, { branch: 'side' });
  await linked.pull({ branch: 'side', strategy: 'reset' });
  assert.equal(await git(dir, 'show', 'refs/gitagent/saved/job:s'), 'dirty');
  const { refs: _before, ...before } = there;
  const { refs: _after, ...after } = await treeState(scene.copy);
  assert.deepEqual(after, before);
});

test('a linked working tree of a bare repository is pulled, also on the branch that HEAD of the bare one names', async () => {
  await using scene = await createScene();
  const bare = await cloneRepository(scene.origin, scene.fixture.path('bare.git'), '--bare');
  await git(bare, 'config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*');
  await git(bare, 'fetch', '--quiet');
  const dir = scene.fixture.path('linked');
  await git(bare, 'worktree', 'add', '--quiet', '--detach', dir);
  const tip = await scene.commit({ files: { a: lines('theirs') } });
  assert.equal((await openScene(scene.door, dir).pull({ branch: 'main' })).after, tip);
});

test('a repository with a separate git directory is pulled', async () => {
  await using scene = await createScene();
  const dir = await cloneRepository(
    scene.origin,
    scene.fixture.path('separate'),
    `--separate-git-dir=${scene.fixture.path('git-dir')}`,
  );
  const tip = await scene.commit({ files: { a: lines('theirs') } });
  assert.equal((await openScene(scene.door, dir).pull()).after, tip);
});

test('a shallow clone is pulled', async () => {
  await using scene = await createScene();
  for (const a of ['1', '2', '3']) await scene.commit({ files: { a } });
  const dir = await cloneRepository(
    `file://${scene.origin}`,
    scene.fixture.path('shallow'),
    '--depth=1',
  );
  await scene.commit({ files: { a: '4' } });
  const tip = await scene.commit({ files: { a: '5' } });
  const shallow = openScene(scene.door, dir);
  assert.equal((await shallow.pull()).after, tip);
  await shallow.refuse('NOT_FOUND', /there is no commit/, { hash: scene.first });
});

/** The origin's main has a submodule `sub` at the first of the library's two commits. */
async function withSubmodule(
  scene: Scene,
): Promise<{ library: string; first: string; second: string }> {
  const library = await initRepository(scene.fixture.path('library'));
  const first = await writeCommit(library, { files: { l: '1' } });
  const second = await writeCommit(library, { files: { l: '2' } });
  await scene.commit({
    files: {
      '.gitmodules': `[submodule "sub"]\n\tpath = sub\n\turl = ${library}\n`,
      sub: { mode: '160000', content: first },
      'sub/c': null,
    },
  });
  return { library, first, second };
}

test('a submodule is neither fetched nor checked out, and what it has checked out is kept', async () => {
  // A user who asked git to do that is not asking us.
  await using scene = await createScene({
    config: '[submodule]\n\trecurse = true\n[fetch]\n\trecurseSubmodules = true\n',
  });
  const { first, second } = await withSubmodule(scene);
  await scene.pull();
  assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
  await git(
    scene.copy,
    '-c',
    'protocol.file.allow=always',
    'submodule',
    '--quiet',
    'update',
    '--init',
  );
  const sub = join(scene.copy, 'sub');
  assert.equal(await git(sub, 'rev-parse', 'HEAD'), first);

  await writeFile(join(sub, 'l'), 'dirty');
  await scene.commit({ files: { sub: { mode: '160000', content: second }, a: lines('theirs') } });
  await scene.pull();
  assert.equal(await scene.read('a'), lines('theirs'));
  assert.equal(await git(sub, 'rev-parse', 'HEAD'), first);
  assert.equal(await git(scene.copy, 'status', '--porcelain'), ' M sub');

  await scene.commit({ files: { a: lines('theirs', 'again') } });
  await scene.pull({ strategy: 'reset' });
  assert.equal(await git(sub, 'rev-parse', 'HEAD'), first);
  assert.equal(await readFile(join(sub, 'l'), 'utf8'), 'dirty');

  await scene.commitHere({ files: { b: lines('ours') } });
  assert.equal(await readFile(join(sub, 'l'), 'utf8'), 'dirty');
  for (const strategy of ['merge', 'rebase'] as const) {
    await scene.commit({ files: { [strategy]: '' } });
    await scene.pull({ strategy });
    assert.equal(await readFile(join(sub, 'l'), 'utf8'), 'dirty');
  }
});

test('a submodule that is staged at another commit is in the way when it changes', async () => {
  await using scene = await createScene();
  const { library, second } = await withSubmodule(scene);
  await scene.pull();
  await git(
    scene.copy,
    '-c',
    'protocol.file.allow=always',
    'submodule',
    '--quiet',
    'update',
    '--init',
  );
  await git(join(scene.copy, 'sub'), 'checkout', '--quiet', second);
  await git(scene.copy, 'add', 'sub');
  const third = await writeCommit(library, { files: { l: '3' } });
  await scene.commit({ files: { sub: { mode: '160000', content: third } } });
  await scene.refuse('CONFLICT', /stand in the way: "sub"/);
});

test('switching between branches with and without a submodule works, with the submodule in place', async () => {
  await using scene = await createScene();
  await git(scene.origin, 'branch', 'without', 'main');
  await withSubmodule(scene);
  await scene.pull();
  await git(
    scene.copy,
    '-c',
    'protocol.file.allow=always',
    'submodule',
    '--quiet',
    'update',
    '--init',
  );
  await scene.commit({ branch: 'without', files: { 'sub/c': null, d: 'd' } });
  assert.equal((await scene.pull({ branch: 'without' })).branch, 'without');
  assert.equal(await git(scene.copy, 'status', '--porcelain'), '?? sub/');
  assert.equal((await scene.pull({ branch: 'main' })).branch, 'main');
  assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
});
