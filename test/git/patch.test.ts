import assert from 'node:assert/strict';
import { test } from 'node:test';
import { listTreeChanges } from '../../src/git/diff.ts';
import { countLines } from '../../src/git/line-count.ts';
import { readPatches } from '../../src/git/patch.ts';
import type { Oid } from '../../src/git/oid.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  createFixture,
  initRepository,
  runGit,
  writeCommit,
  type FileContent,
  type Fixture,
} from '../support/git-fixture.ts';
import { bytesOf } from './status-oracle.ts';

const POEM = Array.from({ length: 30 }, (_, line) => `line ${line}\n`).join('');
const ODD = Buffer.from('caf\xe9 \t"\\\ndiff --git a/x b/x', 'latin1');
/** A hunk's lines that look like headers. */
const FORGED = 'diff --git a/forged b/forged\n--- a/forged\n+++ b/forged\n@@ -1 +1 @@\n';

async function writePair(
  fixture: Fixture,
  objectFormat: 'sha1' | 'sha256',
): Promise<{ dir: string; from: Oid; to: Oid }> {
  const dir = await initRepository(fixture.path('bare.git'), { bare: true, objectFormat });
  const module = '1'.repeat(objectFormat === 'sha1' ? 40 : 64);
  const before: [string | Buffer, FileContent][] = [
    ['changed', `${FORGED}1\n`], ['gone', '1\n2\n'], ['moved', POEM], [ODD, '1\n'], ['type', 'x\n'],
    ['mode', '1'], ['binary', Buffer.from([0, 1, 2])], ['sub', { mode: '160000', content: module }], ['space ', '1\n'],
  ]; // prettier-ignore
  const after: [string | Buffer, FileContent][] = [
    ['changed', `2\n${FORGED}`], ['gone', null], ['moved', null], ['deep/moved', `${POEM}more\n`], [ODD, '2\n\xe9\n'],
    ['type', { mode: '120000', content: 'mode' }], ['mode', { mode: '100755', content: '1' }], ['binary', Buffer.from([0, 3])],
    ['sub', { mode: '160000', content: module.replaceAll('1', '2') }], ['space ', '2\n'], ['empty', ''], ['latin', Buffer.from('\xe9\n', 'latin1')],
  ]; // prettier-ignore
  const from = await writeCommit(dir, { files: before });
  return { dir, from, to: await writeCommit(dir, { files: after }) };
}

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`the patch and the line counts of each file of a ${objectFormat} commit are what git prints for it`, async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture);
    const { dir, from, to } = await writePair(fixture, objectFormat);
    const repository = await openRepository(dir);
    const changes = await listTreeChanges(door, repository, from, to, untilDone, { findRenames: true }); // prettier-ignore
    assert.equal(changes.length, 11);
    const patches = await readPatches(door, repository, { from, to }, changes, 1e6, untilDone);
    const whole = await runGit(dir, ['diff-tree', '-r', '-M', '-p', from, to]);
    const joined = changes.map(({ path }) => patches.get(bytesOf(path))?.bytes ?? Buffer.from('?'));
    assert.equal(Buffer.concat(joined).toString('latin1'), whole.toString('latin1'));
    // One at a time, so with the others left out by their names.
    for (const change of changes) {
      const alone = await readPatches(door, repository, { from, to }, [change], 1e6, untilDone);
      assert.deepEqual([...alone.keys()], [bytesOf(change.path)]);
      assert.deepEqual(alone.get(bytesOf(change.path)), patches.get(bytesOf(change.path)));
    }
    const counts = await countLines(door, repository, { from, to }, untilDone);
    assert.deepEqual([...counts.keys()], changes.map(({ path }) => bytesOf(path))); // prettier-ignore
    assert.equal(counts.get('binary'), null);
    assert.deepEqual(counts.get('deep/moved'), { additions: 1, deletions: 0 });
    assert.deepEqual(counts.get('gone'), { additions: 0, deletions: 2 });
    assert.deepEqual(counts.get(ODD.toString('latin1')), { additions: 2, deletions: 1 });
  });
}

test('a patch that is too long ends with a whole line and says so', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('bare.git'), { bare: true });
  const long = 'x'.repeat(300_000);
  const to = await writeCommit(dir, {
    files: { a: POEM.repeat(100), b: long, c: 'short\n', ...Object.fromEntries(Array.from({ length: 30 }, (_, n) => [`z${n}`, `${n} ${'y'.repeat(999)}\n`.repeat(300)])) }, // prettier-ignore
  });
  const repository = await openRepository(dir);
  const pair = { from: null, to };
  const changes = await listTreeChanges(door, repository, null, to, untilDone, { findRenames: true }); // prettier-ignore
  const some = await readPatches(door, repository, pair, changes.slice(0, 3), 5000, untilDone);
  const [a, b, c] = ['a', 'b', 'c'].map((name) => some.get(name));
  assert.equal(a?.isTruncated, true);
  assert.ok(a.bytes.length > 4900 && a.bytes.length <= 5000 && a.bytes.at(-1) === 0x0a);
  assert.equal(b?.isTruncated, true);
  assert.match(b.bytes.toString(), /^diff --git a\/b b\/b\n.*\n@@ -0,0 \+1 @@\n$/s);
  assert.equal(c?.isTruncated, false);
  // Nine megabytes in all.
  const all = await readPatches(door, repository, pair, changes, 1_000_000, untilDone);
  assert.equal(all.size < changes.length || all.get('z9')?.isTruncated, true);
  const held = [...all.values()].reduce((total, { bytes }) => total + bytes.length, 0);
  assert.ok(held > 3e6 && held < 4.5e6, String(held));
});
