import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as createRequest, type IncomingMessage } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { pullDocument, repoDocument } from '../../src/client/documents.ts';
import { within } from '../support/deadline.ts';
import { query } from '../support/graphql-client.ts';
import { treeState } from '../support/git-fixture.ts';
import { createScene, type Scene } from './scene.ts';

let scene: Scene;
before(async () => {
  scene = await createScene({ others: ['other'], config: { hosts: ['git.example.com'] } });
  await scene.commit();
});
after(async () => {
  await scene[Symbol.asyncDispose]();
});

interface Sent {
  readonly method?: string;
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** Sends what `fetch` would not: any Host, any Origin. */
async function send({ method = 'GET', path, headers = {}, body }: Sent) {
  const request = createRequest(`${scene.url}${path}`, { method, headers, agent: false });
  request.end(body);
  const answered = once(request, 'response') as Promise<[IncomingMessage]>;
  const [response] = await within(answered, `${method} ${path} is answered`);
  return { status: response.statusCode, headers: response.headers, body: await text(response) };
}

/** Asks for a socket and gives the status of the answer. */
async function upgrade(path: string, headers: Readonly<Record<string, string>> = {}) {
  const { port } = new URL(scene.url);
  const socket = connect(Number(port), '127.0.0.1');
  const all = {
    Host: `127.0.0.1:${port}`,
    Connection: 'Upgrade',
    Upgrade: 'websocket',
    'Sec-WebSocket-Version': '13',
    'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZQ==',
    'Sec-WebSocket-Protocol': 'graphql-transport-ws',
    ...headers,
  };
  const lines = Object.entries(all).map(([name, value]) => `${name}: ${value}`);
  socket.write(`GET ${path} HTTP/1.1\r\n${lines.join('\r\n')}\r\n\r\n`);
  const [first] = (await within(once(socket, 'data'), `the upgrade is answered`)) as [Buffer];
  socket.destroy();
  return Number(/^HTTP\/1\.1 (\d+)/.exec(first.toString())?.[1]);
}

const JSON_TYPE = { 'Content-Type': 'application/json' };
const PULL = JSON.stringify({
  query: 'mutation { pull(input: { repo: "site", wait: true }) { job { state } } }',
});

test('a mutation by GET is refused and changes nothing', async () => {
  const tree = await treeState(scene.copy);
  const document = encodeURIComponent('mutation { pull(input: { repo: "site" }) { job { key } } }');
  const { status } = await send({ path: `/graphql?query=${document}` });
  assert.equal(status, 405);
  const { jobs } = await query<{ jobs: { nodes: unknown[] } }>(
    scene.url,
    '{ jobs { nodes { key } } }',
  );
  assert.deepEqual(jobs.nodes, []);
  assert.deepEqual(await treeState(scene.copy), tree);
});

test('a query by GET is answered', async () => {
  const { status, body } = await send({ path: '/graphql?query=%7Brepos%7Bnodes%7Bname%7D%7D%7D' });
  assert.equal(status, 200);
  assert.deepEqual(JSON.parse(body), {
    data: { repos: { nodes: [{ name: 'site' }, { name: 'other' }] } },
  });
});

test('a subscription by GET is answered with server-sent events, as a browser’s EventSource asks', async () => {
  const document = encodeURIComponent('subscription { busy { name busy } }');
  const headers = { Accept: 'text/event-stream' };
  const request = createRequest(`${scene.url}/graphql?query=${document}`, {
    headers,
    agent: false,
  });
  request.end();
  const [response] = (await within(once(request, 'response'), 'it is answered')) as [
    IncomingMessage,
  ];
  assert.equal(response.statusCode, 200);
  assert.equal(response.headers['content-type'], 'text/event-stream');
  // nginx passes on what is not buffered.
  assert.equal(response.headers['x-accel-buffering'], 'no');
  let received = '';
  for await (const bytes of response) {
    received += String(bytes);
    if (received.includes('"other"')) break;
  }
  assert.match(
    received,
    /event: next\ndata: \{"data":\{"busy":\{"name":"site","busy":false\}\}\}\n\n/,
  );
});

test('what a form of a foreign page can send is not taken for an operation', async () => {
  const form = `query=${encodeURIComponent('{ viewer { name } }')}`;
  const types: [string | null, string][] = [
    ['text/plain', PULL],
    ['text/plain;charset=UTF-8', PULL],
    ['application/x-www-form-urlencoded', form],
    [
      'multipart/form-data; boundary=x',
      `--x\r\nContent-Disposition: form-data; name="query"\r\n\r\n{}\r\n--x--`,
    ],
    ['application/graphql', '{ viewer { name } }'],
    ['text/plain, application/json', PULL],
    [null, PULL],
  ];
  for (const [type, body] of types) {
    const headers = type === null ? {} : { 'Content-Type': type };
    const sent = await send({ method: 'POST', path: '/graphql', headers, body });
    assert.equal(sent.status, 415, String(type));
  }
});

test('on loopback the agent answers to its own names only, so that no foreign name can be pointed at it', async () => {
  const { port } = new URL(scene.url);
  const own = [
    '127.0.0.1',
    'localhost',
    '[::1]',
    'site.localhost',
    'git.example.com',
    'GIT.example.com',
  ];
  for (const host of own.flatMap((name) => [name, `${name}:${port}`])) {
    assert.equal((await send({ path: '/repo', headers: { Host: host } })).status, 200, host);
  }
  const foreign = [
    'evil.example',
    'localhost.evil.example',
    'xlocalhost',
    'git.example.com.evil.example',
    '127.0.0.1.evil.example',
  ];
  for (const host of foreign.flatMap((name) => [name, `${name}:${port}`])) {
    for (const path of [
      '/repo',
      '/repo/site',
      '/graphql?query=%7Bviewer%7Bname%7D%7D',
      '/graphql',
    ]) {
      const { status, body } = await send({ path, headers: { Host: host } });
      assert.equal(status, 403, `${host} ${path}`);
      assert.match(body, /does not answer to the name/);
    }
    const headers = { Host: host, ...JSON_TYPE };
    const posted = await send({ method: 'POST', path: '/graphql', headers, body: PULL });
    assert.equal(posted.status, 403);
    assert.equal(await upgrade('/graphql', { Host: host }), 403);
  }
});

test('pages of other origins can neither change anything nor open a socket', async () => {
  const tree = await treeState(scene.copy);
  const { host } = new URL(scene.url);
  for (const origin of [
    'http://evil.example',
    'null',
    `https://${host}.evil.example`,
    'http://127.0.0.1:1',
    'http://localhost',
  ]) {
    const headers = { Origin: origin };
    const operation = { method: 'POST', path: '/graphql', body: PULL };
    assert.equal(
      (await send({ ...operation, headers: { ...headers, ...JSON_TYPE } })).status,
      403,
      origin,
    );
    assert.equal(
      (await send({ method: 'POST', path: '/repo/site/pull', headers })).status,
      403,
      origin,
    );
    assert.equal(await upgrade('/graphql', headers), 403, origin);
  }
  const site = { 'Sec-Fetch-Site': 'cross-site' };
  assert.equal(
    (await send({ method: 'POST', path: '/repo/site/pull', headers: site })).status,
    403,
  );
  assert.deepEqual(await treeState(scene.copy), tree);

  // The page of a proxy, whose name the configuration has.
  assert.equal(await upgrade('/graphql', { Origin: 'https://git.example.com' }), 101);
  assert.equal(await upgrade('/graphql', { Origin: scene.url }), 101);
  assert.equal(await upgrade('/graphql'), 101);
  const own = { Origin: scene.url, ...JSON_TYPE };
  const body = JSON.stringify({ query: '{ viewer { name } }' });
  const answer = await send({ method: 'POST', path: '/graphql', headers: own, body });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['access-control-allow-origin'], undefined);
});

test('no other origin is told that it may read', async () => {
  for (const method of ['GET', 'OPTIONS']) {
    const { headers } = await send({
      method,
      path: '/graphql?query=%7Bviewer%7Bname%7D%7D',
      headers: { Origin: 'http://evil.example', 'Access-Control-Request-Method': 'POST' },
    });
    const cors = Object.keys(headers).filter((name) => name.startsWith('access-control-'));
    assert.deepEqual(cors, []);
  }
});

test('a socket is opened on its path only', async () => {
  for (const path of ['/', '/repo', '/graphql/', '/graphqlx', '/nope']) {
    assert.notEqual(await upgrade(path), 101, path);
  }
  assert.notEqual(await upgrade('/graphql', { Upgrade: 'h2c' }), 101);
});

test('frames that are none close their socket and nothing else', async () => {
  const { port } = new URL(scene.url);
  for (const frame of [Buffer.from('nonsense nonsense'), Buffer.alloc(20, 0xff)]) {
    const socket = connect(Number(port), '127.0.0.1');
    socket.write(
      `GET /graphql HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        'Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n' +
        'Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
    );
    await within(once(socket, 'data'), 'the socket is accepted');
    socket.write(frame);
    socket.resume();
    await within(once(socket, 'close'), 'the socket is closed');
  }
  const { repo } = await query(scene.url, repoDocument, { name: 'site' });
  assert.equal(repo?.name, 'site');
});

test('unknown paths and methods are answered as such', async () => {
  assert.equal((await send({ path: '/nope' })).status, 404);
  assert.equal((await send({ method: 'DELETE', path: '/repo' })).status, 405);
  assert.equal(
    (await send({ method: 'PUT', path: '/graphql', headers: JSON_TYPE, body: '{}' })).status,
    405,
  );
});

test('the agent of all these tests still works', async () => {
  const { pull } = await query(scene.url, pullDocument, { input: { repo: 'site', wait: true } });
  assert.equal(pull.job.state, 'SUCCEEDED');
});
