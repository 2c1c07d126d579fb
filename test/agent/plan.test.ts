import assert from 'node:assert/strict';
import { test } from 'node:test';
import { ask, type Answer } from '../support/graphql-client.ts';
import { until } from '../support/deadline.ts';
import { exists, git, treeState, writeCommit } from '../support/git-fixture.ts';
import { createScene, type Scene } from './scene.ts';

const PLAN = `mutation ($input: PlanPullInput!) { planPull(input: $input) { plan {
  kind fastForward currentBranch branch upstream ahead behind
  before { oid } target { oid } after { oid }
  commits(first: 2) { nodes { messageHeadline } pageInfo { hasNextPage } }
  changedFiles { added modified } inTheWay { path tracked } discarded { path }
  command { name line } error { code message } token
} } }`;
const PULL = `mutation ($input: PullInput!) { pull(input: $input) { job {
  key state command strategy after { oid } error { code message detail }
} } }`;

interface Failure {
  readonly code: string;
  readonly message: string;
  readonly detail?: string | null;
}

interface Plan {
  readonly kind: string | null;
  readonly inTheWay: readonly { readonly path: string; readonly tracked: boolean }[];
  readonly error: Failure | null;
  readonly token: string | null;
}

interface PulledJob {
  readonly key: string;
  readonly state: string;
  readonly command: string | null;
  readonly strategy: string | null;
  readonly after: { readonly oid: string } | null;
  readonly error: Failure | null;
}

async function plan(scene: Scene, input: object = {}): Promise<Plan> {
  const variables = { input: { repo: 'site', ...input } };
  const { data, errors } = await ask<{ planPull: { plan: Plan } }>(scene.url, PLAN, variables);
  assert.equal(errors, undefined);
  assert.ok(data != null);
  return data.planPull.plan;
}

async function askPull(scene: Scene, input: object): Promise<Answer<{ pull: { job: PulledJob } }>> {
  return await ask(scene.url, PULL, { input: { repo: 'site', wait: true, ...input } });
}

async function pull(scene: Scene, input: object): Promise<PulledJob> {
  const { data, errors } = await askPull(scene, input);
  assert.equal(errors, undefined);
  assert.ok(data != null);
  return data.pull.job;
}

async function refuse(scene: Scene, input: object, message: RegExp): Promise<void> {
  const [error] = (await askPull(scene, input)).errors ?? [];
  assert.equal(error?.extensions?.['code'], 'BAD_USER_INPUT');
  assert.match(error.message, message);
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
  assert.deepEqual([job.state, job.command, job.strategy], ['SUCCEEDED', 'build', 'FF_ONLY']);
  assert.deepEqual(job.after, { oid: target });
  // It has moved itself.
  const again = await pull(scene, { planToken: token });
  assert.deepEqual([again.state, again.error?.code], ['FAILED', 'CONFLICT']);
  assert.deepEqual(JSON.parse(again.error?.detail ?? ''), { moved: ['HEAD'] });
});

test('a plan tells what the pull would be refused for, in its words', async () => {
  await using scene = await createScene();
  await scene.commit();
  await scene.write('a', 'mine\n');
  const { error, inTheWay, kind, token } = await plan(scene);
  assert.deepEqual([kind, inTheWay], ['FAST_FORWARD', [{ path: 'a', tracked: true }]]);
  const job = await pull(scene, {});
  assert.deepEqual([error?.code, error?.message], [job.error?.code, job.error?.message]);
  // What stood in the way may be gone by the time of the pull.
  await git(scene.copy, 'checkout', '--quiet', '--', 'a');
  assert.equal((await pull(scene, { planToken: token })).state, 'SUCCEEDED');
});

test('a token is good for what it was made for, in this agent', async () => {
  await using scene = await createScene({ others: ['other'] });
  await scene.commit();
  const { token } = await plan(scene);
  await refuse(scene, { planToken: token, branch: 'side' }, /made with the branch "main", and not "side"/);
  await refuse(scene, { planToken: token, strategy: 'RESET' }, /strategy/);
  await refuse(scene, { planToken: token, repo: 'other' }, /repo "site", and not "other"/);
  const forged = `${Buffer.from('{"version":1}').toString('base64url')}.${String(token).split('.')[1]}`;
  for (const planToken of ['x', forged, `${token}x`]) await refuse(scene, { planToken }, /not a plan of this agent/);
  assert.equal((await pull(scene, { planToken: token, branch: 'main' })).state, 'SUCCEEDED');
}); // prettier-ignore

test('a plan runs beside a job, and neither disturbs the other', async () => {
  await using scene = await createScene({
    commands: { hold: 'touch "$GATES/held"; while [ ! -e "$GATES/go" ]; do sleep 0.01; done' },
  });
  const target = await scene.commit();
  const running = ask(scene.url, `mutation { run(input: { repo: "site", command: "hold", wait: true }) { job { state } } }`); // prettier-ignore
  await until(async () => await exists(scene.fixture.path('held')), 'the job is at work');
  const { kind, token } = await plan(scene);
  assert.equal(kind, 'FAST_FORWARD');
  await scene.open('go');
  assert.deepEqual((await running).data, { run: { job: { state: 'SUCCEEDED' } } });
  assert.deepEqual((await pull(scene, { planToken: token })).after, { oid: target });
});

test('a pull with an idempotency key is one job, however often it is asked for', async () => {
  await using scene = await createScene();
  await scene.commit();
  const input = { idempotencyKey: 'deploy 7' };
  const jobs = await Promise.all([pull(scene, input), pull(scene, input), pull(scene, input)]);
  assert.equal(new Set(jobs.map((job) => job.key)).size, 1);
  assert.equal(jobs[2]?.state, 'SUCCEEDED');
  await refuse(scene, { ...input, strategy: 'MERGE' }, /was used for another request/);
  await refuse(scene, { idempotencyKey: ' ' }, /printable ASCII/);
});

test('a repository that only its plan saw is not shown to git over HTTP', async () => {
  await using scene = await createScene();
  await writeCommit(scene.origin, { branch: 'side', files: { s: '1\n' } });
  await plan(scene, { branch: 'side' });
  const listed = await git(scene.copy, 'ls-remote', `${scene.url}/site.git`);
  assert.doesNotMatch(listed, /gitagent|side/);
});
