import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { openDoor } from '../support/git-door.ts';
import {
  cloneRepository,
  git,
  initRepository,
  runGit,
  treeState,
  writeCommit,
} from '../support/git-fixture.ts';
import { createScene, lines, openScene, type Scene } from './pull-scene.ts';

test('a branch that is neither here nor on the remote is refused', async () => {
  await using scene = await createScene();
  await scene.refuse(
    'NOT_FOUND',
    /there is no branch nope, neither here nor among what origin gives/,
    {
      branch: 'nope',
    },
  );
});

test('a branch that is only here is refused', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'branch', '--no-track', 'mine');
  await scene.refuse('NOT_FOUND', /branch mine has no counterpart on origin/, { branch: 'mine' });
});

for (const [title, hash] of [
  ['unknown', '0123456789abcdef0123456789abcdef01234567'],
  ['unknown and abbreviated', '0123456'],
  ['longer than ids are', '0'.repeat(64)],
  ['null', '0'.repeat(40)],
] as const) {
  test(`a hash that is ${title} is refused`, async () => {
    await using scene = await createScene();
    await scene.refuse('NOT_FOUND', new RegExp(`there is no commit ${hash}`), { hash });
  });
}

test('a hash of a commit that the remote does not have is refused', async () => {
  await using scene = await createScene();
  const elsewhere = await initRepository(scene.fixture.path('elsewhere'), { bare: true });
  const hash = await writeCommit(elsewhere, { message: 'elsewhere' });
  await scene.refuse('NOT_FOUND', /there is no commit/, { hash });
});

test('a hash of a tree, a blob or a tag is refused', async () => {
  await using scene = await createScene();
  await runGit(scene.copy, ['tag', '--annotate', '--message=m', 'v1']);
  for (const revision of ['HEAD^{tree}', 'HEAD:a', 'v1']) {
    const hash = await git(scene.copy, 'rev-parse', revision);
    await scene.refuse('NOT_FOUND', /there is no commit/, { hash });
  }
});

test('an ambiguous hash is refused, and one digit more is enough', async () => {
  await using scene = await createScene();
  // 4 digits have 65,536 values: 700 commits share one almost surely, and here always.
  const commits = Array.from(
    { length: 700 },
    (_, n) => `commit refs/heads/many\nmark :${n + 1}\ncommitter A <a@b> ${n} +0000\ndata 0\n`,
  );
  await runGit(scene.origin, ['fast-import', '--quiet'], { input: commits.join('\n') });
  const ids = (await git(scene.origin, 'rev-list', 'many')).split('\n').toSorted();
  const index = ids.findIndex((id, at) => id.slice(0, 4) === ids[at + 1]?.slice(0, 4));
  const [one = '', two = ''] = ids.slice(index, index + 2);
  await scene.refuse('BAD_USER_INPUT', /is ambiguous: 2 commits start with it/, {
    hash: one.slice(0, 4),
  });
  const differ = Array.from(one).findIndex((digit, at) => digit !== two[at]) + 1;
  assert.equal((await scene.pull({ hash: one.slice(0, differ) })).after, one);
});

test('a hash that blobs share is not ambiguous', async () => {
  await using scene = await createScene();
  const prefix = scene.first.slice(0, 4);
  // By its definition, a blob's id needs no git to be tried out.
  const idOf = (text: string): string =>
    createHash('sha1').update(`blob ${text.length}\0${text}`).digest('hex');
  let text = 'a';
  for (let n = 0; !idOf(text).startsWith(prefix); n++) text = `${n}`;
  await runGit(scene.copy, ['hash-object', '-w', '--stdin'], { input: text });
  assert.equal((await scene.pull({ hash: prefix })).after, scene.first);
});

test('no remote, and several without an origin, are refused', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'remote', 'remove', 'origin');
  await scene.refuse('NOT_FOUND', /there is no remote to fetch from/);
  await git(scene.copy, 'remote', 'add', 'one', scene.origin);
  await git(scene.copy, 'remote', 'add', 'two', scene.origin);
  await scene.refuse('NOT_FOUND', /remote/);
});

test('a fetch that fails changes nothing', async () => {
  await using scene = await createScene();
  await scene.write({ a: 'dirty' });
  await rename(scene.origin, scene.fixture.path('moved'));
  const before = await treeState(scene.copy);
  const error = await scene.fail();
  assert.equal(error.exitCode, 128);
  assert.equal(error.args[0], 'fetch');
  assert.deepEqual(await treeState(scene.copy), before);
});

test('a diverged branch is refused with ff-only, which says by how much', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs') } });
  await scene.commit({ files: { a: lines('theirs again') } });
  await scene.commitHere({ files: { b: lines('ours') } });
  const error = await scene.refuse('CONFLICT', /diverged from origin\/main \(1 ahead, 2 behind\)/);
  assert.deepEqual(error.detail, { ahead: 1, behind: 2, branch: 'main', upstream: 'origin/main' });
});

test('a history that has nothing in common is refused by every strategy but reset', async () => {
  await using scene = await createScene();
  await writeCommit(scene.origin, { parents: [], files: { z: 'z' } });
  await scene.refuse('CONFLICT', /diverged/);
  await scene.fail({ strategy: 'merge' });
});

/** What somebody did in the working copy, and the files that a refusal then names. */
const IN_THE_WAY: readonly (readonly [
  title: string,
  prepare: (scene: Scene) => Promise<void>,
  files: readonly string[],
])[] = [
  ['a dirty file', async ({ write }) => await write({ a: 'dirty' }), ['a']],
  [
    'a staged file',
    async ({ write, copy }) => {
      await write({ a: 'staged' });
      await git(copy, 'add', 'a');
    },
    ['a'],
  ],
  [
    'a file that was staged and put back',
    async ({ write, copy }) => {
      await write({ a: 'staged' });
      await git(copy, 'add', 'a');
      await write({ a: lines() });
    },
    ['a'],
  ],
  ['a deleted file', async ({ copy }) => await unlink(join(copy, 'a')), ['a']],
  ['a staged deletion', async ({ copy }) => void (await git(copy, 'rm', '--quiet', 'a')), ['a']],
  ['a dirty file that goes', async ({ write }) => await write({ b: 'dirty' }), ['b']],
  [
    'a file that was renamed away',
    async ({ copy }) => void (await git(copy, 'mv', 'a', 'z')),
    ['a'],
  ],
  [
    'a file that was renamed to where one comes',
    async ({ copy }) => void (await git(copy, 'mv', 'sub/c', 'new')),
    ['new', 'sub/c'],
  ],
  ['an untracked file', async ({ write }) => await write({ new: 'mine' }), ['new']],
  [
    'an untracked file with the very content',
    async ({ write }) => await write({ new: 'new\n' }),
    ['new'],
  ],
  [
    'a staged new file',
    async ({ write, copy }) => {
      await write({ new: 'mine' });
      await git(copy, 'add', 'new');
    },
    ['new'],
  ],
  [
    'an intent to add',
    async ({ write, copy }) => {
      await write({ new: 'mine' });
      await git(copy, 'add', '-N', 'new');
    },
    ['new'],
  ],
  [
    'an untracked symbolic link',
    async ({ copy }) => await symlink('a', join(copy, 'new')),
    ['new'],
  ],
  [
    'an untracked folder where a file comes',
    async ({ write }) => await write({ 'new/x/1': '', 'new/2': '' }),
    ['new/2', 'new/x/1'],
  ],
  [
    'an untracked file where a folder comes',
    async ({ write }) => await write({ folder: 'mine' }),
    ['folder'],
  ],
  [
    'an untracked link where a folder comes',
    async ({ copy }) => await symlink('/tmp', join(copy, 'folder')),
    ['folder'],
  ],
  [
    'an untracked file in a folder that becomes a file',
    async ({ write }) => await write({ 'sub/mine': '' }),
    ['sub/mine'],
  ],
  [
    'a folder that became a link',
    async ({ copy, fixture }) => {
      await rename(join(copy, 'sub'), fixture.path('sub'));
      await symlink(fixture.path('sub'), join(copy, 'sub'));
    },
    ['sub', 'sub/c'],
  ],
  [
    'a repository where a file comes',
    async ({ copy }) => {
      await writeCommit(await initRepository(join(copy, 'new')));
    },
    ['new/'],
  ],
  [
    'a repository where a folder comes',
    async ({ copy, write }) => {
      await writeCommit(await initRepository(join(copy, 'folder')));
      await write({ 'folder/1': 'mine' });
    },
    ['folder/1'],
  ],
  [
    'a changed mode',
    async ({ copy }) => void (await runGit(copy, ['update-index', '--chmod=+x', 'a'])),
    ['a'],
  ],
];

for (const [title, prepare, expected] of IN_THE_WAY) {
  test(`${title} in the way is refused, for a branch, for another branch and for a commit`, async () => {
    await using scene = await createScene();
    const files = {
      a: lines('theirs'),
      b: null,
      new: 'new\n',
      'folder/1': '1',
      'sub/c': null,
      sub: 'a file',
    };
    const hash = await scene.commit({ files });
    await git(scene.origin, 'branch', 'side', 'main');
    await prepare(scene);
    for (const order of [{}, { branch: 'side' }, { hash }]) {
      const error = await scene.refuse('CONFLICT', /files that are not committed stand in/, order);
      const { files: named } = error.detail as { files: string[] };
      assert.deepEqual(named.toSorted(), expected);
    }
  });
}

test('names that UTF-8 cannot say are told apart by their bytes', async () => {
  await using scene = await createScene();
  const theirs = Buffer.from('caf\xe9', 'latin1');
  const tip = await scene.commit({ files: [[theirs, 'theirs']] });
  const root = Buffer.from(`${scene.copy}/`);
  // The same text with another byte is not in the way.
  await writeFile(Buffer.concat([root, Buffer.from('caf\xe8', 'latin1')]), 'mine');
  await writeFile(Buffer.concat([root, theirs]), 'mine');
  const error = await scene.refuse('CONFLICT', /stand in the way: "caf\ufffd";/);
  assert.deepEqual(error.detail, { files: ['caf\ufffd'] });
  await rm(Buffer.concat([root, theirs]));
  assert.equal((await scene.pull()).after, tip);
});

test('many files in the way are counted, and the first ten named', async () => {
  await using scene = await createScene();
  const files = Object.fromEntries(Array.from({ length: 25 }, (_, n) => [`f${n}`, 'theirs']));
  await scene.commit({ files });
  await scene.write(files);
  await scene.refuse('CONFLICT', /"f0", .*and 15 more;/);
});

test('unmerged files are refused, also when no merge is in progress', async () => {
  await using scene = await createScene();
  await scene.write({ a: lines('stashed') });
  await git(scene.copy, 'stash', '--quiet');
  await scene.commitHere({ files: { a: lines('committed') } });
  await git(scene.copy, 'push', '--quiet', 'origin', 'main');
  await assert.rejects(git(scene.copy, 'stash', 'pop', '--quiet'));
  await scene.commit({ files: { b: lines('theirs') } });
  for (const strategy of ['ff-only', 'merge', 'rebase'] as const) {
    await scene.refuse('CONFLICT', /stand in the way: "a"/, { strategy });
  }
});

for (const [operation, start] of [
  ['merge', ['merge', 'side']],
  ['rebase', ['rebase', 'side']],
  ['cherry-pick', ['cherry-pick', 'side']],
  ['revert', ['revert', 'side']],
] as const) {
  test(`a ${operation} in progress is refused by every strategy`, async () => {
    await using scene = await createScene();
    await writeCommit(scene.copy, {
      branch: 'side',
      parents: [scene.first],
      files: { a: lines('side') },
    });
    await scene.commitHere({ files: { a: lines('main') } });
    await assert.rejects(git(scene.copy, ...start));
    for (const strategy of ['ff-only', 'merge', 'rebase', 'reset'] as const) {
      const error = await scene.refuse('CONFLICT', /is in progress: finish or abort it first/, {
        strategy,
      });
      assert.deepEqual(error.detail, { operation: operation.toUpperCase().replace('-', '_') });
    }
  });
}

test('a bare repository is refused', async () => {
  await using scene = await createScene();
  const bare = await cloneRepository(scene.origin, scene.fixture.path('bare.git'), '--bare');
  const { git: door } = await openDoor(scene.fixture);
  await openScene(door, bare).refuse('BAD_USER_INPUT', /a bare repository has no working tree/);
});

test('a branch that is checked out in another working tree is refused', async () => {
  await using scene = await createScene();
  const linked = scene.fixture.path('linked');
  await git(scene.copy, 'worktree', 'add', '--quiet', '-b', 'side', linked);
  await scene.commit({ files: { a: lines('theirs') } });
  const there = await treeState(scene.copy);
  const { git: door } = await openDoor(scene.fixture);
  for (const strategy of ['ff-only', 'reset'] as const) {
    await openScene(door, linked).refuse('CONFLICT', /main is checked out in .*copy/, {
      branch: 'main',
      strategy,
    });
  }
  assert.deepEqual(await treeState(scene.copy), there);
});

test('a locked index fails and changes nothing', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs') } });
  await writeFile(join(scene.copy, '.git/index.lock'), '');
  const before = await treeState(scene.copy);
  const error = await scene.fail();
  assert.ok(error instanceof GitCommandError);
  assert.deepEqual(await treeState(scene.copy), before);
});
