/**
 * The accident: two working trees share a repository (git worktree). A pull in one switches to the
 * branch that the other has checked out; git before 2.44 lets `checkout -B` move it, and the other
 * working tree then shows the reverse of all that was pulled as staged changes, ready to be committed.
 *
 * The pull is refused and says where the branch is checked out.
 */
import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { git, treeState } from '../support/git-fixture.ts';
import { createScene, lines, openScene } from '../git/pull-scene.ts';

for (const strategy of ['ff-only', 'merge', 'rebase', 'reset'] as const) {
  test(`a branch that another working tree has checked out is not moved by ${strategy}`, async () => {
    await using scene = await createScene();
    const linked = scene.fixture.path('linked');
    await git(scene.copy, 'worktree', 'add', '--quiet', '-b', 'side', linked);
    await scene.commit({ files: { a: lines('theirs') } });
    const there = await treeState(scene.copy);
    const error = await openScene(scene.door, linked).refuse(
      'CONFLICT',
      /branch main is checked out in .*\/copy: /,
      { branch: 'main', strategy },
    );
    assert.deepEqual(error.detail, { workTree: scene.copy });
    assert.deepEqual(await treeState(scene.copy), there);
  });
}

test('a working tree that was deleted without telling git is no hindrance', async () => {
  await using scene = await createScene();
  await scene.commit({ branch: 'side', parents: [scene.first] });
  await scene.pull({ branch: 'side' });
  await scene.pull({ branch: 'main' });
  const linked = scene.fixture.path('linked');
  await git(scene.copy, 'worktree', 'add', '--quiet', linked, 'side');
  await rm(linked, { recursive: true });
  const pulled = await scene.pull({ branch: 'side' }).catch((error: unknown) => error as Error);
  // git from 2.44 on says what to do; before, it does it.
  if (pulled instanceof Error)
    assert.match(pulled.message, /already (?:checked out|used by worktree)/);
  else assert.equal(pulled.branch, 'side');
});
