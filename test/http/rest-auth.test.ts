/** Who may do what through REST, with a password in each of its five ways. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createScene, waitAt, type Scene } from '../agent/scene.ts';
import { processesOf, readProc } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { request, sendForm, type RawResponse } from '../support/raw-http.ts';

const PASSWORD = 'pä55 w=rd&';
const SUCCESS = '{\n    "err_msg": null,\n    "ret": "success"\n}';
const BUSY = '{\n    "err_msg": "repo is busying",\n    "ret": "failure"\n}';

let scene: Scene;
let url: string;

before(async () => {
  scene = await createScene({
    config: { password: PASSWORD },
    commands: { true: 'true', slow: waitAt('gate'), 'a b&c': 'true' },
  });
  url = scene.url;
});
after(async () => {
  await scene[Symbol.asyncDispose]();
});

type Form = Readonly<Record<string, string>>;

/** Counts on, so that no two tests sign the same by chance. */
let clock = Math.floor(Date.now() / 1000) - 30;

function sign(method: string, path: string, form: Form = {}, time = String(clock++)): Form {
  const args: Form = { ...form, time };
  const names = Object.keys(args).toSorted();
  const text = names.map((name) => `${name}=${args[name] ?? ''}`).join('&');
  const md5 = createHash('md5').update(`${method}${path}?${text}${PASSWORD}`);
  return { ...args, sign: md5.digest('hex') };
}

function query(form: Form): string {
  return new URLSearchParams(form).toString();
}

function assertRefused({ status, reason, headers, text }: RawResponse, detail: RegExp): void {
  assert.deepEqual([status, reason], [401, 'Unauthorized'], text);
  assert.match(headers['www-authenticate'] ?? '', /^Basic realm="[^"]*".*, Bearer realm=/);
  const problem = JSON.parse(text) as { detail: string; code: string };
  assert.equal(problem.code, 'UNAUTHENTICATED');
  assert.match(problem.detail, detail);
  assert.doesNotMatch(text, /Traceback|p\\?u?00?e?4?ä55|[0-9a-f]{32}/);
}

describe('the password opens', () => {
  const basic = `Basic ${Buffer.from(`me:${PASSWORD}`).toString('base64')}`;
  test('as argument in query and form', async () => {
    const form = { password: PASSWORD };
    assert.equal((await request(url, 'GET', `/repo?${query(form)}`)).status, 200);
    assert.equal((await sendForm(url, 'GET', '/repo', form)).status, 200);
    const { text } = await sendForm(url, 'POST', '/repo/site/pull', { ...form, block: '1' });
    assert.equal(text, SUCCESS);
  });

  test('as Basic', async () => {
    assert.equal((await request(url, 'GET', '/repo', { Authorization: basic })).status, 200);
    const headers = { Authorization: basic };
    assert.equal(
      (await sendForm(url, 'POST', '/repo/site/pull', 'block=1', headers)).text,
      SUCCESS,
    );
  });

  test('as Bearer', async () => {
    const config = { password: 'token' };
    await using other = await createScene({ config });
    const headers = { Authorization: 'Bearer token' };
    assert.equal((await request(other.url, 'GET', '/repo', headers)).status, 200);
  });

  test('in a signature over query, form, or both', async () => {
    const signed = sign('GET', '/repo/site');
    assert.equal((await request(url, 'GET', `/repo/site?${query(signed)}`)).status, 200);
    assert.equal((await sendForm(url, 'GET', '/repo/site', signed)).status, 200);
    const form = sign('POST', '/repo/site/pull', { git_branch: 'main', block: '1', other: 'ü=&' });
    const { git_branch, time, ...rest } = form;
    const target = `/repo/site/pull?${query({ git_branch: git_branch ?? '', time: time ?? '' })}`;
    assert.equal((await sendForm(url, 'POST', target, rest)).text, SUCCESS);
  });

  test('in a signature over a value with a "&" in it', async () => {
    const form = sign('POST', '/repo/site/exec', { command: 'a b&c', block: '1' });
    assert.equal((await sendForm(url, 'POST', '/repo/site/exec', form)).text, SUCCESS);
  });

  test('jobs as the caller "password"', async () => {
    const form = sign('POST', '/repo/site/exec', { command: 'true', block: '1' });
    const { headers } = await sendForm(url, 'POST', '/repo/site/exec', form);
    const { text } = await request(url, 'GET', headers['location'] ?? '', { Authorization: basic });
    assert.equal((JSON.parse(text) as { caller: string }).caller, 'password');
  });
});

describe('refused with 401, before anything else is looked at,', () => {
  const everything = [
    ['GET', '/repo'],
    ['GET', '/repo/site'],
    ['GET', '/repo/nope'],
    ['POST', '/repo/site/pull'],
    ['POST', '/repo/nope/pull'],
    ['POST', '/repo/site/exec'],
    ['POST', '/repo/nope/exec'],
    ['GET', '/repo/site/jobs'],
    ['GET', '/jobs/x'],
    ['GET', '/jobs/x/output'],
    ['DELETE', '/jobs/x'],
  ] as const;

  test('is every route without credentials', async () => {
    for (const [method, path] of everything) {
      assertRefused(await request(url, method, path), /^this needs credentials with the scope/);
    }
  });

  test('is every route with wrong ones', async () => {
    for (const [method, path] of everything) {
      const wrong = [{ password: 'wrong' }, { time: '1', sign: 'x' }, { sign: 'x' }];
      for (const form of wrong) assertRefused(await sendForm(url, method, path, form), /./);
      const headers = { Authorization: 'Basic bWU6d3Jvbmc=' };
      assertRefused(await request(url, method, path, headers), /^the credentials are wrong$/);
    }
  });

  test('but not GET /, which asks nobody', async () => {
    assert.equal((await request(url, 'GET', '/?password=wrong')).status, 200);
  });

  const tampered: Record<string, [detail: RegExp, change: (form: Form) => Form | string]> = {
    'another value': [/^the signature is wrong/, (form) => ({ ...form, git_branch: 'dev' })],
    'one more argument': [/^the signature is wrong/, (form) => ({ ...form, command: 'true' })],
    'one less': [/^the signature is wrong/, ({ block: _, ...form }) => form],
    'another sign': [/^the signature is wrong/, (form) => ({ ...form, sign: '0'.repeat(32) })],
    'no time': [/needs "time"/, ({ time: _, ...form }) => form],
    'a time that is none': [/needs "time"/, (form) => ({ ...form, time: 'now' })],
    // Bug 7: the first value was signed, the last one was used.
    'a name again': [
      /must give each argument once, and this gives "git_branch" again/,
      (form) => `${query(form)}&git_branch=dev`,
    ],
    // Bug 8: one value that reads as two arguments, split.
    'a value split in two': [/^the signature is wrong/, (form) => ({ ...form, block: '', x: '1' })],
  };
  for (const [title, [detail, change]] of Object.entries(tampered)) {
    test(`is a signed request with ${title}`, async () => {
      const form = sign('POST', '/repo/site/pull', { git_branch: 'main', block: '1' });
      assertRefused(await sendForm(url, 'POST', '/repo/site/pull', change(form)), detail);
    });
  }

  test('is a name signed in the query and again in the body', async () => {
    const signed = query(sign('POST', '/repo/site/pull', { git_branch: 'main' }));
    const answer = await sendForm(url, 'POST', `/repo/site/pull?${signed}`, { git_branch: 'dev' });
    assertRefused(answer, /must give each argument once/);
  });

  test('is a value that could be read as two arguments, however it is sent', async () => {
    const honest = { git_branch: 'dev&git_hash=1234', block: '1' };
    const form = sign('POST', '/repo/site/pull', honest);
    assertRefused(await sendForm(url, 'POST', '/repo/site/pull', form), /cannot be signed/);
    const { git_branch: _, ...rest } = form;
    const split = { ...rest, git_branch: 'dev', git_hash: '1234' };
    const answer = await sendForm(url, 'POST', '/repo/site/pull', split);
    // Who heard that cannot use it as what else it could mean.
    assertRefused(answer, /was made before/);
  });

  test('is a signature of another route, method or repository', async () => {
    const form = sign('POST', '/repo/site/pull', { command: 'true' });
    assertRefused(await sendForm(url, 'POST', '/repo/site/exec', form), /signature is wrong/);
    const get = sign('GET', '/repo/site');
    assert.equal((await request(url, 'HEAD', `/repo/site?${query(get)}`)).status, 401);
  });

  test('is a signature too old or from the future', async () => {
    const now = Math.floor(Date.now() / 1000);
    for (const seconds of [-70, 70]) {
      const form = sign('GET', '/repo', {}, String(now + seconds));
      assertRefused(await sendForm(url, 'GET', '/repo', form), /not within 60 seconds/);
    }
    for (const seconds of [-55, 55]) {
      const form = sign('GET', '/repo', {}, String(now + seconds));
      assert.equal((await sendForm(url, 'GET', '/repo', form)).status, 200);
    }
  });
});

describe('a signature', () => {
  test('is good for one change, and for any number of reads', async () => {
    const read = sign('GET', '/repo');
    for (let i = 0; i < 3; i++)
      assert.equal((await sendForm(url, 'GET', '/repo', read)).status, 200);
    const form = sign('POST', '/repo/site/pull', { block: '1' });
    assert.equal((await sendForm(url, 'POST', '/repo/site/pull', form)).text, SUCCESS);
    assertRefused(await sendForm(url, 'POST', '/repo/site/pull', form), /was made before/);
    // Nor in another order, or another place.
    const target = `/repo/site/pull?${query(Object.fromEntries(Object.entries(form).toReversed()))}`;
    assertRefused(await request(url, 'POST', target), /was made before/);
  });

  test('is spent by what was refused as well', async () => {
    const form = sign('POST', '/repo/site/pull', { command: 'nope' });
    assert.equal((await sendForm(url, 'POST', '/repo/site/pull', form)).status, 400);
    const ended = sign('DELETE', '/jobs/x');
    assert.equal((await sendForm(url, 'DELETE', '/jobs/x', ended)).status, 404);
    assertRefused(await sendForm(url, 'DELETE', '/jobs/x', ended), /was made before/);
  });

  test('is needed anew to repeat a request by its key, which no signature covers', async () => {
    const key = { 'Idempotency-Key': 'again' };
    const send = async (form: Form): Promise<RawResponse> =>
      await sendForm(url, 'POST', '/repo/site/pull', form, key);
    const form = sign('POST', '/repo/site/pull', { block: '1' });
    const first = await send(form);
    assert.equal(first.text, SUCCESS);
    assertRefused(await send(form), /was made before/);
    const anew = await send(sign('POST', '/repo/site/pull', { block: '1' }));
    assert.equal(anew.headers['location'], first.headers['location']);
  });

  test('that two callers made in the same second lets the second hear that it is busy', async () => {
    const form = sign('POST', '/repo/site/pull', { command: 'slow' });
    assert.equal((await sendForm(url, 'POST', '/repo/site/pull', form)).text, SUCCESS);
    assert.equal((await sendForm(url, 'POST', '/repo/site/pull', form)).text, BUSY);
    await scene.open('gate');
    await until(async () => {
      const { text } = await sendForm(url, 'GET', '/repo/site', { password: PASSWORD });
      return text.includes('"busy": false');
    }, 'it ends');
    // The job is over, so now it would change something again.
    assertRefused(await sendForm(url, 'POST', '/repo/site/pull', form), /was made before/);
  });
});

test('"anonymous" says what needs no password', async () => {
  const config = { password: PASSWORD, anonymous: ['read', 'pull'] };
  await using open = await createScene({ config, commands: { true: 'true' } });
  assert.equal((await request(open.url, 'GET', '/repo/site')).status, 200);
  assert.equal((await sendForm(open.url, 'POST', '/repo/site/pull', 'block=1')).text, SUCCESS);
  for (const path of ['/repo/site/pull', '/repo/site/exec']) {
    assertRefused(await sendForm(open.url, 'POST', path, 'command=true'), /the scope run/);
  }
  assertRefused(await sendForm(open.url, 'GET', '/repo', { password: 'x' }), /are wrong/);
});

test('without a password all credentials are as good as none', async () => {
  await using open = await createScene();
  const twice = sign('POST', '/repo/site/pull', { block: '1' });
  for (const form of [
    {},
    { password: 'x' },
    { time: '1', sign: 'x' },
    { sign: '' },
    twice,
    twice,
  ]) {
    const answer = await sendForm(open.url, 'POST', '/repo/site/pull', { block: '1', ...form });
    assert.equal(answer.text, SUCCESS);
  }
  const headers = { Authorization: 'Basic bWU6cHJveHk=' };
  assert.equal((await request(open.url, 'GET', '/repo', headers)).status, 200);
});

test('neither passwords nor signatures are in logs, errors, outputs, journal or process lists', async () => {
  const password = 'Ver-y_Secret.Password';
  await using safe = await createScene({
    config: { password },
    commands: { env: `env; ${waitAt('gate2')}` },
    env: { GITAGENT_PASSWORD: undefined },
  });
  const form = { time: String(Math.floor(Date.now() / 1000)), sign: 'ab'.repeat(16) };
  const asked = [
    sendForm(safe.url, 'POST', '/repo/site/pull', { password, command: 'env' }),
    sendForm(safe.url, 'POST', '/repo/nope/pull', { password: `${password}x` }),
    request(safe.url, 'GET', `/nope?password=${password}`),
    request(safe.url, 'GET', `/repo?password=${password}%FF`),
    request(safe.url, 'GET', `/repo?password=${password}%FF`),
    sendForm(safe.url, 'GET', '/repo', form),
    request(safe.url, 'PUT', `/repo?${query(form)}&password=${password}`),
    request(safe.url, 'GET', `/console?password=${password}`),
    request(safe.url, 'GET', `/repo/%FF?password=${password}`),
  ];
  const texts = (await Promise.all(asked)).map(
    ({ text, headers }) => text + JSON.stringify(headers),
  );
  await until(
    () => processesOf(safe.agent.home).some(({ command }) => command.includes('gate2')),
    'the command runs',
  );
  for (const { pid, command } of processesOf(safe.agent.home)) {
    texts.push(command, readProc(`/proc/${pid}/environ`));
  }
  await safe.open('gate2');
  await safe.agent.stop();
  texts.push(safe.agent.stdout(), safe.agent.stderr());
  const { stateDir } = safe.agent;
  for (const name of await readdir(stateDir, { recursive: true, withFileTypes: true })) {
    if (name.isFile()) texts.push(await readFile(join(name.parentPath, name.name), 'latin1'));
  }
  assert.ok(texts.some((text) => text.includes('GITAGENT_CALLER=password')));
  for (const text of texts) {
    assert.doesNotMatch(text, /Ver-y_Secret/);
    assert.doesNotMatch(text, /abababab/);
  }
});
