/** Plans: they say what the pull does, touch nothing, and bind the pull that is given them. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { AppError } from '../../src/error.ts';
import type { PullPlan } from '../../src/git/pull-plan.ts';
import type { PlannedMove } from '../../src/git/pull-planned.ts';
import { git, runGit, treeState } from '../support/git-fixture.ts';
import { createScene, lines, type Scene } from './pull-scene.ts';

/** All that a plan must leave as it is, to the byte. */
async function untouched({ copy }: Scene): Promise<object> {
  const { refs: _ours, ...tree } = await treeState(copy);
  return {
    ...tree,
    refs: await refsBesidesPlans(copy),
    fetchHead: await readFile(join(copy, '.git/FETCH_HEAD'), 'utf8').catch(() => null),
    config: await readFile(join(copy, '.git/config'), 'utf8'),
  };
}

async function refsBesidesPlans(copy: string): Promise<string> {
  const all = await git(copy, 'for-each-ref');
  return all
    .split('\n')
    .filter((line) => !line.includes('refs/gitagent/plan/'))
    .join('\n');
}

async function plan(scene: Scene, order?: Parameters<Scene['plan']>[0]): Promise<PullPlan> {
  const before = await untouched(scene);
  const made = await scene.plan(order);
  assert.deepEqual(await untouched(scene), before);
  assert.equal(await git(scene.copy, 'for-each-ref', 'refs/gitagent/fetched'), '');
  return made;
}

function plannedOf(made: PullPlan): PlannedMove {
  assert.ok(made.goal !== null);
  return made.goal.planned;
}

test('a plan touches nothing, and says what would come', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { d: 'new\n' } });
  const target = await scene.commit({ files: { a: lines('theirs') } });
  await scene.write({ b: lines('mine'), other: 'mine\n' });
  const { head, refusal, goal, move } = await plan(scene);
  assert.equal(refusal, null);
  assert.deepEqual(head, { branch: 'main', oid: scene.first });
  assert.deepEqual(
    [goal?.branch?.name, goal?.branch?.upstream, goal?.target, goal?.ahead, goal?.behind],
    ['main', 'origin/main', target, 0, 2],
  );
  assert.deepEqual([move?.kind, move?.tip, move?.inTheWay], ['FAST_FORWARD', target, []]);
  assert.deepEqual(move?.changes, { from: scene.first, to: target });
  // The commit is here, and stays here.
  await git(scene.copy, 'gc', '--quiet', '--prune=now');
  await git(scene.copy, 'cat-file', '-e', target);
  assert.deepEqual((await scene.pull({ planned: plannedOf(await plan(scene)) })).after, target);
});

test('each kind of move is told before it is made', async () => {
  await using scene = await createScene();
  assert.equal((await plan(scene)).move?.kind, 'UP_TO_DATE');
  await scene.commit({ branch: 'side', parents: [scene.first], files: { d: 'side\n' } });
  assert.equal((await plan(scene, { branch: 'side' })).move?.kind, 'CREATE_BRANCH');
  await scene.pull({ branch: 'side' });
  await scene.pull({ branch: 'main' });
  assert.equal((await plan(scene, { branch: 'side' })).move?.kind, 'SWITCH');
  assert.equal((await plan(scene, { hash: scene.first.slice(0, 10) })).move?.kind, 'DETACH');
  assert.equal((await plan(scene, { strategy: 'reset' })).move?.kind, 'RESET');
  await scene.commit({ files: { a: lines('0', 'theirs') } });
  await scene.commitHere({ files: { a: lines('ours') } });
  assert.equal((await plan(scene, { strategy: 'merge' })).move?.kind, 'MERGE');
  assert.equal((await plan(scene, { strategy: 'rebase' })).move?.kind, 'REBASE');
  const refused = await plan(scene);
  assert.equal((refused.refusal as AppError).code, 'CONFLICT');
  assert.match(refused.refusal?.message ?? '', /diverged .*1 ahead, 1 behind/);
  assert.deepEqual([refused.move, refused.goal?.ahead, refused.goal?.behind], [null, 1, 1]);
});

test('files in the way are named, tracked or not; a reset says what it discards', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs'), d: 'theirs\n' } });
  await scene.write({ a: lines('mine'), b: lines('mine'), d: 'mine\n' });
  const { refusal, move, goal } = await plan(scene);
  assert.match(refusal?.message ?? '', /stand in the way: "a", "d"/);
  const named = move?.inTheWay.map(({ path, isTracked }) => [path.text, isTracked]);
  assert.deepEqual(named, [
    ['a', true],
    ['d', false],
  ]);
  assert.ok(goal !== null);
  const reset = await plan(scene, { strategy: 'reset' });
  assert.equal(reset.refusal, null);
  assert.deepEqual(
    reset.move?.discarded.map(({ path }) => path.text),
    ['a', 'b', 'd'],
  );
});

test('what cannot be found or fetched is the refusal', async () => {
  await using scene = await createScene();
  const none = await plan(scene, { branch: 'nowhere' });
  assert.deepEqual(
    [(none.refusal as AppError).code, none.goal, none.move],
    ['NOT_FOUND', null, null],
  );
  await scene.commit({ branch: 'gone', files: { d: '1\n' } });
  await git(scene.copy, 'fetch', '--quiet');
  await git(scene.origin, 'branch', '--quiet', '-D', 'gone');
  const leftover = await plan(scene, { branch: 'gone' });
  assert.match(leftover.refusal?.message ?? '', /has no branch gone any more/);
  await git(scene.copy, 'remote', 'set-url', 'origin', scene.fixture.path('nowhere'));
  const unreachable = await plan(scene);
  assert.match(unreachable.refusal?.message ?? '', /does not appear to be a git repository/);
  assert.equal(unreachable.goal, null);
});

test('a plan sees only what the remote has, and obeys its refspecs', async () => {
  await using scene = await createScene();
  const { copy } = scene;
  await scene.commit({ branch: 'side', files: { d: '1\n' } });
  await git(copy, 'config', 'remote.origin.fetch', '+refs/heads/main:refs/remotes/origin/main');
  assert.match((await plan(scene, { branch: 'side' })).refusal?.message ?? '', /no branch side/);
  await git(copy, 'config', '--add', 'remote.origin.fetch', '+refs/heads/side:refs/remotes/origin/other');
  await git(copy, 'config', '--add', 'remote.origin.fetch', '^refs/heads/none');
  await git(copy, 'config', 'remote.origin.tagOpt', '--tags');
  await git(scene.origin, 'tag', 'v1', 'side');
  assert.equal((await plan(scene, { hash: await git(scene.origin, 'rev-parse', 'side') })).refusal, null);
}); // prettier-ignore

test('a plan goes on when a fetch by hand is under way in the same repository', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('theirs') } });
  const plans = await Promise.all([
    scene.plan(),
    scene.plan(),
    runGit(scene.copy, ['fetch', '-q']),
  ]);
  assert.deepEqual(
    plans.slice(0, 2).map((each) => ('refusal' in each ? each.refusal : each)),
    [null, null],
  );
});

test('the commits of plans are kept for the newest sixteen only', async () => {
  await using scene = await createScene();
  for (let n = 0; n < 3; n++) await scene.plan();
  const { copy, first } = scene;
  const old = (Date.now() - 2 * 3_600_000).toString(36).padStart(9, '0');
  await git(copy, 'update-ref', `refs/gitagent/plan/${old}-a`, first);
  await git(copy, 'update-ref', `refs/gitagent/fetched/${old}-a/remotes/origin/main`, first);
  for (let n = 0; n < 20; n++) {
    const time = (Date.now() - 60_000 + n).toString(36).padStart(9, '0');
    await git(copy, 'update-ref', `refs/gitagent/plan/${time}-b`, first);
  }
  await scene.plan();
  const names = (await git(copy, 'for-each-ref', '--format=%(refname)', 'refs/gitagent')).split(
    '\n',
  );
  assert.equal(names.length, 16);
  assert.ok(names.every((name) => name.startsWith('refs/gitagent/plan/')));
});

test('a detached commit that only a plan keeps is saved before a reset all the same', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'checkout', '--quiet', '--detach');
  await runGit(scene.copy, ['commit', '--quiet', '--allow-empty', '-m', 'mine']);
  const mine = await git(scene.copy, 'rev-parse', 'HEAD');
  await scene.plan({ hash: mine.slice(0, 12) });
  const { said } = await scene.pull({ branch: 'main', strategy: 'reset' });
  assert.match(said.join('\n'), /saved what the reset discards/);
});

test('a pull with a plan goes exactly there, asks no remote, and follows what the plan saw', async () => {
  await using scene = await createScene();
  const planned = await scene.commit({ files: { a: lines('planned') } });
  const made = await plan(scene);
  const later = await scene.commit({ files: { a: lines('later') } });
  await git(scene.copy, 'remote', 'set-url', 'origin', scene.fixture.path('nowhere'));
  const { after, said } = await scene.pull({ planned: plannedOf(made) });
  assert.equal(after, planned);
  assert.notEqual(after, later);
  assert.deepEqual(
    said.map((line) => line.split(' ')[0]),
    ['origin/main', 'fast-forward'],
  );
  assert.equal(await git(scene.copy, 'rev-parse', 'origin/main'), planned);
});

test('a planned branch is made with its upstream, though nothing is fetched', async () => {
  await using scene = await createScene();
  const side = await scene.commit({ branch: 'side', files: { d: 'side\n' } });
  const { after, branch } = await scene.pull({
    planned: plannedOf(await plan(scene, { branch: 'side' })),
  });
  assert.deepEqual([after, branch], [side, 'side']);
  assert.equal(
    await git(scene.copy, 'rev-parse', '--abbrev-ref', 'side@{upstream}'),
    'origin/side',
  );
});

test('a remote-tracking branch that was fetched since is left where it is', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: lines('planned') } });
  const made = await plan(scene);
  const later = await scene.commit({ files: { a: lines('later') } });
  await git(scene.copy, 'fetch', '--quiet');
  await scene.pull({ planned: plannedOf(made) });
  assert.equal(await git(scene.copy, 'rev-parse', 'origin/main'), later);
});

test('a planned commit that is not here any more is fetched, and refused when it is nowhere', async () => {
  await using scene = await createScene();
  const target = await scene.commit({ files: { a: lines('planned') } });
  const planned = plannedOf(await plan(scene));
  const forget = async (): Promise<void> => {
    for (const ref of (
      await git(scene.copy, 'for-each-ref', '--format=%(refname)', 'refs/gitagent')
    )
      .split('\n')
      .filter(Boolean)) {
      await git(scene.copy, 'update-ref', '-d', ref);
    }
    await git(scene.copy, 'gc', '--quiet', '--prune=now');
  };
  await forget();
  await git(scene.origin, 'update-ref', 'refs/heads/main', scene.first);
  const error = await scene.refuse('CONFLICT', /planned commit .* is gone/, { planned });
  assert.deepEqual(error.detail?.['moved'], ['target']);
  await git(scene.origin, 'update-ref', 'refs/heads/main', target);
  const { after, said } = await scene.pull({ planned });
  assert.equal(after, target);
  assert.match(said[0] ?? '', /^fetch origin, for .* is not here any more$/);
});

const MOVES: readonly (readonly [what: string, moved: string, move: (scene: Scene) => Promise<unknown>])[] = [
  ['a commit', 'HEAD', async (scene) => await scene.commitHere({ files: { b: lines('mine') } })],
  ['another branch', 'HEAD', async ({ copy }) => await git(copy, 'checkout', '--quiet', '-b', 'x')],
  ['a detached HEAD', 'HEAD', async ({ copy }) => await git(copy, 'checkout', '--quiet', '--detach')],
  [
    'a staged file',
    'index',
    async (scene) => {
      await scene.write({ b: lines('staged') });
      await git(scene.copy, 'add', 'b');
    },
  ],
  ['a file taken out of the index', 'index', async ({ copy }) => await git(copy, 'rm', '--cached', '--quiet', 'b')],
]; // prettier-ignore

for (const [what, moved, move] of MOVES) {
  test(`a plan does not outlive ${what}`, async () => {
    await using scene = await createScene();
    await scene.commit({ files: { a: lines('theirs') } });
    const planned = plannedOf(await plan(scene));
    await move(scene);
    const error = await scene.refuse('CONFLICT', /the plan does not hold any more.*plan again/, {
      planned,
    });
    assert.deepEqual(error.detail?.['moved'], [moved]);
  });
}

test('a plan does not outlive a commit on the branch it goes to', async () => {
  await using scene = await createScene();
  await scene.commit({ branch: 'side', files: { d: 'side\n' } });
  await scene.pull({ branch: 'side' });
  await scene.pull({ branch: 'main' });
  const planned = plannedOf(await plan(scene, { branch: 'side' }));
  await git(scene.copy, 'branch', '--quiet', '-f', 'side', 'main');
  const error = await scene.refuse('CONFLICT', /branch side was/, { planned });
  assert.deepEqual(error.detail?.['moved'], ['branch side']);
});

test('a plan outlives a git status, a changed file that is not in the way, and a new tag', async () => {
  await using scene = await createScene();
  const target = await scene.commit({ files: { a: lines('theirs') } });
  const planned = plannedOf(await plan(scene));
  await scene.write({ b: lines('mine'), new: 'mine\n' });
  await git(scene.copy, 'status');
  await git(scene.copy, 'tag', 'mine');
  assert.equal((await scene.pull({ planned })).after, target);
});

test('before the first commit a plan makes the branch', async () => {
  await using scene = await createScene();
  const { copy, first } = scene;
  await git(copy, 'update-ref', '-d', 'refs/heads/main');
  await git(copy, 'rm', '--cached', '--quiet', '-r', '.');
  await git(copy, 'clean', '--quiet', '-fd');
  const made = await plan(scene);
  assert.deepEqual([made.head.oid, made.goal?.behind, made.move?.kind], [null, 1, 'CREATE_BRANCH']);
  assert.equal((await scene.pull({ planned: plannedOf(made) })).after, first);
});
