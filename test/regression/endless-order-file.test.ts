/**
 * The attack: a repository's own .git/config says `diff.orderFile = /dev/zero`. git reads that to its end
 * before it compares anything, so every look at the repository would last until it is ended, two minutes
 * later, and hold one of the places for git children meanwhile.
 */
import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { listTreeChanges } from '../../src/git/diff.ts';
import { openRepository } from '../../src/git/repository.ts';
import { readStatus } from '../../src/git/status.ts';
import { oid } from '../../src/git/oid.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, git, initRepository, writeCommit } from '../support/git-fixture.ts';

test('a repository that names an endless diff.orderFile is read as any other', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('r'));
  const first = oid(await writeCommit(dir, { files: { a: 'one\n' } }));
  const second = oid(await writeCommit(dir, { files: { a: 'two\n' } }));
  await git(dir, 'reset', '--quiet', '--hard');
  await writeFile(join(dir, 'a'), 'three\n');
  await git(dir, 'config', 'diff.orderFile', '/dev/zero');
  const repository = await openRepository(dir);
  const changes = await listTreeChanges(door, repository, first, second, untilDone, {
    findRenames: true,
  });
  assert.deepEqual(
    changes.map(({ path, letter }) => [path.text, letter]),
    [['a', 'M']],
  );
  const { entries } = await readStatus(door, repository, untilDone);
  assert.equal(entries.length, 1);
});
