import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { createFixture, initRepository } from '../support/git-fixture.ts';

test('the agent says where it listens, and answers there', async () => {
  await using fixture = await createFixture();
  const path = await initRepository(fixture.path('site'));
  await using agent = await startAgent({ config: { repo: { site: { repo_path: path } } } });
  assert.match(
    agent.stdout(),
    /^GitAgent \S+ listening on http:\/\/127\.0\.0\.1:\d+ \(1 repository\)\n/,
  );
  for (const name of ['livez', 'readyz']) {
    const response = await fetch(`${agent.url}/${name}`);
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'ok\n');
  }
  assert.deepEqual(await agent.stop(), { code: 0, signal: null });
});
