/** Every row of the original's table of routes, byte by byte, on one agent. */
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { after, before, describe, test } from 'node:test';
import { createScene, type Scene } from '../agent/scene.ts';
import { cloneRepository } from '../support/git-fixture.ts';
import { exchange, formatRequest, openConnection, request, sendForm } from '../support/raw-http.ts';

let scene: Scene;
let url: string;

before(async () => {
  scene = await createScene({ commands: { hello: 'echo hello' } });
  url = scene.url;
});
after(async () => {
  await scene[Symbol.asyncDispose]();
});

const SUCCESS = '{\n    "err_msg": null,\n    "ret": "success"\n}';

describe('the routes', () => {
  test('GET / greets, in 16 bytes', async () => {
    const { status, headers, text } = await request(url, 'GET', '/');
    assert.deepEqual([status, text], [200, 'Hello, GitAgent~']);
    assert.equal(headers['content-type'], 'text/html; charset=UTF-8');
    assert.equal(headers['content-length'], '16');
  });

  test('GET / sends a browser to the page it can use', async () => {
    const accept = { Accept: 'text/html,application/xhtml+xml,*/*;q=0.8' };
    const { status, headers } = await request(url, 'GET', '/', accept);
    assert.deepEqual([status, headers['location'], headers['vary']], [302, '/graphql', 'Accept']);
  });

  test('GET /repo lists the names', async () => {
    const { version, status, reason, headers, text } = await request(url, 'GET', '/repo');
    assert.deepEqual([version, status, reason], ['HTTP/1.1', 200, 'OK']);
    assert.equal(text, '[\n    "site"\n]');
    assert.equal(headers['content-type'], 'application/json; charset=UTF-8');
    assert.equal(headers['transfer-encoding'], undefined);
    assert.equal(headers['content-length'], '14');
    assert.ok(!Number.isNaN(Date.parse(headers['date'] ?? '')));
    assert.equal(headers['access-control-allow-origin'], undefined);
  });

  test('GET /repo/NAME tells the status', async () => {
    const { status, text } = await request(url, 'GET', '/repo/site');
    assert.equal(status, 200);
    assert.deepEqual(Object.keys(JSON.parse(text) as object), [
      'author',
      'branch',
      'busy',
      'changed_files',
      'dirty',
      'hash',
      'message',
      'untracked_files',
    ]);
  });

  test('POST /repo/NAME/pull pulls', async () => {
    const { status, headers, text } = await sendForm(url, 'POST', '/repo/site/pull', 'block=1');
    assert.deepEqual([status, text], [200, SUCCESS]);
    assert.equal(headers['content-length'], '45');
    assert.equal(headers['content-type'], 'application/json; charset=UTF-8');
    assert.equal(headers['etag'], undefined);
    assert.match(headers['location'] ?? '', /^\/jobs\/[0-9a-f-]{36}$/);
  });

  test('POST /repo/NAME/exec runs', async () => {
    const form = { command: 'hello', block: '1' };
    const { status, text } = await sendForm(url, 'POST', '/repo/site/exec', form);
    assert.deepEqual([status, text], [200, SUCCESS]);
  });

  const nothing = [
    '/nope',
    '/repo/',
    '/repo/site/',
    '/repo/site/pull/',
    '/repo/site/exec/',
    '/repo/site/jobs/',
    '/repo/site/nope',
    '//repo',
    '/repo/../repo',
    '/repo//',
    '/jobs',
    '/jobs/',
    '/console/',
    '/static/x',
    '/favicon.ico',
    '/robots.txt',
    '/REPO',
  ];
  for (const path of nothing) {
    test(`${path} is nothing, for GET and for POST`, async () => {
      for (const method of ['GET', 'POST', 'HEAD']) {
        const { status, reason } = await request(url, method, path);
        assert.deepEqual([status, reason], [404, 'Not Found'], method);
      }
    });
  }

  for (const [path, method] of [
    ['/repo/nope', 'GET'],
    ['/repo/nope/pull', 'POST'],
    ['/repo/nope/exec', 'POST'],
    ['/repo/nope/jobs', 'GET'],
    ['/jobs/nope', 'GET'],
    ['/jobs/nope/output', 'GET'],
    ['/jobs/nope', 'DELETE'],
    ['/repo/Site', 'GET'],
    ['/repo/site%00', 'GET'],
    ['/repo/..%2Fsite', 'GET'],
    ['/repo/a%2Fb', 'GET'],
    ['/repo/s+ite', 'GET'],
    ['/repo/%zz', 'GET'],
  ] as const) {
    test(`${method} ${path} is not found, and says what is not`, async () => {
      const { status, headers, text } = await request(url, method, path);
      assert.equal(status, 404);
      assert.equal(headers['content-type'], 'application/problem+json');
      assert.match(
        (JSON.parse(text) as { detail: string }).detail,
        /^there is no (repository|job) "/,
      );
    });
  }

  test('a path that is not UTF-8 is a bad request', async () => {
    assert.equal((await request(url, 'GET', '/repo/%FF%FE')).status, 400);
  });

  for (const [path, allow] of Object.entries({
    '/': 'GET, HEAD',
    '/repo': 'GET, HEAD',
    '/repo/site': 'GET, HEAD',
    '/repo/site/pull': 'POST',
    '/repo/site/exec': 'POST',
    '/repo/site/jobs': 'GET, HEAD',
    '/jobs/x': 'GET, HEAD, DELETE',
    '/jobs/x/output': 'GET, HEAD',
    '/console': 'GET, HEAD',
  })) {
    test(`${path} takes ${allow} and says so`, async () => {
      const taken = new Set(allow.split(', '));
      for (const method of ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS']) {
        if (taken.has(method)) continue;
        const { status, reason, headers } = await request(url, method, path);
        assert.deepEqual([status, reason], [405, 'Method Not Allowed'], method);
        assert.equal(headers['allow'], allow);
      }
    });
  }

  test('a method that is none is not allowed', async () => {
    assert.equal((await request(url, 'FOO', '/repo')).status, 405);
  });
});

describe('HEAD', () => {
  for (const path of ['/', '/repo', '/repo/site', '/repo/site/jobs', '/repo/nope']) {
    test(`of ${path} is GET without the body`, async () => {
      const [got, head] = [await request(url, 'GET', path), await request(url, 'HEAD', path)];
      const without = ({ date: _, ...rest }: Readonly<Record<string, string>>) => rest;
      assert.equal(head.status, got.status);
      assert.deepEqual(without(head.headers), without(got.headers));
    });
  }
});

describe('an answer to GET', () => {
  test('has the SHA-1 of its body as ETag, and is not sent to who has it', async () => {
    for (const path of ['/repo', '/repo/site']) {
      const { headers, body } = await request(url, 'GET', path);
      const etag = `"${createHash('sha1').update(body).digest('hex')}"`;
      assert.equal(headers['etag'], etag);
      for (const known of [etag, '*', `"x", ${etag}`, `W/${etag}`]) {
        const same = await request(url, 'GET', path, { 'If-None-Match': known });
        assert.deepEqual([same.status, same.reason, same.text], [304, 'Not Modified', '']);
        assert.equal(same.headers['etag'], etag);
        assert.equal(same.headers['content-length'], undefined);
        assert.equal(same.headers['content-type'], undefined);
      }
      const other = await request(url, 'GET', path, { 'If-None-Match': '"x"' });
      assert.deepEqual([other.status, other.text], [200, body.toString()]);
    }
  });
});

describe('on the wire', () => {
  test('one connection takes one request after the other, bodies on GET included', async () => {
    using connection = await openConnection(url);
    const form = { 'Content-Type': 'application/x-www-form-urlencoded' };
    for (const sent of [
      formatRequest('GET', '/repo', form, 'time=1&sign=2'),
      formatRequest('POST', '/repo', form, 'a=b'),
      formatRequest('GET', '/repo'),
    ]) {
      connection.write(sent);
      const { status } = await connection.read();
      assert.equal(status, sent.includes('POST') ? 405 : 200);
    }
  });

  test('HTTP/1.0 is answered, and the connection kept when it asks for that', async () => {
    const { status, version, text, headers } = await exchange(url, 'GET /repo HTTP/1.0\r\n\r\n');
    assert.deepEqual([status, version, text], [200, 'HTTP/1.1', '[\n    "site"\n]']);
    assert.equal(headers['connection'], 'close');
    using connection = await openConnection(url);
    for (let i = 0; i < 2; i++) {
      connection.write('GET /repo HTTP/1.0\r\nConnection: keep-alive\r\n\r\n');
      assert.equal((await connection.read()).headers['connection'], 'keep-alive');
    }
  });

  test('Expect: 100-continue is met, and a chunked body read', async () => {
    using connection = await openConnection(url);
    const head = [
      'POST /repo/site/exec HTTP/1.1',
      'Host: 127.0.0.1',
      'Content-Type: application/x-www-form-urlencoded',
      'Transfer-Encoding: chunked',
      'Expect: 100-continue',
    ];
    connection.write(`${head.join('\r\n')}\r\n\r\n`);
    assert.equal((await connection.read()).status, 100);
    connection.write('c\r\ncommand=hell\r\n9\r\no&block=1\r\n0\r\n\r\n');
    assert.equal((await connection.read()).text, SUCCESS);
  });

  test('a name may be encoded or not, and have a slash in it', async () => {
    const names = ['分支 x', 'a/b', '100%', 'a+b', 'a?b', '"quoted"'];
    const copy = await cloneRepository(scene.origin, scene.fixture.path('named'));
    const repo = Object.fromEntries(names.map((name) => [name, { repo_path: copy }]));
    await using named = await createScene({ config: { repo } });
    const { text } = await request(named.url, 'GET', '/repo');
    assert.equal(text, JSON.stringify(names, null, 4));
    for (const name of names) {
      const path = `/repo/${encodeURIComponent(name)}`;
      assert.equal((await request(named.url, 'GET', path)).status, 200, path);
    }
  });

  test('letters in the path that are not encoded are refused with words: Node does not read them', async () => {
    const { status, text } = await exchange(url, 'GET /repo/分支 HTTP/1.1\r\nHost: x\r\n\r\n');
    assert.equal(status, 400);
    assert.match(text, /must be percent-encoded/);
  });

  test('what is no request closes the connection, but never breaks into an answer', async () => {
    assert.equal((await exchange(url, 'GET /repo XTTP\r\n\r\n')).status, 400);
    const long = `GET /repo HTTP/1.1\r\nHost: x\r\nX: ${'x'.repeat(20_000)}\r\n\r\n`;
    assert.equal((await exchange(url, long)).status, 431);
    using connection = await openConnection(url);
    connection.write(
      Buffer.concat([formatRequest('GET', '/repo/site'), Buffer.from('nonsense\r\n\r\n')]),
    );
    await once(connection.socket, 'close');
    assert.doesNotMatch(connection.take().toString(), / 400 /);
  });

  test('an offer of HTTP/2 is not taken, and the request is answered', async () => {
    const offer = {
      Connection: 'Upgrade, HTTP2-Settings',
      Upgrade: 'h2c',
      'HTTP2-Settings': 'AAM',
    };
    assert.equal((await request(url, 'GET', '/repo', offer)).status, 200);
  });
});
