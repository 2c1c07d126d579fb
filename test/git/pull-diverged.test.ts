import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeScript } from '../support/fake-git.ts';
import { git, treeState, writeCommit } from '../support/git-fixture.ts';
import { createScene, lines, type Scene } from './pull-scene.ts';

/** Both sides have a commit; whether they agree on `a` is for the caller to say. */
async function diverge(
  scene: Scene,
  ours: string,
  theirs: string,
): Promise<{ ours: string; theirs: string }> {
  return {
    theirs: await scene.commit({ files: { a: theirs, t: 'theirs\n' }, message: 'theirs' }),
    ours: await scene.commitHere({ files: { a: ours, o: 'ours\n' }, message: 'ours' }),
  };
}

test('merge makes a merge commit of both sides', async () => {
  await using scene = await createScene();
  const { ours, theirs } = await diverge(scene, lines('ours'), lines('0', 'theirs'));
  const pulled = await scene.pull({ strategy: 'merge' });
  assert.equal(
    await git(scene.copy, 'log', '-1', '--format=%P', pulled.after),
    `${ours} ${theirs}`,
  );
  assert.equal(await scene.read('a'), lines('ours', 'theirs'));
  assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
  assert.equal(await git(scene.copy, 'log', '-1', '--format=%an'), 'Grace');
});

test('rebase puts our commits on top of theirs', async () => {
  await using scene = await createScene();
  const { theirs } = await diverge(scene, lines('ours'), lines('0', 'theirs'));
  await scene.commitHere({ files: { o: 'more\n' }, message: 'more' });
  const pulled = await scene.pull({ strategy: 'rebase' });
  assert.equal(
    await git(scene.copy, 'log', '--format=%s', `${theirs}..${pulled.after}`),
    'more\nours',
  );
  assert.equal(await scene.read('a'), lines('ours', 'theirs'));
  assert.equal(pulled.branch, 'main');
  assert.match(pulled.output, /Rebasing \(1\/2\)/);
});

test('reset takes theirs and keeps ours under the saved ref', async () => {
  await using scene = await createScene();
  const { ours, theirs } = await diverge(scene, lines('ours'), lines('theirs'));
  const pulled = await scene.pull({ strategy: 'reset' });
  assert.equal(pulled.after, theirs);
  assert.equal(await scene.read('a'), lines('theirs'));
  assert.equal(await git(scene.copy, 'show', 'refs/gitagent/saved/job^1:o'), 'ours');
  assert.equal(await git(scene.copy, 'rev-parse', 'refs/gitagent/saved/job^1'), ours);
});

test('a merge that conflicts is refused before anything is touched', async () => {
  await using scene = await createScene();
  await diverge(scene, lines('ours'), lines('theirs'));
  await scene.write({ b: 'dirty', new: 'untracked' });
  const error = await scene.refuse('CONFLICT', /cannot be merged: both sides changed "a"/, {
    strategy: 'merge',
  });
  assert.deepEqual(error.detail, { files: ['a'] });
});

test('a rebase that conflicts is undone: HEAD, files and branches are as before', async () => {
  await using scene = await createScene();
  await diverge(scene, lines('ours'), lines('theirs'));
  await scene.write({ new: 'untracked' });
  const error = await scene.fail({ strategy: 'rebase' });
  assert.equal(error.args[0], 'rebase');
  assert.equal(error.exitCode, 1);
});

test('a rebase that conflicts in its second commit is undone as well', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs'), t: 't' } });
  await scene.commitHere({ files: { b: lines('ours') }, message: 'fits' });
  await scene.commitHere({ files: { a: lines('ours') }, message: 'conflicts' });
  await scene.fail({ strategy: 'rebase' });
});

for (const strategy of ['merge', 'rebase'] as const) {
  test(`a ${strategy} into a branch that is not checked out switches to it`, async () => {
    await using scene = await createScene();
    const { ours, theirs } = await diverge(scene, lines('ours'), lines('0', 'theirs'));
    await git(scene.copy, 'checkout', '--quiet', '-b', 'other', scene.first);
    const pulled = await scene.pull({ strategy, branch: 'main' });
    assert.equal(pulled.branch, 'main');
    assert.equal(pulled.before, scene.first);
    assert.equal(await scene.read('a'), lines('ours', 'theirs'));
    const parents = await git(scene.copy, 'log', '-1', '--format=%P');
    assert.equal(parents, strategy === 'merge' ? `${ours} ${theirs}` : theirs);
  });

  test(`a ${strategy} into a branch that is not checked out comes back from a failure`, async () => {
    await using scene = await createScene();
    await diverge(
      scene,
      lines('ours'),
      strategy === 'merge' ? lines('0', 'theirs') : lines('theirs'),
    );
    await writeScript(join(scene.copy, '.git/hooks/commit-msg'), 'exit 1');
    for (const present of [['-b', 'other'], ['--detach']]) {
      await git(scene.copy, 'checkout', '--quiet', ...present, scene.first);
      await scene.write({ b: 'dirty', new: 'untracked' });
      if (strategy === 'rebase') await git(scene.copy, 'checkout', '--quiet', 'b');
      await scene.fail({ strategy, branch: 'main' });
      await git(scene.copy, 'checkout', '--quiet', 'b');
    }
  });

  test(`a ${strategy} keeps untracked files, and refuses those in the way`, async () => {
    await using scene = await createScene();
    await diverge(scene, lines('ours'), lines('0', 'theirs'));
    await scene.write({ t: 'mine' });
    await scene.refuse('CONFLICT', /stand in the way: "t"/, { strategy });
    await git(scene.copy, 'clean', '-fdq');
    await scene.write({ u: 'mine' });
    await scene.pull({ strategy });
    assert.equal(await scene.read('u'), 'mine');
  });

  test(`a ${strategy} with a staged file is refused`, async () => {
    await using scene = await createScene();
    await diverge(scene, lines('ours'), lines('0', 'theirs'));
    await scene.write({ b: 'staged' });
    await git(scene.copy, 'add', 'b');
    await scene.refuse('CONFLICT', /stand in the way: "b"/, { strategy });
  });
}

test('a dirty file that is not in the way is kept by a merge and refused by a rebase', async () => {
  await using scene = await createScene();
  await diverge(scene, lines('ours'), lines('0', 'theirs'));
  await scene.write({ b: 'dirty' });
  await scene.refuse('CONFLICT', /stand in the way: "b"/, { strategy: 'rebase' });
  await scene.pull({ strategy: 'merge' });
  assert.equal(await scene.read('b'), 'dirty');
  assert.equal(await git(scene.copy, 'status', '--porcelain'), ' M b');
});

test('a merge that a hook refuses is undone, with dirty files kept', async () => {
  await using scene = await createScene();
  await diverge(scene, lines('ours'), lines('0', 'theirs'));
  await writeScript(join(scene.copy, '.git/hooks/commit-msg'), 'echo no >&2', 'exit 1');
  await scene.write({ b: 'dirty', new: 'untracked' });
  const error = await scene.fail({ strategy: 'merge' });
  assert.match(error.stderr, /no/);
});

test('configuration about merges and rebases for people does not change what a strategy means', async () => {
  const config = [
    '[merge]\n\tff = only\n\tautoStash = true\n\tconflictStyle = diff3\n\tlog = true\n',
    '[rebase]\n\tautoStash = true\n\tupdateRefs = true\n\tforkPoint = true\n\tautoSquash = true\n',
    '[pull]\n\trebase = true\n\tff = only\n[advice]\n\tdetachedHead = true\n[color]\n\tui = always\n',
    '[checkout]\n\tguess = true\n\tdefaultRemote = nope\n[core]\n\teditor = false\n[sequence]\n\teditor = false\n',
  ].join('');
  for (const strategy of ['merge', 'rebase'] as const) {
    await using scene = await createScene({ config });
    for (const [key, value] of [
      ['mergeOptions', '--no-commit --squash'],
      ['rebase', 'interactive'],
    ] as const) {
      await git(scene.copy, 'config', `branch.main.${key}`, value);
    }
    await diverge(scene, lines('ours'), lines('0', 'theirs'));
    await git(scene.copy, 'branch', 'beside', 'main');
    const beside = await git(scene.copy, 'rev-parse', 'beside');
    const pulled = await scene.pull({ strategy });
    assert.notEqual(pulled.after, pulled.before);
    assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
    assert.equal(await git(scene.copy, 'rev-parse', 'beside'), beside);
    const { unfinished } = await treeState(scene.copy);
    assert.deepEqual(unfinished, []);
    const tip = await writeCommit(scene.origin, {
      parents: [pulled.after],
      files: { n: 'n' },
    }).catch(() => null);
    assert.equal(tip, null); // the origin lacks our commits
  }
});

test('a fast-forward is one although the configuration says to squash, or not to', async () => {
  await using scene = await createScene({ config: '[merge]\n\tff = false\n' });
  await git(scene.copy, 'config', 'branch.main.mergeOptions', '--squash --no-ff');
  const tip = await scene.commit({ files: { a: lines('theirs') } });
  assert.equal((await scene.pull()).after, tip);
  assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
});

test('histories that have nothing in common are not merged, and can be reset to', async () => {
  await using scene = await createScene();
  const tip = await writeCommit(scene.origin, { parents: [], files: { z: 'z' } });
  await scene.fail({ strategy: 'merge' });
  assert.equal((await scene.pull({ strategy: 'reset' })).after, tip);
});
