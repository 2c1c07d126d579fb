/**
 * The attack: git takes a short name for whatever it finds first. Whoever may push a branch or a tag
 * called like a commit's hash, or like another branch's upstream, sends a pull somewhere else:
 * `git checkout HASH` prefers a branch of that name, and `--set-upstream-to=origin/main` a local branch
 * `origin/main`. The answer then says one commit, and the files are another.
 *
 * Full ref names, and `HASH^0`, which is no branch's name.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { git } from '../support/git-fixture.ts';
import { createScene } from '../git/pull-scene.ts';

test('a branch called like a hash does not divert the pull of that hash', async () => {
  await using scene = await createScene();
  const wanted = await scene.commit({ files: { a: 'wanted' } });
  await scene.commit({ branch: wanted, parents: [scene.first], files: { a: 'hostile' } });
  assert.equal((await scene.pull({ branch: wanted })).branch, wanted);
  const pulled = await scene.pull({ hash: wanted });
  assert.equal(pulled.after, wanted);
  assert.equal(pulled.branch, null);
  assert.equal(await scene.read('a'), 'wanted');
});

test('nor does it divert the switch to a branch, a merge, a rebase or a reset that ends there', async () => {
  for (const strategy of ['ff-only', 'merge', 'rebase', 'reset'] as const) {
    await using scene = await createScene();
    await scene.commit({ branch: 'hostile', parents: [scene.first], files: { a: 'hostile' } });
    const wanted = await scene.commit({ files: { a: 'wanted' } });
    if (strategy !== 'ff-only') await scene.commitHere({ files: { own: 'own' } });
    await git(scene.copy, 'fetch', '--quiet');
    const names = [wanted, await git(scene.copy, 'rev-parse', 'main')];
    for (const name of names)
      await git(scene.copy, 'update-ref', `refs/heads/${name}`, 'refs/remotes/origin/hostile');
    await git(scene.copy, 'checkout', '--quiet', '-b', 'elsewhere');
    await scene.pull({ branch: 'main', strategy });
    assert.equal(await scene.read('a'), 'wanted');
  }
});

for (const name of ['refs/heads/origin/side', 'refs/tags/origin/side']) {
  test(`${name} is not taken for the upstream of a new branch`, async () => {
    await using scene = await createScene();
    await scene.commit({ branch: 'side', parents: [scene.first], files: { s: '1' } });
    await git(scene.copy, 'update-ref', name, scene.first);
    await scene.pull({ branch: 'side' });
    const format = '--format=%(upstream)';
    assert.equal(
      await git(scene.copy, 'for-each-ref', format, 'refs/heads/side'),
      'refs/remotes/origin/side',
    );
  });
}

test('a tag called like a branch is not taken for it', async () => {
  await using scene = await createScene();
  const tip = await scene.commit({ files: { a: 'wanted' } });
  await git(scene.copy, 'update-ref', 'refs/tags/main', scene.first);
  await git(scene.origin, 'update-ref', 'refs/tags/main', scene.first);
  await git(scene.copy, 'checkout', '--quiet', '--detach');
  assert.equal((await scene.pull({ branch: 'main' })).after, tip);
  assert.equal(await git(scene.copy, 'symbolic-ref', 'HEAD'), 'refs/heads/main');
});
