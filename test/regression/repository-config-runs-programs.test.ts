/**
 * The attack: a repository's own .git/config (of an unpacked archive, a shared folder, a submodule)
 * names programs: core.fsmonitor runs on a plain `git status`, core.hooksPath and hooks on anything
 * that writes, diff.external and textconv on a diff, gpg.program where signatures are shown, a pager,
 * an alias over a command's name, a remote helper for an object that a partial clone lacks.
 *
 * Looking at a repository (status, HEAD, refs, diffs, a rehearsed merge, a snapshot) runs none of
 * them. What `git status` must run to answer at all, a clean filter that .gitattributes ask for, is
 * not covered: it decides what a file's content is.
 */
import assert from 'node:assert/strict';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { listTreeChanges } from '../../src/git/diff.ts';
import { readHead } from '../../src/git/head.ts';
import { findRefs, isReachable, listRemotes } from '../../src/git/ref.ts';
import { openRepository } from '../../src/git/repository.ts';
import { countDivergence } from '../../src/git/revision.ts';
import { saveSnapshot } from '../../src/git/snapshot.ts';
import { readStatus } from '../../src/git/status.ts';
import { writeScript } from '../support/fake-git.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  createFixture,
  exists,
  git,
  GIT_ENVIRONMENT,
  initRepository,
  runGit,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';

/** A program that leaves a file called NAME in the folder `ran`. */
async function trap(fixture: Fixture, name: string): Promise<string> {
  return await writeScript(
    fixture.path('traps', name),
    `mkdir -p '${fixture.path('ran')}'`,
    `touch '${fixture.path('ran', name)}'`,
  );
}

async function whatRan(fixture: Fixture): Promise<string[]> {
  return (await exists(fixture.path('ran'))) ? await readdir(fixture.path('ran')) : [];
}

/** Configures every program that a repository can name, and every hook there is. */
async function armRepository(fixture: Fixture, dir: string, gitDir: string): Promise<void> {
  for (const [key, name] of [
    ['core.fsmonitor', 'fsmonitor'],
    ['core.pager', 'pager'],
    ['pager.status', 'pager-status'],
    ['core.editor', 'editor'],
    ['core.sshCommand', 'ssh'],
    ['core.askPass', 'askpass'],
    ['core.gitProxy', 'proxy'],
    ['core.alternateRefsCommand', 'alternates'],
    ['diff.external', 'diff-external'],
    ['diff.trap.command', 'diff-command'],
    ['diff.trap.textconv', 'textconv'],
    ['gpg.program', 'gpg'],
    ['gpg.ssh.program', 'gpg-ssh'],
    ['credential.helper', 'credential'],
    ['uploadpack.packObjectsHook', 'pack-objects'],
  ] as const) {
    await git(dir, 'config', key, await trap(fixture, name));
  }
  for (const command of [
    'status',
    'rev-parse',
    'for-each-ref',
    'diff-tree',
    'merge-tree',
    'rev-list',
  ]) {
    await git(dir, 'config', `alias.${command}`, `!${await trap(fixture, `alias-${command}`)}`);
  }
  await git(dir, 'config', 'log.showSignature', 'true');
  await git(dir, 'config', 'core.hooksPath', fixture.path('hooks'));
  for (const hook of [
    'post-index-change',
    'reference-transaction',
    'pre-commit',
    'fsmonitor-watchman',
    'pre-auto-gc',
  ]) {
    await writeScript(fixture.path('hooks', hook), await trap(fixture, `hook-${hook}`));
    await writeScript(join(gitDir, 'hooks', hook), await trap(fixture, `own-hook-${hook}`));
  }
}

test('a plain git does run such programs', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  await armRepository(fixture, dir, join(dir, '.git'));
  await git(dir, 'status');
  assert.deepEqual(await whatRan(fixture), ['fsmonitor']);
});

test('looking at a repository runs no program that it names', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('copy'));
  const base = await writeCommit(dir, { files: { a: '1\n', '.gitattributes': '* diff=trap\n' } });
  const ours = await writeCommit(dir, { files: { a: '2\n' } });
  const theirs = await writeCommit(dir, { branch: 'side', parents: [base], files: { b: '1\n' } });
  await git(dir, 'reset', '--quiet', '--hard');
  await writeFile(join(dir, 'a'), '3\n');
  await writeFile(join(dir, 'new'), '3\n');
  await armRepository(fixture, dir, join(dir, '.git'));
  const repository = await openRepository(dir);
  const status = await readStatus(door, repository, untilDone);
  assert.deepEqual(
    status.entries.map((entry) => entry.path.text),
    ['a'],
  );
  await readHead(door, repository, untilDone);
  await findRefs(door, repository, ['refs/heads/main'], untilDone);
  await listRemotes(door, repository, untilDone);
  await isReachable(door, repository, base, untilDone);
  await listTreeChanges(door, repository, base, theirs, untilDone, { findRenames: true });
  await countDivergence(door, repository, ours, theirs, untilDone);
  const read = { intent: 'read', signal: untilDone } as const;
  await door.run(repository, ['merge-tree', '--write-tree', ours, theirs], read);
  const content = {
    head: ours,
    untracked: [{ text: 'new' }],
    assumedUnchanged: [],
    commits: [],
    message: 'm',
  };
  await saveSnapshot(door, repository, 'refs/gitagent/saved/1', content, untilDone);
  assert.deepEqual(await whatRan(fixture), []);
});

test('the status of a repository runs no program that its submodule names', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const library = await initRepository(fixture.path('library'));
  await writeCommit(library, { files: { a: '1' } });
  const dir = await initRepository(fixture.path('copy'));
  await git(dir, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', library, 'sub');
  await git(dir, 'commit', '--quiet', '--message=sub');
  const sub = join(dir, 'sub');
  await writeFile(join(sub, 'a'), 'changed');
  await armRepository(fixture, sub, join(dir, '.git/modules/sub'));
  const status = await readStatus(door, await openRepository(dir), untilDone);
  assert.deepEqual(
    status.entries.map((entry) => entry.path.text),
    ['sub'],
  );
  assert.deepEqual(await whatRan(fixture), []);
});

for (const [title, url, config] of [
  [
    'the file transport with an upload-pack of its own',
    'ORIGIN',
    { 'remote.origin.uploadpack': 'TRAP' },
  ],
  ['a remote helper', 'ext::TRAP', { 'protocol.ext.allow': 'always', 'protocol.allow': 'always' }],
  ['ssh', 'ssh://host/x', { 'core.sshCommand': 'TRAP' }],
] as const) {
  test(`a read that lacks an object of a partial clone does not fetch it over ${title}`, async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture);
    const origin = await initRepository(fixture.path('origin.git'), { bare: true });
    const first = await writeCommit(origin, { files: { a: '1\n2\n3\n4\n' } });
    const second = await writeCommit(origin, { files: { a: null, b: '1\n2\n3\n5\n' } });
    await git(origin, 'config', 'uploadpack.allowFilter', 'true');
    const dir = fixture.path('copy');
    await runGit('/', [
      'clone',
      '--quiet',
      '--bare',
      '--filter=blob:none',
      `file://${origin}`,
      dir,
    ]);
    const program = await trap(fixture, 'transport');
    await git(
      dir,
      'config',
      'remote.origin.url',
      url.replace('ORIGIN', origin).replace('TRAP', program),
    );
    for (const [key, value] of Object.entries(config)) {
      await git(dir, 'config', key, value.replace('TRAP', program));
    }
    // Similar files are only found by reading both, which this clone does not have.
    const reading = listTreeChanges(door, await openRepository(dir), first, second, untilDone, {
      findRenames: true,
    });
    await reading.catch((error: unknown) => {
      assert.equal((error as Error).name, 'GitCommandError');
    });
    assert.deepEqual(await whatRan(fixture), []);
    // That it was no empty threat: git alone does run it.
    const alone = { ...GIT_ENVIRONMENT, GIT_ALLOW_PROTOCOL: 'file:ext:ssh' };
    await runGit(dir, ['diff-tree', '-r', '-M', first, second], { env: alone, exitCodes: [128] });
    assert.deepEqual(await whatRan(fixture), ['transport']);
  });
}
