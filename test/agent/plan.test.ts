import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask } from '../support/graphql-client.ts';
import { git, treeState, writeCommit } from '../support/git-fixture.ts';
import { createScene, type Scene } from './scene.ts';

const PLAN = `mutation ($input: PlanPullInput!) { planPull(input: $input) { plan {
  kind fastForward currentBranch branch upstream ahead behind
  before { oid } target { oid } after { oid }
  commits(first: 2) { nodes { messageHeadline } pageInfo { hasNextPage } }
  changedFiles { added modified } inTheWay { path tracked } discarded { path }
  command { name line } error { code message } token
} } }`;
const PULL = `mutation ($input: PullInput!) { pull(input: $input) { job {
  key state command after { oid } error { code message detail }
} } }`;

// oxlint-disable-next-line no-explicit-any -- answers of documents that stand above
type Plan = Record<string, any>;

async function plan(scene: Scene, input: object = {}): Promise<Plan> {
  const variables = { input: { repo: 'site', ...input } };
  const { data, errors } = await ask<{ planPull: { plan: Plan } }>(scene.url, PLAN, variables);
  assert.equal(errors, undefined);
  assert.ok(data != null);
  return data.planPull.plan;
}

async function pull(scene: Scene, input: object): Promise<Plan> {
  const variables = { input: { repo: 'site', wait: true, ...input } };
  const { data, errors } = await ask<{ pull: { job: Plan } }>(scene.url, PULL, variables);
  if (errors !== undefined) return { errors };
  assert.ok(data != null);
  return data.pull.job;
}

test('a plan tells what the pull with its token then does, whatever the remote has by then', async () => {
  await using scene = await createScene({ commands: { build: 'echo built' } });
  for (const n of [1, 2, 3])
    await scene.commit({ files: { [`f${n}`]: 'x\n' }, message: `no. ${n}\n` });
  const target = await scene.commit({ message: 'last\n' });
  const before = await treeState(scene.copy);
  const { token, ...told } = await plan(scene, { command: 'build' });
  const { refs: _plans, ...after } = await treeState(scene.copy);
  assert.deepEqual(after, {
    ...after,
    head: before.head,
    index: before.index,
    files: before.files,
  });
  assert.deepEqual(told, {
    kind: 'FAST_FORWARD',
    fastForward: true,
    currentBranch: 'main',
    branch: 'main',
    upstream: 'origin/main',
    ahead: 0,
    behind: 4,
    before: { oid: scene.first },
    target: { oid: target },
    after: { oid: target },
    commits: {
      nodes: [{ messageHeadline: 'last' }, { messageHeadline: 'no. 3' }],
      pageInfo: { hasNextPage: true },
    },
    changedFiles: { added: ['f1', 'f2', 'f3'], modified: ['a'] },
    inTheWay: [],
    discarded: [],
    command: { name: 'build', line: 'echo built' },
    error: null,
  });
  await scene.commit({ files: { a: 'later\n' } });
  const job = await pull(scene, { planToken: token });
  assert.deepEqual(
    [job['state'], job['command'], job['after']],
    ['SUCCEEDED', 'build', { oid: target }],
  );
  // It has moved itself.
  const again = await pull(scene, { planToken: token });
  assert.deepEqual([again['state'], again['error'].code], ['FAILED', 'CONFLICT']);
  assert.deepEqual(JSON.parse(again['error'].detail), { moved: ['HEAD'] });
});

test('a plan tells what the pull would be refused for, in its words', async () => {
  await using scene = await createScene();
  await scene.commit();
  await scene.write('a', 'mine\n');
  const { error, inTheWay, kind, token } = await plan(scene);
  assert.deepEqual([kind, inTheWay], ['FAST_FORWARD', [{ path: 'a', tracked: true }]]);
  const job = await pull(scene, {});
  assert.deepEqual([error.code, error.message], [job['error'].code, job['error'].message]);
  // What stood in the way may be gone by the time of the pull.
  await git(scene.copy, 'checkout', '--quiet', '--', 'a');
  assert.equal((await pull(scene, { planToken: token }))['state'], 'SUCCEEDED');
});

test('a token is good for what it was made for, in this agent', async () => {
  await using scene = await createScene({ others: ['other'] });
  await scene.commit();
  const { token } = await plan(scene);
  const refuse = async (input: object, message: RegExp): Promise<void> => {
    const { errors } = await pull(scene, input);
    assert.equal(errors?.[0].extensions.code, 'BAD_USER_INPUT');
    assert.match(errors[0].message, message);
  };
  await refuse({ planToken: token, branch: 'side' }, /made with the branch "main", and not "side"/);
  await refuse({ planToken: token, strategy: 'RESET' }, /strategy/);
  await refuse({ planToken: token, repo: 'other' }, /repo "site", and not "other"/);
  const forged = `${Buffer.from('{"version":1}').toString('base64url')}.${String(token).split('.')[1]}`;
  for (const planToken of ['x', forged, `${token}x`]) await refuse({ planToken }, /not a plan of this agent/);
  assert.equal((await pull(scene, { planToken: token, branch: 'main' }))['state'], 'SUCCEEDED');
}); // prettier-ignore

test('a plan runs beside a job, and neither disturbs the other', async () => {
  await using scene = await createScene({
    commands: { hold: 'touch "$GATES/held"; while [ ! -e "$GATES/go" ]; do sleep 0.01; done' },
  });
  const target = await scene.commit();
  const running = ask(scene.url, `mutation { run(input: { repo: "site", command: "hold", wait: true }) { job { state } } }`); // prettier-ignore
  const { kind, token } = await plan(scene);
  assert.equal(kind, 'FAST_FORWARD');
  await scene.open('go');
  assert.deepEqual((await running).data, { run: { job: { state: 'SUCCEEDED' } } });
  assert.deepEqual((await pull(scene, { planToken: token }))['after'], { oid: target });
});

test('a pull with an idempotency key is one job, however often it is asked for', async () => {
  await using scene = await createScene();
  await scene.commit();
  const input = { idempotencyKey: 'deploy 7' };
  const jobs = await Promise.all([pull(scene, input), pull(scene, input), pull(scene, input)]);
  assert.equal(new Set(jobs.map((job) => job['key'])).size, 1);
  assert.equal(jobs[2]?.['state'], 'SUCCEEDED');
  const other = await pull(scene, { ...input, strategy: 'MERGE' });
  assert.match(other['errors'][0].message, /was used for another request/);
  const bad = await pull(scene, { idempotencyKey: ' ' });
  assert.equal(bad['errors'][0].extensions.code, 'BAD_USER_INPUT');
});

test('a repository that only its plan saw is not shown to git over HTTP', async () => {
  await using scene = await createScene();
  await writeCommit(scene.origin, { branch: 'side', files: { s: '1\n' } });
  await plan(scene, { branch: 'side' });
  const listed = await git(scene.copy, 'ls-remote', `${scene.url}/site.git`);
  assert.doesNotMatch(listed, /gitagent|side/);
});
