import assert from 'node:assert/strict';
import { chmod, mkdir, readFile, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  runGit,
  runProgram,
  treeState,
  writeCommit,
} from '../support/git-fixture.ts';
import { openDoor } from '../support/git-door.ts';
import { createScene, lines, openScene, SAVED, type Scene } from './pull-scene.ts';

/** A file of the saved commit's tree, or of the commit of the index beside it. */
async function saved(
  scene: Pick<Scene, 'copy'>,
  name: string,
  of: 'files' | 'index' = 'files',
): Promise<string> {
  return (
    await runGit(scene.copy, ['show', `${SAVED}${of === 'index' ? '^2' : ''}:${name}`])
  ).toString();
}

async function hasSaved(scene: Pick<Scene, 'copy'>): Promise<boolean> {
  return (await git(scene.copy, 'for-each-ref', 'refs/gitagent')) !== '';
}

test('with nothing to discard nothing is saved', async () => {
  await using scene = await createScene();
  const tip = await scene.commit({ files: { a: lines('theirs') } });
  await scene.write({ untracked: 'kept' });
  assert.equal((await scene.pull({ strategy: 'reset' })).after, tip);
  assert.equal(await hasSaved(scene), false);
  assert.equal(await scene.read('untracked'), 'kept');
  assert.equal((await scene.pull({ strategy: 'reset' })).after, tip);
});

test('commits, staged, unstaged and untracked content in the way are discarded and can be brought back', async () => {
  await using scene = await createScene();
  const tip = await scene.commit({ files: { a: lines('theirs'), new: 'theirs' } });
  const own = await scene.commitHere({ files: { own: 'committed' } });
  await scene.write({
    a: 'staged',
    b: 'unstaged',
    new: 'untracked in the way',
    beside: 'untracked',
  });
  await git(scene.copy, 'add', 'a');
  await scene.write({ a: 'staged and then changed' });
  await unlink(join(scene.copy, 'sub/c'));
  const before = await treeState(scene.copy);

  const pulled = await scene.pull({ strategy: 'reset' });
  assert.equal(pulled.after, tip);
  assert.equal(pulled.before, own);
  assert.equal(await git(scene.copy, 'status', '--porcelain'), '?? beside');
  assert.equal(await scene.read('new'), 'theirs');
  assert.match(pulled.said.join('\n'), new RegExp(`saved what the reset discards as ${SAVED}`));

  assert.equal(await git(scene.copy, 'rev-parse', `${SAVED}^1`), own);
  assert.equal(await saved(scene, 'own'), 'committed');
  assert.equal(await saved(scene, 'a'), 'staged and then changed');
  assert.equal(await saved(scene, 'a', 'index'), 'staged');
  assert.equal(await saved(scene, 'b'), 'unstaged');
  assert.equal(await saved(scene, 'b', 'index'), lines());
  assert.equal(await saved(scene, 'new'), 'untracked in the way');
  assert.equal(await git(scene.copy, 'ls-tree', '--name-only', '-r', SAVED), 'a\nb\nnew\nown');
  assert.equal(await git(scene.copy, 'log', '-1', '--format=%an', SAVED), 'GitAgent');

  // All of it back, file for file.
  await git(scene.copy, 'reset', '--quiet', '--hard', own);
  await git(scene.copy, 'read-tree', '-u', '--reset', SAVED);
  const after = await treeState(scene.copy);
  assert.deepEqual(after.files, before.files);
});

for (const [title, prepare, expected] of [
  ['a staged rename', async ({ copy }) => void (await git(copy, 'mv', 'a', 'z')), { z: lines() }],
  [
    'a staged rename that was changed',
    async ({ copy, write }) => {
      await git(copy, 'mv', 'a', 'z');
      await write({ z: lines('mine') });
    },
    { z: lines('mine') },
  ],
  [
    'a rename by intent to add',
    async ({ copy }) => {
      await rename(join(copy, 'a'), join(copy, 'z'));
      await git(copy, 'add', '-N', 'z');
    },
    { z: lines() },
  ],
  [
    'a staged deletion',
    async ({ copy }) => void (await git(copy, 'rm', '--quiet', 'b')),
    { a: lines() },
  ],
  [
    'a staged new file that was deleted again',
    async ({ copy, write }) => {
      await write({ z: 'staged' });
      await git(copy, 'add', 'z');
      await unlink(join(copy, 'z'));
    },
    { a: lines() },
  ],
  [
    'a file removed from the index only',
    async ({ copy, write }) => {
      await git(copy, 'rm', '--quiet', '--cached', 'b');
      await write({ b: 'mine' });
    },
    { b: 'mine' },
  ],
  [
    'a file that became a folder',
    async ({ copy, write }) => {
      await unlink(join(copy, 'b'));
      await write({ 'b/x/y': 'mine', 'b/z': 'mine' });
    },
    { 'b/x/y': 'mine', 'b/z': 'mine' },
  ],
  [
    'a folder that became a file',
    async ({ copy, write }) => {
      await rm(join(copy, 'sub'), { recursive: true });
      await write({ sub: 'mine' });
    },
    { sub: 'mine' },
  ],
  ['a mode', async ({ copy }) => await chmod(join(copy, 'b'), 0o755), { b: lines() }],
  [
    'an untracked folder where a file comes',
    async ({ write }) => await write({ 'new/1': 'mine', 'new/2/3': 'mine' }),
    { 'new/1': 'mine', 'new/2/3': 'mine' },
  ],
  [
    'an untracked file where a folder comes',
    async ({ write }) => await write({ folder: 'mine' }),
    { folder: 'mine' },
  ],
  [
    'a file with a name like a pathspec',
    async ({ write, copy }) => {
      await write({ ':(glob)*': 'mine', '-x': 'mine', '*': 'mine' });
      await git(copy, 'add', '--all');
    },
    { ':(glob)*': 'mine', '-x': 'mine', '*': 'mine' },
  ],
] as const satisfies readonly Case[]) {
  test(`${title} is saved before a reset`, async () => {
    await using scene = await createScene();
    const tip = await scene.commit({
      files: { a: lines('theirs'), new: 'new\n', 'folder/1': '1' },
    });
    await prepare(scene);
    const before = await treeState(scene.copy);
    assert.equal((await scene.pull({ strategy: 'reset' })).after, tip);
    assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
    for (const [name, content] of Object.entries(expected))
      assert.equal(await saved(scene, name), content);
    // The saved tree is the working tree as it was.
    await git(scene.copy, 'clean', '-fdxq');
    await git(scene.copy, 'read-tree', '-u', '--reset', SAVED);
    assert.deepEqual((await treeState(scene.copy)).files, before.files);
  });
}

type Case = readonly [
  title: string,
  prepare: (scene: Scene) => Promise<void>,
  expected: Readonly<Record<string, string>>,
];

test('a folder that became a link is saved before a reset, and the link kept, as git has it', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'update-index', '--refresh');
  await rename(join(scene.copy, 'sub'), scene.fixture.path('sub'));
  await symlink('../sub', join(scene.copy, 'sub'));
  const tip = await scene.commit({ files: { a: lines('theirs') } });
  assert.equal((await scene.pull({ strategy: 'reset' })).after, tip);
  assert.equal(await saved(scene, 'sub'), '../sub');
  // git reset --hard looks through the link and finds the file as it should be.
  assert.equal(await git(scene.copy, 'status', '--porcelain'), ' D sub/c\n?? sub');
});

test('unmerged files are saved as they stand in the working tree', async () => {
  await using scene = await createScene();
  await scene.write({ a: lines('stashed') });
  await git(scene.copy, 'stash', '--quiet');
  await scene.commitHere({ files: { a: lines('committed') } });
  await assert.rejects(git(scene.copy, 'stash', 'pop', '--quiet'));
  const conflicted = await scene.read('a');
  assert.match(conflicted, /<<<<<<</);
  assert.equal((await scene.pull({ strategy: 'reset' })).after, scene.first);
  assert.equal(await saved(scene, 'a'), conflicted);
});

test('a file whose name UTF-8 cannot say is saved and reset', async () => {
  await using scene = await createScene();
  const name = Buffer.from('caf\xe9\n', 'latin1');
  const path = Buffer.concat([Buffer.from(`${scene.copy}/`), name]);
  await scene.commit({ files: [[name, 'theirs']] });
  await writeFile(path, 'mine');
  await scene.refuse('CONFLICT', /stand in the way/);
  await scene.pull({ strategy: 'reset' });
  assert.equal(await readFile(path, 'utf8'), 'theirs');
  const listed = await runGit(scene.copy, ['ls-tree', '-r', '-z', SAVED]);
  assert.ok(listed.includes(name));
});

test('a reset to another branch keeps both the changes here and the commits there', async () => {
  await using scene = await createScene();
  const theirs = await scene.commit({
    branch: 'side',
    parents: [scene.first],
    files: { s: 'theirs' },
  });
  const own = await writeCommit(scene.copy, {
    branch: 'side',
    parents: [scene.first],
    files: { s: 'own' },
  });
  await scene.write({ a: 'dirty' });
  const pulled = await scene.pull({ branch: 'side', strategy: 'reset' });
  assert.equal(pulled.after, theirs);
  assert.equal(await saved(scene, 'a'), 'dirty');
  const parents = (await git(scene.copy, 'log', '-1', '--format=%P', SAVED)).split(' ');
  assert.equal(parents[0], scene.first);
  assert.equal(parents[2], own);
});

test('commits of a detached HEAD that no branch has are saved before a reset leaves them', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'checkout', '--quiet', '--detach');
  await git(scene.copy, 'commit', '--quiet', '--allow-empty', '--message=own');
  const own = await git(scene.copy, 'rev-parse', 'HEAD');
  await scene.pull({ strategy: 'reset' });
  assert.equal(await git(scene.copy, 'rev-parse', `${SAVED}^1`), own);
});

test('commits of a detached HEAD that a branch has are not', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs') } });
  await git(scene.copy, 'checkout', '--quiet', '--detach');
  await scene.pull({ strategy: 'reset' });
  assert.equal(await hasSaved(scene), false);
});

test('a reset to a hash detaches HEAD there and saves what it discards', async () => {
  await using scene = await createScene();
  await scene.commitHere({ files: { own: 'own' } });
  await scene.write({ a: 'dirty' });
  const pulled = await scene.pull({ hash: scene.first.slice(0, 8), strategy: 'reset' });
  assert.equal(pulled.branch, null);
  assert.equal(pulled.after, scene.first);
  assert.equal(await scene.read('a'), lines());
  assert.equal(await saved(scene, 'a'), 'dirty');
});

test('an unborn working copy is reset, and what was staged is saved', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const copy = await cloneRepository(origin, fixture.path('copy'));
  const scene = openScene(door, copy);
  const tip = await writeCommit(origin, { files: { a: lines() } });
  await scene.write({ a: 'mine', staged: 'mine' });
  await git(copy, 'add', 'staged');
  assert.equal((await scene.pull({ strategy: 'reset' })).after, tip);
  assert.equal(await saved({ copy }, 'a'), 'mine');
  assert.equal(await saved({ copy }, 'staged'), 'mine');
});

test('a reset whose saved ref exists already is refused by git, and nothing is touched', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'update-ref', SAVED, scene.first);
  await scene.write({ a: 'dirty' });
  const before = await treeState(scene.copy);
  await scene.fail({ strategy: 'reset' });
  assert.deepEqual(await treeState(scene.copy), before);
});

test('a reset that cannot save a file is refused, and nothing is touched', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { pipe: 'theirs' } });
  await runProgram('mkfifo', join(scene.copy, 'pipe'));
  const error = await scene.pull({ strategy: 'reset' }).then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof Error);
  assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), scene.first);
  await rm(join(scene.copy, 'pipe'));
});

test('a repository in the way of a reset is refused, for it would be lost as a whole', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { new: 'theirs' } });
  const inner = await initRepository(join(scene.copy, 'new'));
  await writeCommit(inner, { files: { x: 'precious' } });
  await scene.refuse('CONFLICT', /other repositories stand in the way: "new\/"/, {
    strategy: 'reset',
  });
});

test('files of an ignored folder that has to make room are saved before a reset', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { build: 'a file now', 'cache/x': 'theirs' } });
  await mkdir(join(scene.copy, '.git/info'), { recursive: true });
  await writeFile(join(scene.copy, '.git/info/exclude'), 'build\ncache\n');
  await scene.write({
    'build/out': 'mine',
    'build/deep/out': 'mine',
    'cache/x': 'mine',
    'cache/y': 'mine',
  });
  await scene.pull({ strategy: 'reset' });
  for (const name of ['build/out', 'build/deep/out', 'cache/x'])
    assert.equal(await saved(scene, name), 'mine');
  assert.equal(await scene.read('cache/y'), 'mine');
  assert.equal(await scene.read('build'), 'a file now');
});

test('a change that the index was told to overlook is saved before a reset restores the file', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'update-index', '--assume-unchanged', 'a', 'sub/c');
  await scene.write({ a: 'mine' });
  const tip = await scene.commit({ files: { b: lines('theirs') } });
  assert.equal((await scene.pull({ strategy: 'reset' })).after, tip);
  assert.equal(await scene.read('a'), lines());
  assert.equal(await saved(scene, 'a'), 'mine');
});

for (const flag of ['--assume-unchanged', '--skip-worktree']) {
  test(`a change hidden by ${flag} that is in the way makes git refuse, by every strategy`, async () => {
    await using scene = await createScene();
    await git(scene.copy, 'update-index', flag, 'a');
    await scene.write({ a: 'mine' });
    await scene.commit({ files: { a: lines('theirs') } });
    await scene.fail();
    const { refs: _before, index: _then, ...before } = await treeState(scene.copy);
    await assert.rejects(scene.pull({ strategy: 'reset' }), { name: 'GitCommandError' });
    const { refs: _after, index: _now, ...after } = await treeState(scene.copy);
    assert.deepEqual(after, before);
  });
}
