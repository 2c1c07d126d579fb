import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listTreeChanges } from '../../src/git/diff.ts';
import { openRepository } from '../../src/git/repository.ts';
import { countDivergence } from '../../src/git/revision.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  createFixture,
  initRepository,
  runGit,
  writeCommit,
  type FileContent,
} from '../support/git-fixture.ts';
import { bytesOf } from './status-oracle.ts';

const POEM = Array.from({ length: 20 }, (_, line) => `line ${line}\n`).join('');

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`the changes between two ${objectFormat} commits are those that git lists, byte for byte`, async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture);
    const dir = await initRepository(fixture.path('bare.git'), { bare: true, objectFormat });
    const odd = Buffer.from('caf\xe9 \t"\\\n', 'latin1');
    const before: [string | Buffer, FileContent][] = [
      ['same', 'same'], ['changed', '1'], ['gone', '1'], ['moved', POEM], [odd, POEM.toUpperCase()],
      ['link', '1'], ['mode', '1'], ['folder/file', '1'], ['file', '1'],
    ]; // prettier-ignore
    const after: [string | Buffer, FileContent][] = [
      ['changed', '2'], ['gone', null], ['moved', null], ['deep/moved', `${POEM}more\n`], [odd, null],
      [Buffer.concat([odd, odd]), POEM.toUpperCase()], ['link', { mode: '120000', content: 'same' }],
      ['mode', { mode: '100755', content: '1' }], ['folder/file', null], ['folder', '1'], ['file', null],
      ['file/inside', '1'], ['new', ''],
    ]; // prettier-ignore
    const from = await writeCommit(dir, { files: before });
    const to = await writeCommit(dir, { files: after });
    const repository = await openRepository(dir);
    for (const findRenames of [true, false]) {
      const changes = await listTreeChanges(door, repository, from, to, untilDone, { findRenames });
      const flag = findRenames ? '--find-renames' : '--no-renames';
      const printed = await runGit(dir, ['diff-tree', '-r', '-z', '--name-status', flag, from, to]);
      const ours = changes.flatMap(({ letter, previousPath, path }) =>
        previousPath === undefined
          ? [letter, bytesOf(path)]
          : [letter, bytesOf(previousPath), bytesOf(path)],
      );
      const theirs = printed.toString('latin1').split('\0').slice(0, -1);
      assert.deepEqual(
        ours,
        theirs.map((field) => field.replace(/^([RC])\d{3}$/, '$1')),
      );
      assert.equal(
        changes.some((change) => change.letter === 'R'),
        findRenames,
      );
    }
    const options = { findRenames: true };
    const all = await listTreeChanges(door, repository, null, from, untilDone, options);
    assert.deepEqual(
      all.map((change) => change.letter),
      before.map(() => 'A'),
    );
    assert.deepEqual(await listTreeChanges(door, repository, to, to, untilDone, options), []);
  });
}

test('divergence is what each side has that the other has not', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('bare.git'), { bare: true });
  const base = await writeCommit(dir);
  const ours = await writeCommit(dir, { branch: 'ours', parents: [base], message: 'ours' });
  await writeCommit(dir, { branch: 'theirs', parents: [base], message: 'theirs' });
  const theirs = await writeCommit(dir, { branch: 'theirs', message: 'theirs again' });
  const unrelated = await writeCommit(dir, {
    branch: 'unrelated',
    parents: [],
    message: 'unrelated',
  });
  const merge = await writeCommit(dir, { branch: 'merge', parents: [ours, theirs] });
  const repository = await openRepository(dir);
  const count = async (a: typeof ours, b: typeof ours): Promise<[number, number]> => {
    const { ahead, behind } = await countDivergence(door, repository, a, b, untilDone);
    return [ahead, behind];
  };
  assert.deepEqual(await count(ours, ours), [0, 0]);
  assert.deepEqual(await count(ours, theirs), [1, 2]);
  assert.deepEqual(await count(base, theirs), [0, 2]);
  assert.deepEqual(await count(merge, ours), [3, 0]);
  assert.deepEqual(await count(ours, unrelated), [2, 1]);
});
