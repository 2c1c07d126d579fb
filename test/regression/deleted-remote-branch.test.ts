/**
 * The accident: a branch was merged and deleted on the remote. git fetch leaves the remote-tracking
 * branch here, so every later pull of it says "up to date", and a hook or a dashboard believes it.
 *
 * What the fetch did not bring is not there.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { git } from '../support/git-fixture.ts';
import { createScene } from '../git/pull-scene.ts';

test('a branch that the remote deleted is refused, whether it exists here or not', async () => {
  await using scene = await createScene();
  for (const name of ['here', 'only-tracked'])
    await scene.commit({ branch: name, parents: [scene.first] });
  await scene.pull({ branch: 'here' });
  for (const name of ['here', 'only-tracked'])
    await git(scene.origin, 'branch', '--delete', '--force', name);
  await scene.refuse('NOT_FOUND', /origin has no branch here any more/, { branch: 'here' });
  await scene.refuse('NOT_FOUND', /origin has no branch only-tracked any more/, {
    branch: 'only-tracked',
  });
  await scene.pull({ branch: 'main' });
});

test('the default branch of an order is fetched from the remote that it follows', async () => {
  await using scene = await createScene();
  const other = scene.fixture.path('other.git');
  await git(scene.fixture.dir, 'clone', '--quiet', '--bare', scene.origin, other);
  await git(scene.copy, 'remote', 'add', 'other', other);
  await git(scene.copy, 'fetch', '--quiet', 'other');
  await git(scene.copy, 'branch', '--set-upstream-to=other/main', 'main');
  const tip = await scene.commit({ files: { a: 'origin' } });
  await git(scene.origin, 'push', '--quiet', other, 'main');
  const pulled = await scene.pull();
  assert.equal(pulled.said[0], 'fetch other');
  assert.equal(pulled.after, tip);
});
