/**
 * The attack (or accident): .git/config says `core.worktree = /home/somebody`. What is looked at is the
 * folder that the configuration of the agent names, what git checks out and resets is the other one.
 *
 * The pull is refused before anything is fetched.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { git, treeState } from '../support/git-fixture.ts';
import { createScene, lines } from '../git/pull-scene.ts';

for (const strategy of ['ff-only', 'reset'] as const) {
  test(`a pull with ${strategy} does not write where core.worktree leads`, async () => {
    await using scene = await createScene();
    const victim = scene.fixture.path('victim');
    await mkdir(victim);
    await writeFile(join(victim, 'a'), 'precious');
    await scene.commit({ files: { a: lines('theirs') } });
    await git(scene.copy, 'config', 'core.worktree', '../../victim');
    const before = await treeState(scene.copy);
    await assert.rejects(scene.pull({ strategy }), {
      code: 'CONFLICT',
      message: `core.worktree says that the working tree is ${victim}: name that path in the configuration`,
    });
    assert.deepEqual(await treeState(scene.copy), before);
    assert.deepEqual(await readdir(victim), ['a']);
    assert.equal(await readFile(join(victim, 'a'), 'utf8'), 'precious');
  });
}

test('a core.worktree that names the folder itself is no hindrance', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'config', 'core.worktree', '..');
  const tip = await scene.commit({ files: { a: lines('theirs') } });
  assert.equal((await scene.pull()).after, tip);
});
