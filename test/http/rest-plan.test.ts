import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createScene, getStatus, type Scene } from '../agent/scene.ts';
import { git } from '../support/git-fixture.ts';
import { request, sendForm, type RawResponse } from '../support/raw-http.ts';

type Form = Readonly<Record<string, string>>;

async function post({ url }: Scene, action: string, form: Form = {}): Promise<RawResponse> {
  return await sendForm(url, 'POST', `/repo/site/${action}`, form);
}

/** Of a plan, a pull or a problem. */
interface Body {
  readonly ret?: string;
  readonly err_msg?: string | null;
  readonly err_code?: string | null;
  readonly plan_token?: string | null;
  readonly detail?: string;
}

function bodyOf({ text }: RawResponse): Body {
  return JSON.parse(text) as Body;
}

function tokenOf(answer: RawResponse): string {
  const { plan_token } = bodyOf(answer);
  assert.ok(plan_token != null);
  return plan_token;
}

test('a plan is answered in the style of the house', async () => {
  await using scene = await createScene({ commands: { build: 'echo built' } });
  const target = await scene.commit({ files: { a: 'two\n', d: '1\n' }, message: 'second\n' });
  const answer = await post(scene, 'plan', { git_branch: 'main', command: 'build' });
  assert.equal(answer.status, 200);
  const plan_token = tokenOf(answer);
  const { plan_token: _token, ...told } = bodyOf(answer);
  assert.deepEqual(told, {
    after: target,
    ahead: 0,
    before: scene.first,
    behind: 1,
    branch: 'main',
    changed_files: { A: ['d'], D: [], M: ['a'], R: [] },
    command: 'build',
    command_line: 'echo built',
    commits: [{ author: 'Ada', hash: target, message: 'second\n' }],
    current_branch: 'main',
    discarded: [],
    err_code: null,
    err_detail: null,
    err_msg: null,
    in_the_way: [],
    kind: 'FAST_FORWARD',
    ret: 'success',
    target,
    upstream: 'origin/main',
  });
  assert.equal((await getStatus(scene.url))['hash'], scene.first);
  const pulled = bodyOf(await post(scene, 'pull', { plan_token, block: '1' }));
  assert.deepEqual(pulled, { err_msg: null, ret: 'success' });
  assert.equal((await getStatus(scene.url))['hash'], target);
});

test('a pull whose plan does not hold any more fails, and says what has moved', async () => {
  await using scene = await createScene();
  await scene.commit();
  const plan_token = tokenOf(await post(scene, 'plan'));
  await git(scene.copy, 'checkout', '--quiet', '-b', 'mine');
  const { ret, err_msg } = bodyOf(await post(scene, 'pull', { plan_token, block: '1' }));
  assert.equal(ret, 'failed');
  assert.match(
    err_msg ?? '',
    /^the plan does not hold any more: HEAD was main and is mine; plan again$/,
  );
});

test('what a pull is refused for at once, a plan is too', async () => {
  await using scene = await createScene();
  assert.equal((await post(scene, 'plan', { command: 'none' })).status, 400);
  assert.equal((await post(scene, 'plan', { git_branch: '-f' })).status, 400);
  assert.equal((await post(scene, 'pull', { plan_token: 'x' })).status, 400);
  assert.equal((await sendForm(scene.url, 'POST', '/repo/none/plan', {})).status, 404);
  assert.equal((await request(scene.url, 'GET', '/repo/site/plan')).status, 405);
  const { ret, err_code } = bodyOf(await post(scene, 'plan', { git_branch: 'nowhere' }));
  assert.deepEqual([ret, err_code], ['failed', 'NOT_FOUND']);
});

test('a repeated pull with its key waits for the same job and gives its result', async () => {
  await using scene = await createScene({ commands: { fail: 'exit 3' } });
  const send = async (form: string, key = '"k 1"'): Promise<RawResponse> => {
    return await sendForm(scene.url, 'POST', '/repo/site/pull', form, { 'Idempotency-Key': key });
  };
  const answers = await Promise.all([send('command=fail&block=1'), send('block=1&command=fail')]);
  answers.push(await send('command=fail&block=0', 'k 1'));
  assert.equal(new Set(answers.map(({ headers }) => headers['location'])).size, 1);
  assert.deepEqual(
    answers.map((answer) => bodyOf(answer).ret),
    ['failed', 'failed', 'success'],
  );
  const other = await send('block=1');
  assert.equal(other.status, 400);
  assert.match(bodyOf(other).detail ?? '', /was used for another request/);
  assert.equal((await send('block=1', 'k'.repeat(256))).status, 400);
});
