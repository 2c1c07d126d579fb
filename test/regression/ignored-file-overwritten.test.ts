/**
 * The attack (or accident): a working copy has a file that .gitignore names, a local configuration or a
 * database, which is in no commit. Somebody commits a file of that name, or one in the place of its
 * folder. git takes ignored files for expendable: checkout, merge and reset overwrite them, and remove
 * whole ignored folders, without a word, and git status does not list them.
 *
 * A pull refuses, naming them; the strategy reset saves them first.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { git } from '../support/git-fixture.ts';
import { createScene, lines, SAVED } from '../git/pull-scene.ts';

const MINE: Readonly<Record<string, string>> = {
  'local.conf': 'mine',
  'data/db': 'mine',
  'data/more/db': 'mine',
  cache: 'mine',
};
const THEIRS = { 'local.conf': 'theirs', data: 'a file now', 'cache/x': 'a folder now' };
const IGNORED = { '.gitignore': 'local.conf\ndata\ncache\n' };
const NAMED = ['cache', 'data/db', 'data/more/db', 'local.conf'];

for (const strategy of ['ff-only', 'merge', 'rebase'] as const) {
  test(`ignored files in the way are refused by ${strategy}`, async () => {
    await using scene = await createScene();
    await scene.commit({ files: IGNORED });
    await scene.pull();
    await scene.write(MINE);
    await scene.commit({ files: THEIRS });
    if (strategy !== 'ff-only') await scene.commitHere({ files: { b: lines('ours') } });
    const error = await scene.refuse('CONFLICT', /stand in the way/, { strategy });
    assert.deepEqual((error.detail as { files: string[] }).files.toSorted(), NAMED);
  });
}

test('ignored files in the way of another branch, or of a commit, are refused', async () => {
  await using scene = await createScene();
  await scene.commit({ files: IGNORED });
  await scene.pull();
  await scene.write(MINE);
  const hash = await scene.commit({ branch: 'side', parents: ['main'], files: THEIRS });
  await scene.refuse('CONFLICT', /stand in the way/, { branch: 'side' });
  await scene.refuse('CONFLICT', /stand in the way/, { hash });
});

test('ignored files in the way are saved by reset, those beside it stay', async () => {
  await using scene = await createScene();
  await scene.commit({ files: IGNORED });
  await scene.pull();
  await scene.write(MINE);
  await scene.commit({
    files: { 'local.conf': 'theirs', 'data/db': 'theirs', 'cache/x': 'theirs' },
  });
  await scene.pull({ strategy: 'reset' });
  for (const name of ['local.conf', 'data/db', 'cache']) {
    assert.equal(await git(scene.copy, 'show', `${SAVED}:${name}`), 'mine');
  }
  assert.equal(await scene.read('data/db'), 'theirs');
  assert.equal(await scene.read('data/more/db'), 'mine');
});
