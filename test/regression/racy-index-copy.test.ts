/**
 * The accident: a file is changed in the very instant in which git writes its index, without changing
 * its size: by its stat data it looks unchanged. git knows that (Documentation/technical/racy-git) and
 * compares the content of files that are not older than the index. A copy of the index is younger, so
 * git trusted it, and a reset discarded the change without saving it.
 */
import assert from 'node:assert/strict';
import { stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { git } from '../support/git-fixture.ts';
import { createScene, SAVED } from '../git/pull-scene.ts';

test('a change of the same size in the instant of the index is saved before a reset', async () => {
  await using scene = await createScene();
  const path = join(scene.copy, 'a');
  const instant = 1_700_000_000;
  const before = await scene.read('a');
  await utimes(path, instant, instant);
  await git(scene.copy, 'update-index', '--refresh');
  await scene.write({ a: before.replace('0', 'X') });
  await utimes(path, instant, instant);
  await utimes(join(scene.copy, '.git/index'), instant, instant);
  // Only the content tells; the size and the time are those in the index.
  assert.equal((await stat(path)).mtimeMs, instant * 1000);
  assert.equal(await git(scene.copy, 'diff-files', '--name-only'), 'a');
  await utimes(join(scene.copy, '.git/index'), instant, instant);
  await scene.pull({ strategy: 'reset' });
  assert.equal(await git(scene.copy, 'show', `${SAVED}:a`), before.replace('0', 'X').trimEnd());
});
