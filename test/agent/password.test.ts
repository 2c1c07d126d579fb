import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { pullDocument, watchBusyDocument } from '../../src/client/documents.ts';
import { within } from '../support/deadline.ts';
import { openEvents, openSocket, query, type SocketOptions } from '../support/graphql-client.ts';
import { createScene, type Scene } from './scene.ts';

const PASSWORD = 'p-55.word~';

let scene: Scene;
before(async () => {
  scene = await createScene({ config: { password: PASSWORD } });
});
after(async () => {
  await scene[Symbol.asyncDispose]();
});

function basic(password: string, user = 'ada'): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

const RIGHT = [
  basic(PASSWORD),
  basic(PASSWORD, ''),
  basic(PASSWORD).replace('Basic', 'bAsIc'),
  `Bearer ${PASSWORD}`,
  `bearer ${PASSWORD}`,
];
const WRONG = [
  basic('wrong'),
  basic(''),
  basic(PASSWORD.slice(0, -1)),
  basic(`${PASSWORD} `),
  'Basic',
  'Basic !',
  'Bearer wrong',
  'Bearer ',
  'Digest x',
];

async function ask(document: string, headers: Readonly<Record<string, string>> = {}) {
  const response = await fetch(`${scene.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...headers },
    body: JSON.stringify({ query: document }),
  });
  const body = await response.text();
  return { status: response.status, challenge: response.headers.get('www-authenticate'), body };
}

test('with the password, Basic and Bearer are let in', async () => {
  for (const authorization of RIGHT) {
    const { status, body } = await ask('{ viewer { name scopes } repos { nodes { name } } }', {
      authorization,
    });
    assert.equal(status, 200);
    assert.match(body, /"name":"site"/);
    assert.equal((await fetch(`${scene.url}/repo`, { headers: { authorization } })).status, 200);
  }
});

test('a wrong password is answered with 401 and a challenge', async () => {
  for (const authorization of WRONG) {
    for (const path of [
      '/repo',
      '/repo/site',
      '/graphql?query=%7Bviewer%7Bname%7D%7D',
      '/graphql',
    ]) {
      const response = await fetch(`${scene.url}${path}`, {
        headers: { authorization, accept: 'text/html' },
      });
      assert.equal(response.status, 401, `${authorization} ${path}`);
      assert.match(response.headers.get('www-authenticate') ?? '', /^Basic realm=.*Bearer/);
      assert.doesNotMatch(await response.text(), /site/);
    }
    assert.equal((await ask('{ viewer { name } }', { authorization })).status, 401);
  }
});

const READS = [
  '{ repos { nodes { name } } }',
  '{ repo(name: "site") { name } }',
  '{ node(id: "UmVwbzpzaXRl") { id } }',
  '{ job(id: "00000000-0000-4000-8000-000000000000") { key } }',
  '{ jobs { nodes { key } } }',
  'mutation { pull(input: { repo: "site" }) { job { key } } }',
  'mutation { pull(input: { repo: "nope" }) { job { key } } }',
  'mutation { run(input: { repo: "site", command: "x" }) { job { key } } }',
  'mutation { cancel(input: { job: "00000000-0000-4000-8000-000000000000" }) { job { key } } }',
];

test('without credentials nothing can be read or done', async () => {
  for (const document of READS) {
    const { body } = await ask(document);
    const { errors } = JSON.parse(body) as { errors?: { extensions: { code: string } }[] };
    assert.deepEqual(
      errors?.map(({ extensions }) => extensions.code),
      ['UNAUTHENTICATED'],
      document,
    );
    assert.doesNotMatch(body, /"site"/);
  }
  for (const path of ['/repo', '/repo/site', '/repo/nope']) {
    const response = await fetch(`${scene.url}${path}`);
    assert.equal(response.status, 401, path);
    assert.match(response.headers.get('www-authenticate') ?? '', /^Basic/);
  }
  const pull = await fetch(`${scene.url}/repo/site/pull`, { method: 'POST' });
  assert.equal(pull.status, 401);
  const page = await fetch(`${scene.url}/graphql`, { headers: { accept: 'text/html' } });
  assert.equal(page.status, 401);
  const { viewer } = await query<{ viewer: unknown }>(scene.url, '{ viewer { name scopes } }');
  assert.deepEqual(viewer, { name: 'anonymous', scopes: [] });
});

test('health needs no credentials', async () => {
  for (const path of ['/livez', '/readyz']) {
    assert.equal((await fetch(`${scene.url}${path}`)).status, 200);
  }
});

test('graphql-ws takes the password from its parameters or from the header', async () => {
  const ways: SocketOptions[] = [
    { connectionParams: { authorization: basic(PASSWORD) } },
    { connectionParams: { password: PASSWORD } },
    { headers: { authorization: basic(PASSWORD) } },
  ];
  for (const way of ways) {
    await using socket = openSocket(scene.url, way);
    const first = await socket.subscribe(watchBusyDocument, {}).next();
    assert.deepEqual(first.value, { busy: { name: 'site', busy: false } });
  }
});

test('graphql-ws closes a socket with wrong credentials with 4401', async () => {
  const ways: SocketOptions[] = [
    { connectionParams: { authorization: basic('wrong') } },
    { connectionParams: { password: 'wrong' } },
    { headers: { authorization: basic('wrong') } },
    { headers: { authorization: 'Basic' } },
  ];
  for (const way of ways) {
    await using socket = openSocket(scene.url, way);
    const { code } = await within(socket.closed, 'the socket is closed');
    assert.equal(code, 4401);
  }
});

test('a subscription without credentials is refused on both transports', async () => {
  await using socket = openSocket(scene.url);
  const subscriptions = [
    'busy { name }',
    'busy(repo: "site") { name }',
    'output(repo: "site") { text }',
    'job(id: "00000000-0000-4000-8000-000000000000") { key }',
  ];
  for (const field of subscriptions) {
    const document = `subscription { ${field} }`;
    const results = socket.client.iterate({ query: document });
    const { value } = (await results.next()) as { value: { errors?: { extensions?: object }[] } };
    assert.deepEqual(value.errors?.[0]?.extensions, { code: 'UNAUTHENTICATED' }, document);
    const events = openEvents(scene.url, document);
    await assert.rejects(events.next(), /UNAUTHENTICATED|credentials/);
  }
});

test('server-sent events take the password from the header', async () => {
  const headers = { authorization: basic(PASSWORD) };
  const events = openEvents(scene.url, watchBusyDocument, {}, { headers });
  assert.deepEqual((await events.next()).value, { busy: { name: 'site', busy: false } });
  await events.return?.();
});

test('the password is in no log and in no answer', async () => {
  const headers = { authorization: basic(PASSWORD) };
  await query(scene.url, pullDocument, { input: { repo: 'site', wait: true } }, { headers });
  assert.doesNotMatch(scene.agent.stderr() + scene.agent.stdout(), /p-55|wrong/);
});
