/** Arguments may stand anywhere: seen by what a command of that name does. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { createScene, type Scene } from '../agent/scene.ts';
import {
  exchange,
  formatRequest,
  openConnection,
  request,
  sendForm,
  type RawResponse,
} from '../support/raw-http.ts';

let scene: Scene;
let url: string;

before(async () => {
  scene = await createScene({
    config: { password: 'secret' },
    commands: { hello: 'true', 'büild & more': 'true', fail: 'exit 3', '0': 'true' },
  });
  url = scene.url;
});
after(async () => {
  await scene[Symbol.asyncDispose]();
});

const FORM = 'application/x-www-form-urlencoded';

async function post(target: string, type: string, body: string | Buffer): Promise<RawResponse> {
  const headers = type === '' ? {} : { 'Content-Type': type };
  return await exchange(url, formatRequest('POST', target, headers, body));
}

/** What the agent says of a command that does not exist shows which one it read. */
function commandIn({ status, text }: RawResponse): string | undefined {
  assert.equal(status, 400, text);
  const { detail } = JSON.parse(text) as { detail: string };
  return /has no command ("(?:[^"\\]|\\.)*")/.exec(detail)?.[1];
}

describe('arguments are read from', () => {
  const boundary = 'b0undary';
  const multipart = ['password=secret', 'command=fail', 'block=1'].map((pair) => {
    const [name, value] = pair.split('=');
    return `--${boundary}\r\nContent-Disposition: form-data; name="${name}"\r\n\r\n${value}\r\n`;
  });
  const file = `--${boundary}\r\nContent-Disposition: form-data; name="command"; filename="x"\r\n\r\nhello\r\n`;
  const ways: Record<string, [target: string, type: string, body: string]> = {
    'the query': ['?password=secret&command=fail&block=1', '', ''],
    'a form': ['', FORM, 'password=secret&command=fail&block=1'],
    'a form with a charset': ['', `${FORM}; charset=utf-8`, 'password=secret&command=fail&block=1'],
    'a form whose type is in capitals': [
      '',
      'Application/X-WWW-Form-URLencoded',
      'password=secret&command=fail&block=1',
    ],
    'both query and form': ['?password=secret&command=fail', FORM, 'block=1'],
    JSON: ['', 'application/json', '{"password": "secret", "command": "fail", "block": 1}'],
    'JSON with true': [
      '',
      'application/json; charset=utf-8',
      '{"password": "secret", "command": "fail", "block": true, "git_hash": null}',
    ],
    'multipart/form-data, where a file is none': [
      '',
      `multipart/form-data; boundary=${boundary}`,
      `${multipart.join('')}${file}--${boundary}--\r\n`,
    ],
  };
  for (const [title, [query, type, body]] of Object.entries(ways)) {
    test(title, async () => {
      const { status, text } = await post(`/repo/site/exec${query}`, type, body);
      assert.equal(status, 200, text);
      assert.equal((JSON.parse(text) as { ret: string }).ret, 'failed');
    });
  }

  test('a form on GET and on DELETE', async () => {
    const form = { password: 'secret' };
    assert.equal((await sendForm(url, 'GET', '/repo', form)).status, 200);
    assert.equal((await sendForm(url, 'GET', '/repo/site', form)).status, 200);
    assert.equal((await sendForm(url, 'DELETE', '/jobs/x', form)).status, 404);
    assert.equal((await sendForm(url, 'GET', '/repo', { password: 'wrong' })).status, 401);
  });
});

describe('a value', () => {
  test('is the last of its name, and the body comes after the query', async () => {
    const target = '/repo/site/exec?password=secret&command=q1&command=q2';
    assert.equal(commandIn(await post(target, '', '')), '"q2"');
    assert.equal(commandIn(await post(target, FORM, 'command=f1&command=f2')), '"f2"');
    assert.equal(commandIn(await post(target, 'application/json', '{"command":"j"}')), '"j"');
  });

  test('of a password is the first, and is not stripped', async () => {
    const status = async (query: string) => (await request(url, 'GET', `/repo?${query}`)).status;
    assert.equal(await status('password=secret&password=wrong'), 200);
    assert.equal(await status('password=wrong&password=secret'), 401);
    assert.equal(await status('password=secret%20'), 401);
    assert.equal(await status('password='), 401);
    assert.equal(await status('password'), 401);
  });

  test('is stripped of white space around it', async () => {
    const form = 'password=secret&block=+1%0A&command=%09fail+';
    const { text } = await post('/repo/site/exec', FORM, form);
    assert.equal((JSON.parse(text) as { ret: string }).ret, 'failed');
  });

  test('is UTF-8, percent-encoded or not', async () => {
    for (const value of [
      encodeURIComponent('büild & more'),
      'büild+%26+more',
      'b%C3%BCild+%26 more',
    ]) {
      const form = Buffer.from(`password=secret&block=1&command=${value}`);
      const { text } = await post('/repo/site/exec', FORM, form);
      assert.equal((JSON.parse(text) as { ret?: string }).ret, 'success', text);
    }
  });

  test('keeps what only looks encoded, and all after the first "="', async () => {
    const target = '/repo/site/exec';
    const form = 'password=secret&&command=100%+a=b%zz&';
    assert.equal(commandIn(await post(target, FORM, form)), '"100% a=b%zz"');
  });

  test('of JSON may be text, a number or a truth value', async () => {
    for (const [value, read] of Object.entries({ '0.5': '"0.5"', '"ü"': '"ü"', true: '"1"' })) {
      const json = `{"password":"secret","command":${value}}`;
      assert.equal(commandIn(await post('/repo/site/exec', 'application/json', json)), read);
    }
  });
});

describe('refused is', () => {
  const cases: Record<string, [type: string, body: string | Buffer, detail: RegExp]> = {
    'a body without a type': ['', 'block=1', /^a body of type "" is not understood/],
    'a body of another type': ['text/plain', 'block=1', /"text\/plain" is not understood: send/],
    'JSON that is none': ['application/json', '{"block": ', /^the body is not JSON$/],
    'JSON that is no object': ['application/json', '["block"]', /must be an object/],
    'JSON null': ['application/json', 'null', /must be an object/],
    'a JSON value that is no text': ['application/json', '{"block": {}}', /^the argument "block" must be text$/],
    'a value that is not UTF-8': [FORM, 'password=%FF%FEsecret', /^the argument "password" is not UTF-8$/],
    'bytes that are not UTF-8': [FORM, Buffer.from('password=\xff', 'latin1'), /"password" is not UTF-8/],
    'a name that is not UTF-8': [FORM, '%FF=secret', /^an argument is not UTF-8$/],
    'multipart that is none': ['multipart/form-data; boundary=x', 'secret', /^the body is not multipart/],
    'multipart without a boundary': ['multipart/form-data', 'secret', /^the body is not multipart/],
    'too many arguments': [FORM, 'secret=1&'.repeat(101), /^more than 100 arguments/],
  }; // prettier-ignore
  for (const [title, [type, body, detail]] of Object.entries(cases)) {
    test(title, async () => {
      const { status, text } = await post('/repo/site/pull', type, body);
      const problem = JSON.parse(text) as { detail: string; code: string };
      assert.deepEqual([status, problem.code], [400, 'BAD_USER_INPUT']);
      assert.match(problem.detail, detail);
      assert.doesNotMatch(text, /secret/);
    });
  }

  test('a body longer than a mebibyte, which is not read to its end', async () => {
    using connection = await openConnection(url);
    const head = `POST /repo/site/pull HTTP/1.1\r\nHost: x\r\nContent-Type: ${FORM}\r\nContent-Length: 2000000000\r\n\r\n`;
    connection.write(head);
    connection.write(Buffer.alloc(1024 * 1024 + 1, 'x'));
    const { status, text, headers } = await connection.read();
    assert.deepEqual([status, headers['connection']], [413, 'close']);
    assert.match(text, /longer than 1048576 bytes/);
  });

  test('nothing of that has pulled', async () => {
    const auth = { Authorization: 'Bearer secret' };
    const { text } = await request(url, 'GET', '/repo/site/jobs', auth);
    const jobs = JSON.parse(text) as { kind: string }[];
    assert.deepEqual([...new Set(jobs.map(({ kind }) => kind))], ['RUN']);
  });
});
