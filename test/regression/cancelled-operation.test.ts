/**
 * The accident: a pull is cancelled. git alone was interrupted, so a hook or a transport that it had
 * started went on writing while the repository's lock was free; or git was interrupted in the middle
 * of the working tree, which was then neither the old commit's nor the new one's. And a Ctrl-C in the
 * agent's terminal interrupted git, although the agent itself wanted to finish its jobs first.
 *
 * git runs in a process group of its own. Cancelling a fetch or a rebase ends the whole group before
 * the pull ends; what moves the working tree ends by itself.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { createLifeline, putGitFirst, writeScript } from '../support/fake-git.ts';
import { runProgram, exists, git, GIT_ENVIRONMENT, treeState } from '../support/git-fixture.ts';
import { createScene, lines } from '../git/pull-scene.ts';

function canceled(error: unknown): boolean {
  assert.ok(error instanceof GitCommandError, String(error));
  assert.equal(error.isCanceled, true);
  return true;
}

test('a cancelled fetch ends what git has started to talk to the remote, and changes nothing', async () => {
  await using scene = await createScene();
  const lifeline = await createLifeline(scene.fixture.path('pipe'));
  const ssh = await writeScript(scene.fixture.path('ssh'), lifeline.hold, 'sleep 1000 &', 'wait');
  await git(scene.copy, 'config', 'core.sshCommand', ssh);
  await git(scene.copy, 'remote', 'set-url', 'origin', 'ssh://host/x');
  await scene.commit({ files: { a: lines('theirs') } });
  const before = await treeState(scene.copy);
  const abort = new AbortController();
  const pulling = assert.rejects(scene.pull({ signal: abort.signal }), canceled);
  await lifeline.held;
  abort.abort();
  await pulling;
  await lifeline.released;
  assert.deepEqual(await treeState(scene.copy), before);
});

test('a cancelled rebase ends its hooks and is undone', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs') } });
  await scene.commitHere({ files: { b: lines('ours') } });
  const lifeline = await createLifeline(scene.fixture.path('pipe'));
  await writeScript(
    join(scene.copy, '.git/hooks/post-checkout'),
    lifeline.hold,
    'sleep 1000 &',
    'wait',
  );
  const { index: _index, ...before } = await treeState(scene.copy);
  const abort = new AbortController();
  const order = { signal: abort.signal, strategy: 'rebase' } as const;
  const pulling = assert.rejects(scene.pull(order), canceled);
  await lifeline.held;
  // It would run again while the rebase is undone, and hold that up for ever.
  await writeScript(join(scene.copy, '.git/hooks/post-checkout'), 'exit 0');
  abort.abort();
  await pulling;
  await lifeline.released;
  const { index: _rewritten, ...after } = await treeState(scene.copy);
  assert.deepEqual(after, before);
});

for (const [title, order] of [
  ['fast-forward', {}],
  ['switch', { branch: 'side' }],
  ['merge', { strategy: 'merge' }],
  ['reset', { strategy: 'reset' }],
] as const) {
  test(`a ${title} that has begun ends, although the pull is cancelled meanwhile`, async () => {
    await using scene = await createScene();
    const started = scene.fixture.path('started');
    // A filter that git runs for the file in the middle of its work, and that waits for the cancel.
    const gate = await createLifeline(scene.fixture.path('pipe'));
    const filter = await writeScript(
      scene.fixture.path('filter'),
      `if [ ! -e '${started}' ]; then touch '${started}'; ${gate.hold}; until [ -e '${started}.on' ]; do :; done; fi`,
      'cat',
    );
    await git(scene.copy, 'config', 'filter.slow.smudge', filter);
    const files = { '.gitattributes': 'm filter=slow\n', a: 'theirs', m: 'theirs', z: 'theirs' };
    const tip = await scene.commit({ files });
    await git(scene.origin, 'branch', 'side', 'main');
    if (title === 'merge') await scene.commitHere({ files: { own: 'own' } });
    const abort = new AbortController();
    const pulling = scene.pull({ ...order, signal: abort.signal });
    const settled = pulling.then(
      () => 'done',
      (error: unknown) => canceled(error) && 'canceled',
    );
    await gate.held;
    abort.abort();
    await runProgram('touch', `${started}.on`);
    // Whether it still found out what it had been cancelled for is its own affair.
    await settled;
    assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
    assert.equal(await scene.read('z'), 'theirs');
    assert.equal(await git(scene.copy, 'merge-base', '--is-ancestor', tip, 'HEAD'), '');
    assert.deepEqual((await treeState(scene.copy)).unfinished, []);
    await gate.released;
  });
}

test('cancelling one pull does not end another one', async () => {
  await using scene = await createScene();
  await using other = await createScene();
  const lifeline = await createLifeline(scene.fixture.path('pipe'));
  const started = other.fixture.path('started');
  const ssh = await writeScript(scene.fixture.path('ssh'), lifeline.hold, 'sleep 1000 &', 'wait');
  await git(scene.copy, 'config', 'core.sshCommand', ssh);
  await git(scene.copy, 'remote', 'set-url', 'origin', 'ssh://host/x');
  const slow = await writeScript(
    other.fixture.path('upload-pack'),
    `until [ -e '${started}' ]; do :; done`,
    'exec git-upload-pack "$@"',
  );
  await git(other.copy, 'config', 'remote.origin.uploadpack', slow);
  const tip = await other.commit({ files: { a: lines('theirs') } });
  const abort = new AbortController();
  const pulling = other.pull();
  const canceling = assert.rejects(scene.pull({ signal: abort.signal }), canceled);
  await lifeline.held;
  abort.abort();
  await canceling;
  await lifeline.released;
  await runProgram('touch', started);
  assert.equal((await pulling).after, tip);
});

test('git does not stand in the process group of the agent, where a Ctrl-C would reach it', async () => {
  const groups = '/proc/self/stat';
  if (!(await exists(groups))) return;
  await using scene = await createScene();
  const seen = scene.fixture.path('groups');
  const PATH = await putGitFirst(
    scene.fixture.path('bin'),
    `cut -d' ' -f5 /proc/$$/stat >> '${seen}'`,
    `echo $$ >> '${seen}'`,
    'exec "$REAL_GIT" "$@"',
  );
  assert.ok(PATH.endsWith(GIT_ENVIRONMENT['PATH'] ?? ''));
  await using other = await createScene({ host: { PATH } });
  await other.commit({ files: { a: lines('theirs') } });
  await other.pull();
  const numbers = (await runProgram('cat', seen)).trim().split('\n');
  assert.ok(numbers.length > 10);
  for (let at = 0; at < numbers.length; at += 2) assert.equal(numbers[at], numbers[at + 1]);
});
