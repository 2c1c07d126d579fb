/**
 * The attack: `HEAD /jobs/ID/output?follow=1`, or the same as GET by HTTP/1.0, which is what nginx speaks unless it
 * is told otherwise. The answer promised trailers, which only chunks can have; Node threw at that, threw at the
 * error's answer again, and the agent ended. Whoever may read could end it with one request.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { createFixture, initRepository, writeCommit } from '../support/git-fixture.ts';
import { openConnection } from '../support/raw-http.ts';

test('an output is followed without chunks, and its head is asked for', async () => {
  await using fixture = await createFixture();
  const site = await initRepository(fixture.path('site'));
  await writeCommit(site);
  await using agent = await startAgent({
    config: { repo: { site: { repo_path: site, command: { hello: 'echo hello' } } } },
  });
  const done = await fetch(`${agent.url}/repo/site/exec`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: '{"command":"hello","block":1}',
  });
  await done.text();
  const path = `${done.headers.get('location') ?? ''}/output?follow=1`;
  using first = await openConnection(agent.url);
  first.write(`HEAD ${path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n`);
  const head = await first.read('HEAD');
  assert.deepEqual([head.status, head.headers['trailer']], [200, undefined]);
  using second = await openConnection(agent.url);
  second.write(`GET ${path}&outcome=1 HTTP/1.0\r\n\r\n`);
  const old = await second.read();
  assert.deepEqual([old.status, old.headers['trailer']], [200, undefined]);
  assert.match(old.text, /hello\ngitagent: succeeded, exit code 0\n$/);
});
