import assert from 'node:assert/strict';
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { AppError } from '../../src/error.ts';
import { readHead } from '../../src/git/head.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  runGit,
  runProgram,
  writeCommit,
} from '../support/git-fixture.ts';
import { readStatus } from '../../src/git/status.ts';
import { headOfGit, linesOf, readAsGitDoes } from './status-oracle.ts';

/** git's own answer to where the parts of a repository lie. */
async function partsOfGit(dir: string): Promise<{ gitDir: string; commonDir: string }> {
  const printed = await git(
    dir,
    'rev-parse',
    '--path-format=absolute',
    '--git-dir',
    '--git-common-dir',
  );
  const [gitDir = '', commonDir = ''] = printed.split('\n');
  return { gitDir, commonDir };
}

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`a bare ${objectFormat} repository has no working tree, and its HEAD is read`, async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture);
    const dir = await initRepository(fixture.path('bare.git'), { bare: true, objectFormat });
    const repository = await openRepository(dir);
    assert.deepEqual(repository, { path: dir, gitDir: dir, commonDir: dir, workTree: null });
    assert.deepEqual(await readHead(door, repository, untilDone), { branch: 'main', oid: null });
    const tip = await writeCommit(dir);
    assert.deepEqual(await readHead(door, repository, untilDone), { branch: 'main', oid: tip });
    await git(dir, 'update-ref', '--no-deref', 'HEAD', tip);
    assert.deepEqual(await readHead(door, repository, untilDone), { branch: null, oid: tip });
  });

  test(`a ${objectFormat} working tree is read as git reads it`, async () => {
    await using fixture = await createFixture();
    const dir = await initRepository(fixture.path('copy'), { objectFormat });
    await readAsGitDoes(fixture, dir);
    const tip = await writeCommit(dir, { files: { a: '1', b: '1' } });
    await git(dir, 'reset', '--quiet', '--hard');
    await writeFile(join(dir, 'a'), '2');
    await writeFile(join(dir, 'c'), '2');
    await git(dir, 'mv', 'b', 'd');
    const status = await readAsGitDoes(fixture, dir);
    assert.equal(status.head, tip);
    assert.deepEqual(linesOf(status), ['.M a', 'R. d <- b', '?? c']);
    const repository = await openRepository(dir);
    assert.deepEqual(repository, { path: dir, workTree: dir, ...(await partsOfGit(dir)) });
    await git(dir, 'checkout', '--quiet', '--detach');
    assert.equal((await readAsGitDoes(fixture, dir)).branch, null);
  });
}

test('a linked working tree has a git directory of its own and shares the rest', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  await writeCommit(dir, { files: { a: '1' } });
  await git(dir, 'reset', '--quiet', '--hard');
  const linked = fixture.path('linked\ttree ü');
  await git(dir, 'worktree', 'add', '--quiet', '-b', 'side', linked);
  await writeFile(join(linked, 'a'), '2');
  const repository = await openRepository(linked);
  assert.deepEqual(repository, { path: linked, workTree: linked, ...(await partsOfGit(linked)) });
  assert.equal(repository.commonDir, join(dir, '.git'));
  const status = await readAsGitDoes(fixture, linked);
  assert.equal(status.branch, 'side');
  assert.deepEqual(linesOf(status), ['.M a']);
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), []);
});

test('a linked working tree of a bare repository is no bare repository', async () => {
  await using fixture = await createFixture();
  const bare = await initRepository(fixture.path('bare.git'), { bare: true });
  await writeCommit(bare, { files: { a: '1' } });
  const linked = fixture.path('linked');
  await git(bare, 'worktree', 'add', '--quiet', '-b', 'side', linked);
  assert.equal((await readAsGitDoes(fixture, linked)).branch, 'side');
});

test('a repository with a separate git directory, or one behind a link, is read as git reads it', async () => {
  await using fixture = await createFixture();
  const dir = fixture.path('copy');
  await git(
    fixture.dir,
    'init',
    '--quiet',
    '--initial-branch=main',
    `--separate-git-dir=${fixture.path('elsewhere')}`,
    dir,
  );
  await writeCommit(dir, { files: { a: '1' } });
  const repository = await openRepository(dir);
  assert.equal(repository.gitDir, fixture.path('elsewhere'));
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), ['D. a']);
  await rm(join(dir, '.git'));
  await symlink(fixture.path('elsewhere'), join(dir, '.git'));
  assert.deepEqual(await openRepository(dir), repository);
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), ['D. a']);
});

test('a path through a symbolic link is resolved', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  await symlink(dir, fixture.path('link'));
  const repository = await openRepository(fixture.path('link'));
  assert.equal(repository.path, dir);
  assert.equal(repository.gitDir, join(dir, '.git'));
  await readAsGitDoes(fixture, fixture.path('link'));
});

test('a submodule is a repository, and its state shows in the one around it', async () => {
  await using fixture = await createFixture();
  const library = await initRepository(fixture.path('library'));
  await writeCommit(library, { files: { a: '1' } });
  const dir = await initRepository(fixture.path('copy'));
  await writeCommit(dir, { files: { x: '1' } });
  await git(dir, 'reset', '--quiet', '--hard');
  const sub = join(dir, 'sub dir');
  await git(
    dir,
    '-c',
    'protocol.file.allow=always',
    'submodule',
    '--quiet',
    'add',
    library,
    'sub dir',
  );
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), ['A. .gitmodules', 'A. sub dir']);
  await git(dir, 'commit', '--quiet', '--message=sub');
  const repository = await openRepository(sub);
  assert.deepEqual(repository, { path: sub, workTree: sub, ...(await partsOfGit(sub)) });

  await writeFile(join(sub, 'a'), 'changed');
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, sub)), ['.M a']);
  const changed = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(changed), ['.M sub dir']);
  assert.deepEqual(
    changed.entries.map((entry) => entry.isSubmodule),
    [true],
  );

  await git(sub, 'commit', '--quiet', '--all', '--message=moved');
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), ['.M sub dir']);
  await git(dir, 'add', 'sub dir');
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), ['M. sub dir']);
  await writeFile(join(sub, 'untracked'), '');
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), ['MM sub dir']);
});

test('a shallow clone answers', async () => {
  await using fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  for (const a of ['1', '2', '3']) await writeCommit(origin, { files: { a } });
  const dir = await cloneRepository(`file://${origin}`, fixture.path('copy'), '--depth=1');
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(status.upstream, { name: 'origin/main', ahead: 0, behind: 0 });
  assert.equal(await git(dir, 'rev-list', '--count', 'HEAD'), '1');
});

test('a HEAD that is ambiguous, points outside the branches, or at a missing commit is read as git reads it', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('bare.git'), { bare: true });
  const tip = await writeCommit(dir);
  const repository = await openRepository(dir);
  const read = async () => await readHead(door, repository, untilDone);

  await git(dir, 'update-ref', 'refs/tags/HEAD', tip);
  await git(dir, 'update-ref', 'refs/heads/HEAD', tip);
  assert.deepEqual(await read(), { branch: 'main', oid: tip });
  await git(dir, 'symbolic-ref', 'HEAD', 'refs/heads/HEAD');
  assert.deepEqual(await read(), { branch: 'HEAD', oid: tip });
  await git(dir, 'update-ref', '--no-deref', 'HEAD', tip);
  assert.deepEqual(await read(), { branch: null, oid: tip });
  await git(dir, 'symbolic-ref', 'HEAD', 'refs/remotes/origin/main');
  assert.deepEqual(await read(), { branch: null, oid: null });
  await git(dir, 'symbolic-ref', 'HEAD', 'refs/heads/unborn');
  assert.deepEqual(await read(), { branch: 'unborn', oid: null });

  await git(dir, 'update-ref', '-d', 'refs/tags/HEAD');
  await git(dir, 'update-ref', '-d', 'refs/heads/HEAD');
  const missing = '1'.repeat(40);
  await writeFile(join(dir, 'refs/heads/broken'), `${missing}\n`);
  await git(dir, 'symbolic-ref', 'HEAD', 'refs/heads/broken');
  assert.deepEqual(await read(), await headOfGit(dir));
  assert.equal((await read()).oid, missing);
});

test('a branch whose file is damaged is an error, not an unborn branch', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('bare.git'), { bare: true });
  await writeFile(join(dir, 'refs/heads/main'), 'garbage\n');
  const repository = await openRepository(dir);
  await assert.rejects(readHead(door, repository, untilDone), { name: 'GitCommandError' });
});

test('what is no repository is NOT_FOUND', async () => {
  await using fixture = await createFixture();
  const refused = async (path: string, message: RegExp): Promise<void> => {
    await assert.rejects(openRepository(path), (error) => {
      assert.ok(error instanceof AppError);
      assert.equal(error.code, 'NOT_FOUND');
      assert.match(error.message, message);
      return true;
    });
  };
  await refused(fixture.path('missing'), /does not exist/);
  await mkdir(fixture.path('empty/.git'), { recursive: true });
  await refused(fixture.path('empty'), /has no HEAD/);
  await writeFile(fixture.path('file'), '');
  await refused(fixture.path('file'), /is not a git repository/);

  await mkdir(fixture.path('dangling'));
  for (const content of [
    '',
    'gitdir:',
    'nonsense',
    `gitdir: ${fixture.path('nowhere')}\n`,
    'gitdir: .\n',
  ]) {
    await writeFile(fixture.path('dangling/.git'), content);
    await refused(fixture.path('dangling'), /does not name|which does not exist|has no HEAD/);
  }
});

test('a folder below a repository is not that repository', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  await mkdir(join(dir, 'below'));
  await assert.rejects(openRepository(join(dir, 'below')), { code: 'NOT_FOUND' });
});

test('a linked working tree whose repository has moved away is NOT_FOUND', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  await writeCommit(dir);
  const linked = fixture.path('linked');
  await git(dir, 'worktree', 'add', '--quiet', linked, '-b', 'side');
  const { gitDir } = await openRepository(linked);
  await writeFile(join(gitDir, 'commondir'), '../../nowhere\n');
  await assert.rejects(openRepository(linked), { code: 'NOT_FOUND' });
  await writeFile(join(gitDir, 'commondir'), '../..\n');
  await openRepository(linked);
  await rename(dir, fixture.path('moved'));
  await assert.rejects(openRepository(linked), { code: 'NOT_FOUND' });
});

test('opening starts no child and writes nothing', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  const before = await readFile(join(dir, '.git/config'));
  await openRepository(dir);
  assert.deepEqual(await readFile(join(dir, '.git/config')), before);
  assert.equal((await runGit(dir, ['status', '--porcelain'])).length, 0);
});

const isRoot = process.getuid?.() === 0;

test(
  'a repository of another user is read, for the configuration names it',
  { skip: !isRoot },
  async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture);
    const dir = await initRepository(fixture.path('copy'));
    const tip = await writeCommit(dir, { files: { a: '1' } });
    await git(dir, 'reset', '--quiet', '--hard');
    const linked = fixture.path('linked');
    await git(dir, 'worktree', 'add', '--quiet', '-b', 'side', linked);
    await runProgram('chown', '-R', '12345', dir, linked);
    await assert.rejects(git(dir, 'status'), /dubious ownership/);
    for (const path of [dir, linked]) {
      const repository = await openRepository(path);
      assert.equal((await readStatus(door, repository, untilDone)).head, tip);
      assert.equal((await readHead(door, repository, untilDone)).oid, tip);
      await door.operate(
        repository,
        { signal: untilDone, onOutput: () => undefined },
        async (simple) => {
          await simple.raw(['status']);
        },
      );
    }
  },
);
