/** The typed client against a real agent: queries, their errors, and subscriptions. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { WebSocket as WsWebSocket } from 'ws';
import {
  createGitAgentClient,
  GitAgentError,
  GitAgentNetworkError,
  jobDocument,
  pullDocument,
  repoDocument,
  reposDocument,
  runDocument,
  watchBusyDocument,
  watchJobDocument,
} from '../../src/client/index.ts';
import { createScene, waitAt } from '../agent/scene.ts';
import { createBreakingProxy } from '../support/breaking-proxy.ts';
import { until, within } from '../support/deadline.ts';

/** What was thrown, which must be of the class. */
async function caught<T extends Error>(
  promise: Promise<unknown>,
  kind: new (...args: never[]) => T,
): Promise<T> {
  const error: unknown = await within(promise, 'it fails').then(
    () => assert.fail('it must fail'),
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof kind, String(error));
  return error;
}

describe('queries and mutations', () => {
  test('give typed results', async () => {
    await using scene = await createScene();
    await using client = createGitAgentClient({ url: `${scene.url}/` });
    const { repo } = await client.query(repoDocument, { name: 'site' });
    assert.equal(repo?.head?.oid, scene.first);
    const { repos } = await client.query(reposDocument);
    assert.deepEqual(
      repos.nodes.map(({ name }) => name),
      ['site'],
    );
    await scene.commit();
    const input = { repo: 'site', wait: true };
    const { pull } = await client.mutate(pullDocument, { input });
    assert.equal(pull.job.state, 'SUCCEEDED');
    assert.deepEqual(await client.query('{ viewer { name } }'), { viewer: { name: 'anonymous' } });
  });

  test('throw what the agent refuses, with its code, facts and path', async () => {
    await using scene = await createScene({ commands: { slow: waitAt('gate') } });
    await using client = createGitAgentClient({ url: scene.url });
    const input = { repo: 'site', command: 'slow' };
    const { run } = await client.mutate(runDocument, { input });
    const busy = await caught(client.mutate(runDocument, { input }), GitAgentError);
    assert.equal(busy.code, 'BUSY');
    assert.match(busy.message, /busy/);
    assert.deepEqual(busy.errors[0]?.path, ['run']);
    assert.equal(busy.extensions['code'], 'BUSY');
    await scene.open('gate');
    await until(async () => {
      const { job } = await client.query(jobDocument, { id: run.job.id });
      return job?.state === 'SUCCEEDED';
    }, 'the job ends');
    const wrong = await caught(client.query('{ nonsense }'), GitAgentError);
    assert.match(wrong.message, /nonsense/);
    assert.equal(wrong.data, null);
  });

  test('tell a network that fails from an agent that refuses', async () => {
    const server = createServer((_request, response) => {
      response.writeHead(502, { 'content-type': 'text/html' }).end('<h1>Bad Gateway</h1>');
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    assert.ok(address !== null && typeof address === 'object');
    const client = createGitAgentClient({ url: `http://127.0.0.1:${address.port}` });
    const strange = await caught(client.query(reposDocument), GitAgentNetworkError);
    assert.equal(strange.status, 502);
    server.close();
    server.closeAllConnections();
    await once(server, 'close');
    const away = await caught(client.query(reposDocument), GitAgentNetworkError);
    assert.equal(away.status, null);
    assert.match(away.message, /ECONNREFUSED.*does the agent run there\?$/);
  });

  test('are given up when their signal is aborted', async () => {
    await using scene = await createScene({ commands: { slow: waitAt('gate') } });
    await using client = createGitAgentClient({ url: scene.url });
    const reason = new Error('enough');
    const input = { repo: 'site', command: 'slow', wait: true };
    const left = new AbortController();
    const waiting = client.mutate(runDocument, { input }, { signal: left.signal });
    await until(async () => {
      const { repo } = await client.query(repoDocument, { name: 'site' });
      return repo?.busy === true;
    }, 'it runs');
    left.abort(reason);
    await assert.rejects(waiting, reason);
    await scene.open('gate');
  });

  test('show the password to queries and to sockets, in any characters', async () => {
    const password = 'žluť: "🐎" ';
    await using scene = await createScene({ config: { password } });
    await using client = createGitAgentClient({ url: scene.url, password });
    const { viewer } = await client.query<{ viewer: { name: string } }>('{ viewer { name } }');
    assert.equal(viewer.name, 'password');
    for await (const { busy } of client.subscribe(watchBusyDocument)) {
      assert.equal(busy.name, 'site');
      break;
    }
    await using stranger = createGitAgentClient({ url: scene.url, password: 'guess' });
    const refused = await caught(stranger.query(reposDocument), GitAgentError);
    assert.equal(refused.code, 'UNAUTHENTICATED');
    const subscription = stranger.subscribe(watchBusyDocument);
    assert.equal((await caught(subscription.next(), GitAgentError)).code, 'UNAUTHENTICATED');
    await using nobody = createGitAgentClient({ url: scene.url });
    const anonymous = await caught(nobody.subscribe(watchBusyDocument).next(), GitAgentError);
    assert.equal(anonymous.code, 'UNAUTHENTICATED');
  });

  test('take no password in the URL, where it would be logged', () => {
    assert.throws(
      () => createGitAgentClient({ url: 'http://me:secret@127.0.0.1' }),
      /as an option, not in the url/,
    );
  });
});

for (const [name, WebSocket] of [
  ['the global WebSocket', undefined],
  ['the WebSocket of ws', WsWebSocket],
] as const) {
  describe(`subscriptions over ${name}`, () => {
    test('show the present state, then each change, and end with the server', async () => {
      await using scene = await createScene({ commands: { slow: waitAt('gate') } });
      await using client = createGitAgentClient({
        url: scene.url,
        ...(WebSocket && { WebSocket }),
      });
      const { run } = await client.mutate(runDocument, {
        input: { repo: 'site', command: 'slow' },
      });
      const states: string[] = [];
      for await (const { job } of client.subscribe(watchJobDocument, { id: run.job.id })) {
        states.push(job.state);
        if (job.state === 'RUNNING') await scene.open('gate');
      }
      assert.deepEqual(new Set(states.slice(-2)), new Set(['RUNNING', 'SUCCEEDED']));
    });

    test('begin again with the present state after a lost connection', async () => {
      await using scene = await createScene({ commands: { slow: waitAt('gate') } });
      await using proxy = await createBreakingProxy(scene.url);
      await using client = createGitAgentClient({
        url: proxy.url,
        ...(WebSocket && { WebSocket }),
      });
      await using direct = createGitAgentClient({ url: scene.url });
      const changes = client.subscribe(watchBusyDocument, { repo: 'site' });
      const next = async () => (await within(changes.next(), 'a state')).value?.busy.busy;
      assert.equal(await next(), false);
      proxy.lead(null);
      proxy.cut();
      await direct.mutate(runDocument, { input: { repo: 'site', command: 'slow' } });
      proxy.lead(scene.url);
      assert.equal(await next(), true);
      await scene.open('gate');
      assert.equal(await next(), false);
      await changes.return?.();
    });
  });
}

describe('subscriptions', () => {
  test('fail at once where subscribing again would not help', async () => {
    await using scene = await createScene();
    await using client = createGitAgentClient({ url: scene.url });
    const unknown = client.subscribe(watchJobDocument, { id: randomUUID() });
    const error = await caught(unknown.next(), GitAgentError);
    assert.equal(error.code, 'NOT_FOUND');
    assert.deepEqual(await unknown.next(), { done: true, value: undefined });
  });

  test('fail when the agent stays away for as many attempts as are allowed', async () => {
    await using scene = await createScene();
    await using proxy = await createBreakingProxy(scene.url);
    proxy.lead(null);
    await using client = createGitAgentClient({ url: proxy.url, reconnect: { attempts: 3 } });
    const changes = client.subscribe(watchBusyDocument);
    const error = await caught(changes.next(), GitAgentNetworkError);
    assert.match(error.message, /4 times in a row; does the agent run\?$/);
    assert.equal(proxy.connections(), 4);
  });

  test('share one socket, which is gone when the last one is left', async () => {
    await using scene = await createScene();
    await using proxy = await createBreakingProxy(scene.url);
    await using client = createGitAgentClient({ url: proxy.url });
    const many = Array.from({ length: 20 }, () => client.subscribe(watchBusyDocument));
    await Promise.all(many.map(async (each) => await within(each.next(), 'a state')));
    assert.equal(proxy.connections(), 1);
    const waiting = many.map(async (each) => await each.next());
    await Promise.all(many.map(async (each) => await each.return?.()));
    const ends = await within(Promise.all(waiting), 'who waits is told');
    assert.ok(ends.every(({ done }) => done === true));
    await until(() => proxy.open() === 0, 'the socket is closed');
  });

  test('end with their signal’s reason, and without an error when the client is closed', async () => {
    await using scene = await createScene();
    await using client = createGitAgentClient({ url: scene.url });
    const left = new AbortController();
    const watched = client.subscribe(watchBusyDocument, {}, { signal: left.signal });
    await within(watched.next(), 'a state');
    const pending = watched.next();
    const reason = new Error('enough');
    left.abort(reason);
    await assert.rejects(within(pending, 'it ends'), reason);
    const other = client.subscribe(watchBusyDocument);
    await within(other.next(), 'a state');
    const last = other.next();
    client.close();
    assert.equal((await within(last, 'it ends')).done, true);
    assert.equal((await client.subscribe(watchBusyDocument).next()).done, true);
  });
});
