/**
 * The accident: a fetch takes minutes, and somebody goes on working in the working copy: edits a file,
 * commits, switches to another branch. A pull that goes by what it saw before the fetch resets away
 * edits that it never saved, or moves the wrong branch.
 *
 * After the fetch it looks again.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { writeScript } from '../support/fake-git.ts';
import { git, GIT_ENVIRONMENT, treeState } from '../support/git-fixture.ts';
import { createScene, lines, SAVED, type Scene } from '../git/pull-scene.ts';

/** Lets something happen in the working copy while the remote is asked. */
async function during(scene: Scene, ...commands: string[]): Promise<void> {
  const script = await writeScript(
    scene.fixture.path('slow-upload-pack'),
    `(unset GIT_DIR; cd '${scene.copy}'; export PATH='${GIT_ENVIRONMENT['PATH'] ?? ''}'; ${commands.join('; ')}) >&2`,
    'exec git-upload-pack "$@"',
  );
  await git(scene.copy, 'config', 'remote.origin.uploadpack', script);
}

test('a file that is edited during the fetch is in the way', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs'), new: 'theirs' } });
  await during(scene, 'echo mine > a', 'echo mine > new');
  await assert.rejects(scene.pull(), { code: 'CONFLICT', message: /stand in the way: "a", "new"/ });
  assert.equal(await scene.read('a'), 'mine\n');
});

test('a file that is edited during the fetch is saved before a reset', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs') } });
  await during(scene, 'echo mine > a');
  await scene.pull({ strategy: 'reset' });
  assert.equal(await git(scene.copy, 'show', `${SAVED}:a`), 'mine');
});

test('a branch that is switched to during the fetch is not moved to the wanted one', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'branch', 'mine');
  const tip = await scene.commit({ files: { a: lines('theirs') } });
  await during(scene, 'git checkout --quiet mine');
  const pulled = await scene.pull({ branch: 'main' });
  assert.equal(pulled.after, tip);
  assert.equal(pulled.branch, 'main');
  assert.equal(await git(scene.copy, 'rev-parse', 'mine'), scene.first);
});

test('a merge that is begun during the fetch is refused', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs') } });
  await during(scene, 'touch .git/MERGE_HEAD');
  const before = await treeState(scene.copy);
  await assert.rejects(scene.pull(), { code: 'CONFLICT', message: /a merge is in progress/ });
  assert.deepEqual({ ...(await treeState(scene.copy)), unfinished: [] }, before);
});
