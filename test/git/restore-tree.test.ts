import assert from 'node:assert/strict';
import { mkdir, readFile, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openRepository } from '../../src/git/repository.ts';
import { restoreTree } from '../../src/git/restore-tree.ts';
import { createGit } from '../../src/git/git.ts';
import {
  cloneRepository,
  createFixture,
  exists,
  git,
  GIT_ENVIRONMENT,
  initRepository,
  writeCommit,
  type FileContent,
} from '../support/git-fixture.ts';

interface Scene extends AsyncDisposable {
  readonly copy: string;
  readonly before: string;
  readonly after: string;
  write(name: string, content: string): Promise<void>;
  read(name: string): Promise<string>;
  status(): Promise<string>;
  /** Restores to `before`, or to `after`. */
  restore(to?: 'before' | 'after'): Promise<{ count: number; left: string[] }>;
}

async function createScene(
  first: Record<string, FileContent>,
  second: Record<string, FileContent>,
): Promise<Scene> {
  const fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const before = await writeCommit(origin, { files: first });
  const copy = await cloneRepository(origin, fixture.path('copy'));
  const after = await writeCommit(origin, { files: second });
  await git(copy, 'fetch', '--quiet');
  const door = createGit({ host: { ...GIT_ENVIRONMENT }, maxChildren: 4 });
  const repository = await openRepository(copy);
  return {
    copy,
    before,
    after,
    write: async (name, content) => {
      await mkdir(join(copy, name, '..'), { recursive: true });
      await writeFile(join(copy, name), content);
    },
    read: async (name) => await readFile(join(copy, name), 'utf8'),
    status: async () => await git(copy, 'status', '--porcelain'),
    async restore(to = 'before') {
      const deps = { git: door, repository, signal: AbortSignal.timeout(60_000) };
      const { count, left } = await (to === 'before'
        ? restoreTree(deps, before, after)
        : restoreTree(deps, after, before));
      return { count, left: left.map(({ text }) => text) };
    },
    [Symbol.asyncDispose]: async () => {
      await fixture[Symbol.asyncDispose]();
    },
  };
}

const FIRST = {
  changed: 'one one\n',
  gone: 'one\n',
  torn: 'one\n',
  missing: 'one\n',
  same: 'same\n',
};
const SECOND = {
  changed: 'two two\n',
  gone: null,
  torn: 'two and more\n',
  missing: 'two\n',
  'new/deep': 'two\n',
};

test('files that are the other side’s, missing or half written are put right, and nothing else is touched', async () => {
  await using scene = await createScene(FIRST, SECOND);
  await scene.write('changed', 'two two\n');
  await scene.write('new/deep', 'two\n');
  await scene.write('torn', 'two an');
  await rm(join(scene.copy, 'missing'));
  await rm(join(scene.copy, 'gone'));
  await scene.write('same', 'mine\n');
  await scene.write('untracked', 'mine\n');
  assert.deepEqual(await scene.restore(), { count: 5, left: [] });
  assert.equal(await scene.status(), ' M same\n?? untracked');
  assert.equal(await exists(join(scene.copy, 'new')), false);
  assert.deepEqual(await scene.restore(), { count: 0, left: [] });
});

test('an index that was written already follows, and what somebody staged since stays', async () => {
  await using scene = await createScene(FIRST, SECOND);
  await git(scene.copy, 'read-tree', '-m', '-u', 'HEAD', scene.after);
  await scene.write('missing', 'staged\n');
  await git(scene.copy, 'add', 'missing');
  assert.deepEqual(await scene.restore(), { count: 4, left: ['missing'] });
  assert.equal(await scene.status(), 'M  missing');
  assert.equal(await scene.read('missing'), 'staged\n');
});

test('what neither commit has is somebody’s work, and stays', async () => {
  await using scene = await createScene(FIRST, SECOND);
  await scene.write('changed', 'edited since\n');
  await scene.write('new/deep', 'written since\n');
  const { left } = await scene.restore();
  assert.deepEqual(left.toSorted(), ['changed', 'new/deep']);
  assert.equal(await scene.read('changed'), 'edited since\n');
  assert.equal(await scene.read('new/deep'), 'written since\n');
});

test('it goes forward, too', async () => {
  await using scene = await createScene(FIRST, SECOND);
  await git(scene.copy, 'update-ref', 'HEAD', scene.after);
  await scene.write('changed', 'two two\n');
  assert.equal((await scene.restore('after')).left.length, 0);
  assert.equal(await scene.status(), '');
});

test('a folder that somebody put in a file’s place is not removed', async () => {
  await using scene = await createScene(FIRST, SECOND);
  await rm(join(scene.copy, 'changed'));
  await scene.write('changed/mine', 'mine\n');
  assert.deepEqual((await scene.restore()).left, ['changed']);
  assert.equal(await scene.read('changed/mine'), 'mine\n');
});

test('nothing is written or removed behind a link', async () => {
  await using scene = await createScene(
    { 'dir/file': 'one\n' },
    { 'dir/file': 'two\n', 'dir/new': 'two\n' },
  );
  const outside = join(scene.copy, '../outside');
  await mkdir(outside);
  await writeFile(join(outside, 'file'), 'two\n');
  await writeFile(join(outside, 'new'), 'two\n');
  await rm(join(scene.copy, 'dir'), { recursive: true });
  await symlink(outside, join(scene.copy, 'dir'));
  await scene.restore();
  assert.equal(await readFile(join(outside, 'file'), 'utf8'), 'two\n');
  assert.equal(await readFile(join(outside, 'new'), 'utf8'), 'two\n');
});

test('a file and a folder change places', async () => {
  await using scene = await createScene({ turn: 'file\n' }, { turn: null, 'turn/in': 'x\n' });
  await git(scene.copy, 'read-tree', '-m', '-u', 'HEAD', scene.after);
  assert.deepEqual((await scene.restore()).left, []);
  assert.equal(await scene.status(), '');
  assert.equal(await scene.read('turn'), 'file\n');
});

test('line ends are those that the configuration asks for', async () => {
  await using scene = await createScene({ text: 'one\n' }, { text: 'two\nmore\n' });
  await git(scene.copy, 'config', 'core.autocrlf', 'true');
  await scene.write('text', 'two\r\nmo');
  assert.deepEqual(await scene.restore(), { count: 1, left: [] });
  assert.equal(await scene.read('text'), 'one\r\n');
});
