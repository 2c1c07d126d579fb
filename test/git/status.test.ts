import assert from 'node:assert/strict';
import { chmod, mkdir, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { isDirty } from '../../src/git/status.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';
import { linesOf, readAsGitDoes } from './status-oracle.ts';

const POEM = Array.from({ length: 20 }, (_, line) => `line ${line}\n`).join('');

/** A working copy with a commit of a few files, checked out. */
async function checkedOut(fixture: Fixture): Promise<string> {
  const dir = await initRepository(fixture.path('copy'));
  await writeCommit(dir, {
    files: { 'a.txt': 'a\n', 'b.txt': 'b\n', poem: POEM, 'sub/c.txt': 'c\n' },
  });
  await git(dir, 'reset', '--quiet', '--hard');
  return dir;
}

test('a clean working copy has no entries and is not dirty', async () => {
  await using fixture = await createFixture();
  const status = await readAsGitDoes(fixture, await checkedOut(fixture));
  assert.deepEqual(linesOf(status), []);
  assert.equal(isDirty(status), false);
  assert.equal(status.branch, 'main');
  assert.equal(status.upstream, null);
});

test('untracked files are listed one by one, ignored ones are not, and neither makes the tree dirty', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await mkdir(join(dir, 'new/deep'), { recursive: true });
  await writeFile(join(dir, 'new/deep/1'), '');
  await writeFile(join(dir, 'new/2'), '');
  await writeFile(join(dir, '.git/info-is-not-exclude'), '');
  await mkdir(join(dir, '.git/info'), { recursive: true });
  await writeFile(join(dir, '.git/info/exclude'), '*.log\n');
  await writeFile(join(dir, 'x.log'), '');
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), ['?? new/2', '?? new/deep/1']);
  assert.equal(isDirty(status), false);
});

test('modified, staged, both, deleted, deleted and staged, and added are told apart', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await writeFile(join(dir, 'a.txt'), 'staged\n');
  await writeFile(join(dir, 'added'), 'added\n');
  await git(dir, 'add', 'a.txt', 'added');
  await writeFile(join(dir, 'a.txt'), 'and then changed\n');
  await writeFile(join(dir, 'b.txt'), 'changed\n');
  await unlink(join(dir, 'poem'));
  await git(dir, 'rm', '--quiet', 'sub/c.txt');
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), [
    'MM a.txt',
    'A. added',
    '.M b.txt',
    '.D poem',
    'D. sub/c.txt',
  ]);
  assert.equal(isDirty(status), true);
});

test('a staged rename has its old path, also when the file was changed since', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await git(dir, 'mv', 'poem', 'sub/verse');
  await writeFile(join(dir, 'sub/verse'), `${POEM}one more line\n`);
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), ['RM sub/verse <- poem']);
});

test('a rename that is not staged is found through intent-to-add', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await rename(join(dir, 'poem'), join(dir, 'verse'));
  await git(dir, 'add', '--intent-to-add', 'verse');
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), ['.R verse <- poem']);
});

test('a changed mode and a changed type are told apart', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await chmod(join(dir, 'a.txt'), 0o755);
  await unlink(join(dir, 'b.txt'));
  await symlink('a.txt', join(dir, 'b.txt'));
  await unlink(join(dir, 'poem'));
  await symlink('a.txt', join(dir, 'poem'));
  await git(dir, 'add', 'poem');
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), ['.M a.txt', '.T b.txt', 'T. poem']);
});

test('a folder that became a symbolic link is a deletion and an untracked link', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await rename(join(dir, 'sub'), fixture.path('elsewhere'));
  await symlink(fixture.path('elsewhere'), join(dir, 'sub'));
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), ['.D sub/c.txt', '?? sub']);
});

test('unmerged paths say who did what', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  const base = await git(dir, 'rev-parse', 'HEAD');
  await writeCommit(dir, {
    branch: 'side',
    parents: [base],
    files: { 'a.txt': 'theirs\n', 'b.txt': null, poem: 'theirs\n', both: 'theirs\n' },
  });
  await writeCommit(dir, {
    files: { 'a.txt': 'ours\n', 'b.txt': 'ours\n', poem: null, both: 'ours\n' },
  });
  await git(dir, 'reset', '--quiet', '--hard');
  await assert.rejects(git(dir, 'merge', 'side'));
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), ['UU a.txt', 'UD b.txt', 'AA both', 'DU poem']);
  assert.ok(status.entries.every((entry) => entry.isUnmerged));
});

test('an unborn branch has a name, no commit, and staged files', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'), { branch: 'trunk' });
  await writeFile(join(dir, 'a'), 'a');
  await git(dir, 'add', 'a');
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(linesOf(status), ['A. a']);
  assert.equal(status.branch, 'trunk');
  assert.equal(status.head, null);
});

test('a clone of an empty repository has an upstream that is not there yet', async () => {
  await using fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const dir = await cloneRepository(origin, fixture.path('copy'));
  const status = await readAsGitDoes(fixture, dir);
  assert.equal(status.branch, 'main');
  assert.equal(status.head, null);
  assert.deepEqual(status.upstream, { name: 'origin/main', ahead: null, behind: null });
});

test('ahead and behind are counted, and null when the upstream is gone', async () => {
  await using fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const base = await writeCommit(origin, { files: { a: '1' } });
  const dir = await cloneRepository(origin, fixture.path('copy'));
  await writeCommit(origin, { files: { a: '2' } });
  await writeCommit(origin, { files: { a: '3' } });
  await git(dir, 'fetch', '--quiet');
  const behind = await readAsGitDoes(fixture, dir);
  assert.deepEqual(behind.upstream, { name: 'origin/main', ahead: 0, behind: 2 });
  await writeCommit(dir, { parents: [base], files: { b: '1' } });
  await git(dir, 'reset', '--quiet', '--hard');
  const diverged = await readAsGitDoes(fixture, dir);
  assert.deepEqual(diverged.upstream, { name: 'origin/main', ahead: 1, behind: 2 });
  await git(dir, 'update-ref', '-d', 'refs/remotes/origin/main');
  const gone = await readAsGitDoes(fixture, dir);
  assert.deepEqual(gone.upstream, { name: 'origin/main', ahead: null, behind: null });
});

test('ahead and behind are counted although the configuration says not to', async () => {
  await using fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  await writeCommit(origin, { files: { a: '1' } });
  const dir = await cloneRepository(origin, fixture.path('copy'));
  await writeCommit(dir, { files: { a: '2' } });
  await git(dir, 'reset', '--quiet', '--hard');
  await git(dir, 'config', 'status.aheadBehind', 'false');
  const status = await readAsGitDoes(fixture, dir);
  assert.deepEqual(status.upstream, { name: 'origin/main', ahead: 1, behind: 0 });
});

test('configuration that changes what people see of a status changes nothing of ours', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await git(dir, 'mv', 'poem', 'verse');
  await writeFile(join(dir, 'new'), '');
  await writeFile(join(dir, 'a.txt'), 'stashed');
  await git(dir, 'stash', '--quiet');
  await git(dir, 'mv', 'poem', 'verse');
  const plain = await readAsGitDoes(fixture, dir);
  for (const [key, value] of [
    ['status.showUntrackedFiles', 'no'],
    ['status.renames', 'false'],
    ['status.short', 'true'],
    ['status.branch', 'false'],
    ['status.showStash', 'true'],
    ['status.relativePaths', 'false'],
    ['core.quotePath', 'true'],
    ['color.status', 'always'],
    ['color.ui', 'always'],
    ['column.status', 'always'],
    ['core.commentChar', '%'],
  ] as const) {
    await git(dir, 'config', key, value);
  }
  assert.deepEqual(await readAsGitDoes(fixture, dir), plain);
});

test('a branch that is called (detached) is not taken for a detached HEAD', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await git(dir, 'checkout', '--quiet', '-b', '(detached)');
  assert.equal((await readAsGitDoes(fixture, dir)).branch, '(detached)');
  await git(dir, 'checkout', '--quiet', '--detach');
  assert.equal((await readAsGitDoes(fixture, dir)).branch, null);
});

test('branches with names that resemble something else are read as git reads them', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  const id = await git(dir, 'rev-parse', 'HEAD');
  for (const name of [
    '(initial)',
    'heads/main',
    'refs/heads/main',
    'HEAD',
    id,
    'feature/ü',
    '(x)',
    '分支',
    '🚀',
  ]) {
    await git(dir, 'update-ref', `refs/heads/${name}`, id);
    await git(dir, 'symbolic-ref', 'HEAD', `refs/heads/${name}`);
    assert.equal((await readAsGitDoes(fixture, dir)).branch, name);
  }
});

test('file names of every kind come out byte for byte', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  const names = [
    ' leading and trailing ',
    'tab\there',
    'new\nline',
    'carriage\rreturn',
    '"quoted"',
    "it's",
    'back\\slash',
    'ü/日本語/文件.txt',
    '🚀',
    'e\u0301 decomposed',
    '-dash',
    '--option=value',
    ':(glob)*',
    '*?[x]',
    '# comment',
    'a -> b',
    '\u0001\u007f',
    '1 .M N... 100644',
  ].map((name) => Buffer.from(name));
  names.push(Buffer.from([0xff, 0xfe, 0x20, 0x80]), Buffer.from('caf\xe9.txt', 'latin1'));
  const added = names.map((name) => [name, 'one\n'] as const);
  const renamed = Buffer.from('renamed \xff\n', 'latin1');
  await writeCommit(dir, { files: [...added, [renamed, POEM]] });
  await git(dir, 'reset', '--quiet', '--hard');
  const root = Buffer.from(`${dir}/`);
  for (const name of names) await writeFile(Buffer.concat([root, name]), 'two\n');
  for (const name of names) await writeFile(Buffer.concat([root, name, Buffer.from('~')]), 'new\n');
  await rename(Buffer.concat([root, renamed]), Buffer.concat([root, renamed, Buffer.from('2')]));
  await git(dir, 'add', '--intent-to-add', ':(glob)renamed*2');
  const status = await readAsGitDoes(fixture, dir);
  const lines = linesOf(status);
  for (const name of names.map((each) => each.toString('latin1'))) {
    assert.ok(lines.includes(`.M ${name}`), name);
    assert.ok(lines.includes(`?? ${name}~`), name);
  }
  assert.ok(lines.includes('.R renamed \xff\n2 <- renamed \xff\n'));
  assert.equal(lines.length, 2 * names.length + 1);
});

test('a name that UTF-8 cannot say has its bytes beside the text', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  await writeFile(Buffer.concat([Buffer.from(`${dir}/`), Buffer.from('caf\xe9', 'latin1')]), '');
  await writeFile(join(dir, 'plain'), '');
  const { untracked } = await readAsGitDoes(fixture, dir);
  assert.deepEqual(untracked, [
    { text: 'caf\ufffd', raw: Buffer.from('caf\xe9', 'latin1') },
    { text: 'plain' },
  ]);
});

test('a repository inside the working tree is one untracked folder', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  const inner = await initRepository(join(dir, 'inner'));
  await writeCommit(inner, { files: { a: 'a' } });
  await git(inner, 'reset', '--quiet', '--hard');
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), ['?? inner/']);
});

test('a status is read without writing the index or taking its lock', async () => {
  await using fixture = await createFixture();
  const dir = await checkedOut(fixture);
  await rm(join(dir, 'a.txt'));
  await writeFile(join(dir, 'a.txt'), 'a\n');
  await writeFile(join(dir, '.git/index.lock'), '');
  assert.deepEqual(linesOf(await readAsGitDoes(fixture, dir)), []);
});
