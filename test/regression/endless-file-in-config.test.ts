/**
 * The attack: a repository's own .git/config says `diff.orderFile = /dev/zero`. git reads all of that into
 * memory before it compares anything: every look at the repository would last until it is ended, two
 * minutes later, and take what memory the machine has (22 GB in 8 minutes). `core.attributesFile` does
 * the same. A status obeys the attributes of its owner, who can name a clean
 * filter there as well; and `blame.ignoreRevsFile` cannot be overruled.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readBlame } from '../../src/git/blame.ts';
import { listTreeChanges } from '../../src/git/diff.ts';
import { readPatches } from '../../src/git/patch.ts';
import { openRepository } from '../../src/git/repository.ts';
import { readStatus } from '../../src/git/status.ts';
import { oid } from '../../src/git/oid.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, git, initRepository, writeCommit } from '../support/git-fixture.ts';

test('a repository whose configuration names endless files is read as any other', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('r'));
  const first = oid(await writeCommit(dir, { files: { a: 'one\n' } }));
  const second = oid(await writeCommit(dir, { files: { a: 'two\n' } }));
  await git(dir, 'reset', '--quiet', '--hard');
  await writeFile(join(dir, 'a'), 'three\n');
  await git(dir, 'config', 'diff.orderFile', '/dev/zero');
  const repository = await openRepository(dir);
  const { entries } = await readStatus(door, repository, untilDone);
  assert.equal(entries.length, 1);

  await git(dir, 'config', 'core.attributesFile', '/dev/zero');
  const pair = { from: first, to: second };
  const options = { findRenames: true };
  const changes = await listTreeChanges(door, repository, first, second, untilDone, options);
  assert.deepEqual(
    changes.map(({ path, letter }) => [path.text, letter]),
    [['a', 'M']],
  );
  const patches = await readPatches(door, repository, pair, changes, 1000, untilDone);
  assert.match(String(patches.get('a')?.bytes), /^-one$/m);
  const ranges = await readBlame(door, repository, second, Buffer.from('a'), untilDone);
  assert.deepEqual(
    ranges.map(({ commit }) => commit),
    [second],
  );
});
