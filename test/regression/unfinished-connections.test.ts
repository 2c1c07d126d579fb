/**
 * The attacks, all without credentials: 1 MiB of `a&a&a&` keeps the process from everything else for
 * seconds; headers that never end, and connections that were refused, hold a descriptor for ever.
 */
import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { createFixture, initRepository } from '../support/git-fixture.ts';

test('a form of half a million arguments is refused as soon as they are counted', async () => {
  await using fixture = await createFixture();
  const site = await initRepository(fixture.path('site'));
  await using agent = await startAgent({
    config: { repo: { site: { repo_path: site } }, password: 'secret' },
  });
  // What the first request loads, here and there, is not measured.
  await (await fetch(`${agent.url}/repo/site/pull`, { method: 'POST' })).text();
  const began = performance.now();
  const response = await fetch(`${agent.url}/repo/site/pull`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: 'a&'.repeat(520_000),
  });
  assert.equal(response.status, 400);
  assert.ok(performance.now() - began < 400);
});

for (const [what, bytes] of [
  ['a request that is none', 'FOO bar\r\n\r\n'],
  [
    'a handshake from a foreign page',
    'GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil\r\nConnection: Upgrade\r\n' +
      'Upgrade: websocket\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n',
  ],
] as const) {
  test(`${what} leaves no connection behind, whatever the client does`, async () => {
    await using fixture = await createFixture();
    const site = await initRepository(fixture.path('site'));
    await using agent = await startAgent({ config: { repo: { site: { repo_path: site } } } });
    const { hostname, port } = new URL(agent.url);
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true });
    let isClosed = false;
    socket.on('error', () => undefined).on('close', () => (isClosed = true));
    socket.on('data', () => undefined);
    socket.write(bytes);
    await delay(3000);
    // To a connection that the agent has closed altogether, this gets a reset.
    socket.write('x');
    await delay(200);
    socket.write('x');
    await delay(200);
    assert.ok(isClosed);
    socket.destroy();
  });
}
