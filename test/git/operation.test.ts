import assert from 'node:assert/strict';
import { join } from 'node:path';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { readOperation } from '../../src/git/operation.ts';
import { openRepository } from '../../src/git/repository.ts';
import {
  createFixture,
  git,
  initRepository,
  runGit,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';
import { readAsGitDoes } from './status-oracle.ts';

/** On `main`, and `side` has two commits that conflict with it. */
async function conflicting(fixture: Fixture): Promise<string> {
  const dir = await initRepository(fixture.path('copy'));
  const base = await writeCommit(dir, { files: { a: 'base\n' } });
  await writeCommit(dir, { branch: 'side', parents: [base], files: { a: 'side\n' } });
  await writeCommit(dir, { branch: 'side', files: { a: 'side again\n', b: 'side\n' } });
  await writeCommit(dir, { files: { a: 'main\n' } });
  await git(dir, 'reset', '--quiet', '--hard');
  return dir;
}

const STARTS = [
  ['merge', 'MERGE', ['merge', 'side'], ['merge', '--abort']],
  ['rebase', 'REBASE', ['rebase', 'side'], ['rebase', '--abort']],
  ['rebase with the apply backend', 'REBASE', ['rebase', '--apply', 'side'], ['rebase', '--abort']],
  ['interactive rebase', 'REBASE', ['rebase', '--exec', 'false', 'HEAD~1'], ['rebase', '--abort']],
  ['cherry-pick', 'CHERRY_PICK', ['cherry-pick', 'side'], ['cherry-pick', '--abort']],
  ['revert', 'REVERT', ['revert', 'side'], ['revert', '--abort']],
] as const;

for (const [title, operation, start, end] of STARTS) {
  test(`a ${title} that waits is ${operation}, and nothing once it was aborted`, async () => {
    await using fixture = await createFixture();
    const dir = await conflicting(fixture);
    const repository = await openRepository(dir);
    assert.equal(await readOperation(repository), null);
    await assert.rejects(git(dir, ...start));
    await readAsGitDoes(fixture, dir);
    assert.equal(await readOperation(repository), operation);
    await git(dir, ...end);
    assert.equal(await readOperation(repository), null);
  });
}

test('a mailbox that does not apply is APPLY_MAILBOX', async () => {
  await using fixture = await createFixture();
  const dir = await conflicting(fixture);
  const patch = await runGit(dir, ['format-patch', '--stdout', 'side~1..side']);
  await assert.rejects(runGit(dir, ['am', '--quiet'], { input: patch }));
  assert.equal(await readOperation(await openRepository(dir)), 'APPLY_MAILBOX');
});

test('a bisection is BISECT', async () => {
  await using fixture = await createFixture();
  const dir = await conflicting(fixture);
  await git(dir, 'bisect', 'start', 'side', 'side~2');
  assert.equal(await readOperation(await openRepository(dir)), 'BISECT');
  assert.equal((await readAsGitDoes(fixture, dir)).branch, null);
  await git(dir, 'bisect', 'reset');
  assert.equal(await readOperation(await openRepository(dir)), null);
});

for (const [command, operation] of [
  ['cherry-pick', 'CHERRY_PICK'],
  ['revert', 'REVERT'],
] as const) {
  test(`a series of ${command}s is still ${operation} when its first conflict was committed by hand`, async () => {
    await using fixture = await createFixture();
    const dir = await conflicting(fixture);
    const repository = await openRepository(dir);
    await assert.rejects(git(dir, command, 'side', 'side~1'));
    await writeFile(join(dir, 'a'), 'solved\n');
    await git(dir, 'commit', '--quiet', '--all', '--message=solved');
    assert.match(await git(dir, 'status'), /(?:Cherry-pick|Revert) currently in progress/);
    assert.equal(await readOperation(repository), operation);
    await git(dir, command, '--quit');
    assert.equal(await readOperation(repository), null);
  });
}

test('an operation belongs to the working tree it was started in', async () => {
  await using fixture = await createFixture();
  const dir = await conflicting(fixture);
  const linked = fixture.path('linked');
  await git(dir, 'worktree', 'add', '--quiet', '-b', 'third', linked);
  await assert.rejects(git(linked, 'merge', 'side'));
  assert.equal(await readOperation(await openRepository(linked)), 'MERGE');
  assert.equal(await readOperation(await openRepository(dir)), null);
  await readAsGitDoes(fixture, linked);
});

test('a squashed merge is no operation: git has nothing to finish', async () => {
  await using fixture = await createFixture();
  const dir = await conflicting(fixture);
  await git(dir, 'checkout', '--quiet', 'side~2');
  await git(dir, 'merge', '--quiet', '--squash', 'side');
  assert.equal(await readOperation(await openRepository(dir)), null);
});
