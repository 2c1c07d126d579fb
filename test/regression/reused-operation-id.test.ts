/**
 * The attack: a client that reads slowly completes a subscription, and subscribes again by the same id. The old
 * one ends when its last message has gone out, tells the client that the new one has completed, and takes the id
 * from it: the new one sends on, nothing can end it, it counts for no limit, and it outlives the socket.
 */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket } from 'ws';
import { startAgent } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { createFixture, initRepository, writeCommit } from '../support/git-fixture.ts';

interface Message {
  readonly type: string;
  readonly id?: string;
  readonly payload?: { readonly data: { readonly output: { offset: number; text?: string } } };
}

test('an operation does not end the one that has its id after it', async () => {
  await using fixture = await createFixture();
  const site = await initRepository(fixture.path('site'));
  await writeCommit(site);
  const command = { print: 'head -c 40000000 /dev/zero | tr "\\0" x; sleep 300' };
  await using agent = await startAgent({
    config: { repo: { site: { repo_path: site, command } } },
  });
  const started = await fetch(`${agent.url}/repo/site/exec`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"command":"print"}',
  });
  await started.text();
  const job = started.headers.get('location')?.split('/').at(-1) ?? '';
  await until(async () => {
    const response = await fetch(`${agent.url}/jobs/${job}/output?after=40000000`);
    await response.text();
    return response.ok;
  }, 'all is printed');

  const socket = new WebSocket(
    `${agent.url.replace('http', 'ws')}/graphql`,
    'graphql-transport-ws',
  );
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
  const say = (message: object): void => {
    socket.send(JSON.stringify(message));
  };
  const subscribe = (query: string): void => {
    say({ id: '1', type: 'subscribe', payload: { query, variables: { job } } });
  };
  const nexts = (): Message[] => messages.filter(({ type }) => type === 'next');
  await once(socket, 'open');
  say({ type: 'connection_init' });
  await until(() => messages.length === 1, 'the socket is accepted');
  subscribe('subscription ($job: ID!) { output(job: $job) { offset text } }');
  await until(() => nexts().length > 0, 'the first chunk comes');
  socket.pause();
  await delay(500); // Until no more fits between the agent and here, which nothing tells.
  say({ id: '1', type: 'complete' });
  subscribe('subscription ($job: ID!) { output(job: $job) { offset } }');
  await delay(200);
  socket.resume();

  const isNew = ({ payload }: Message): boolean => payload?.data.output.text === undefined;
  await until(() => nexts().filter(isNew).length > 600, 'the new one has come to the end');
  assert.deepEqual(
    messages.filter(({ type }) => type === 'complete'),
    [],
  );
  // None of the old one behind the first of the new one, and that one from its beginning.
  const first = nexts().findIndex(isNew);
  assert.ok(nexts().slice(first).every(isNew));
  assert.equal(nexts()[first]?.payload?.data.output.offset, 0);
  // It has the id still: who asks for another one by it is refused.
  const closed = once(socket, 'close');
  subscribe('subscription ($job: ID!) { output(job: $job) { offset } }');
  assert.equal((await closed)[0], 4409);
  await fetch(`${agent.url}/jobs/${job}?block=1`, { method: 'DELETE' });
});
