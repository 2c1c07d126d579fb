import assert from 'node:assert/strict';
import { readFile, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { pullDocument, repoDocument, watchOutputDocument } from '../../src/client/documents.ts';
import { openEvents, query, refusal } from '../support/graphql-client.ts';
import { git, treeState, writeCommit } from '../support/git-fixture.ts';
import { createScene, getStatus, postPull, waitAt, type Scene } from './scene.ts';

type Input = Readonly<Record<string, unknown>>;

async function pull(scene: Scene, input: Input = {}) {
  const variables = { input: { repo: 'site', wait: true, ...input } };
  return (await query(scene.url, pullDocument, variables)).pull.job;
}

async function outputOf(scene: Scene, job: string): Promise<string> {
  let text = '';
  const events = openEvents(scene.url, watchOutputDocument, { job });
  for await (const { output } of events) text += output.text;
  return text;
}

test('a pull moves the working copy and runs the command, whose output is kept', async () => {
  await using scene = await createScene({
    commands: { build: 'echo "built $GITAGENT_BEFORE..$GITAGENT_AFTER on $GITAGENT_BRANCH" >&2' },
  });
  const second = await scene.commit();
  const job = await pull(scene, { command: 'build' });
  assert.deepEqual(
    { state: job.state, branch: job.branch, error: job.error, exitCode: job.exitCode },
    { state: 'SUCCEEDED', branch: 'main', error: null, exitCode: 0 },
  );
  assert.deepEqual([job.before?.oid, job.after?.oid], [scene.first, second]);
  assert.equal(await readFile(join(scene.copy, 'a'), 'utf8'), 'two\n');
  assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), second);
  const output = await outputOf(scene, job.key);
  assert.match(output, new RegExp(`\\nbuilt ${scene.first}\\.\\.${second} on main\\n`));

  const { repo } = await query(scene.url, repoDocument, { name: 'site' });
  assert.deepEqual(
    { branch: repo?.branch, oid: repo?.head?.oid, dirty: repo?.dirty, busy: repo?.busy },
    { branch: 'main', oid: second, dirty: false, busy: false },
  );
});

test('a pull through REST waits with block=1 and answers as the original did', async () => {
  await using scene = await createScene({ commands: { build: 'echo built > built' } });
  const second = await scene.commit();
  const { status, body } = await postPull(scene.url, {
    git_branch: 'main',
    command: 'build',
    block: '1',
  });
  assert.deepEqual({ status, body }, { status: 200, body: { err_msg: null, ret: 'success' } });
  assert.equal(await readFile(join(scene.copy, 'built'), 'utf8'), 'built\n');
  const { hash, branch, untracked_files } = await getStatus(scene.url);
  assert.deepEqual(
    { hash, branch, untracked_files },
    { hash: second, branch: 'main', untracked_files: ['built'] },
  );
});

test('a branch that only the remote has is made and follows it; a hash detaches HEAD', async () => {
  await using scene = await createScene();
  const topic = await scene.commit({ branch: 'topic', parents: [scene.first], files: { b: '' } });
  const job = await pull(scene, { branch: 'topic' });
  assert.deepEqual([job.state, job.branch, job.after?.oid], ['SUCCEEDED', 'topic', topic]);
  assert.equal(await git(scene.copy, 'rev-parse', '--abbrev-ref', '@{u}'), 'origin/topic');

  const detached = await pull(scene, { hash: scene.first.slice(0, 8) });
  assert.deepEqual(
    [detached.state, detached.branch, detached.after?.oid],
    ['SUCCEEDED', null, scene.first],
  );
  assert.equal((await getStatus(scene.url))['branch'], null);
});

test('a command that fails makes the job fail, with its exit code and its output', async () => {
  await using scene = await createScene({ commands: { build: 'echo half; exit 7' } });
  const second = await scene.commit();
  const job = await pull(scene, { command: 'build' });
  assert.deepEqual([job.state, job.exitCode, job.error?.code], ['FAILED', 7, 'COMMAND_FAILED']);
  assert.equal(job.after?.oid, second);
  assert.match(await outputOf(scene, job.key), /\nhalf\n/);
});

/** What refuses a pull, and how each interface says so. */
const REFUSALS: readonly {
  readonly title: string;
  readonly prepare?: (scene: Scene) => Promise<unknown>;
  readonly input?: Input;
  readonly code: string;
  readonly message: RegExp;
  /** Refused before there is a job: an error of the request, and in REST a status of its own. */
  readonly status?: number;
}[] = [
  {
    title: 'whose fetch fails',
    prepare: async ({ origin }) => {
      await rename(origin, `${origin}.moved`);
    },
    code: 'COMMAND_FAILED',
    message: /fetch/,
  },
  {
    title: 'with a dirty file in the way',
    prepare: async (scene) => {
      await scene.commit();
      await scene.write('a', 'mine\n');
    },
    code: 'CONFLICT',
    message: /"a"/,
  },
  {
    title: 'with an untracked file in the way',
    prepare: async (scene) => {
      await scene.commit({ files: { new: '' } });
      await scene.write('new', 'mine\n');
    },
    code: 'CONFLICT',
    message: /"new"/,
  },
  {
    title: 'of a branch that has diverged',
    prepare: async (scene) => {
      await scene.commit();
      await writeCommit(scene.copy, { files: { mine: 'm\n' } });
      await git(scene.copy, 'reset', '--quiet', '--hard');
    },
    code: 'CONFLICT',
    message: /main has diverged from origin\/main/,
  },
  { title: 'of an unknown branch', input: { branch: 'nope' }, code: 'NOT_FOUND', message: /nope/ },
  {
    title: 'of an unknown hash',
    input: { hash: '0123456789012345678901234567890123456789' },
    code: 'NOT_FOUND',
    message: /0123456789/,
  },
  {
    title: 'with an unknown command',
    input: { command: 'nope' },
    code: 'BAD_USER_INPUT',
    message: /no command "nope"/,
    status: 400,
  },
  {
    title: 'of an unknown repository',
    input: { repo: 'nope' },
    code: 'NOT_FOUND',
    message: /nope/,
    status: 404,
  },
];

for (const { title, prepare, input = {}, code, message, status } of REFUSALS) {
  test(`a pull ${title} is refused and leaves the working copy as it was`, async () => {
    await using scene = await createScene();
    await prepare?.(scene);
    const before = await treeState(scene.copy);
    if (status === undefined) {
      const job = await pull(scene, input);
      assert.deepEqual([job.state, job.error?.code], ['FAILED', code]);
      assert.match(job.error?.message ?? '', message);
    } else {
      const variables = { input: { repo: 'site', ...input } };
      const refused = await refusal(scene.url, pullDocument, variables);
      assert.equal(refused.code, code);
      assert.match(refused.message, message);
    }
    assert.deepEqual(await treeState(scene.copy), before);

    const { repo = 'site', branch, hash, command } = input as Record<string, string>;
    const form = { git_branch: branch, git_hash: hash, command, block: '1' };
    const given = Object.entries(form).filter(
      (entry): entry is [string, string] => entry[1] !== undefined,
    );
    const rest = await fetch(`${scene.url}/repo/${repo}/pull`, {
      method: 'POST',
      body: new URLSearchParams(given),
    });
    const body = (await rest.json()) as { ret?: string; err_msg?: string; detail?: string };
    assert.equal(rest.status, status ?? 200);
    assert.equal(body.ret, status === undefined ? 'failed' : undefined);
    assert.match(body.err_msg ?? body.detail ?? '', message);
    assert.deepEqual(await treeState(scene.copy), before);
  });
}

test('a pull of a busy repository is refused, names who holds it, and touches nothing', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  const { pull: accepted } = await query(scene.url, pullDocument, {
    input: { repo: 'site', command: 'slow' },
  });
  await scene.commit();
  const before = await treeState(scene.copy);
  const refused = await refusal(scene.url, pullDocument, { input: { repo: 'site' } });
  assert.equal(refused.code, 'BUSY');
  assert.equal(refused.extensions['holder'], accepted.job.key);
  assert.deepEqual(await postPull(scene.url, { block: '1' }), {
    status: 200,
    body: { err_msg: 'repo is busying', ret: 'failure' },
  });
  assert.deepEqual(await treeState(scene.copy), before);
  await scene.open('gate');
});

test('a pull may wait for its turn', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  await query(scene.url, pullDocument, { input: { repo: 'site', command: 'slow' } });
  const second = await scene.commit();
  const { pull: queued } = await query(scene.url, pullDocument, {
    input: { repo: 'site', ifBusy: 'WAIT' },
  });
  assert.equal(queued.job.state, 'QUEUED');
  await scene.open('gate');
  const events = openEvents(scene.url, watchOutputDocument, { job: queued.job.key });
  for await (const _ of events);
  assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), second);
});
