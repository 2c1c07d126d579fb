/**
 * The attack: `jobs { nodes { repo { jobs { nodes { ...` multiplies the number of jobs with each level, and
 * a thousand aliases of one field cost a thousand times that field. One anonymous query ends the process.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { createFixture, git, initRepository, writeCommit } from '../support/git-fixture.ts';

test('a query that multiplies is refused before it runs', async () => {
  await using fixture = await createFixture();
  const site = await initRepository(fixture.path('site'));
  await writeCommit(site, { files: { a: '1\n' } });
  await git(site, 'reset', '--hard', '--quiet');
  await using agent = await startAgent({
    config: { repo: { site: { repo_path: site, command: { c: 'head -c 7000000 /dev/zero' } } } },
  });
  const json = { 'Content-Type': 'application/json' };
  for (let i = 0; i < 8; i++) {
    await fetch(`${agent.url}/repo/site/exec`, {
      method: 'POST',
      headers: json,
      body: '{"command":"c","block":1}',
    });
  }
  const ask = async (query: string): Promise<string> => {
    const response = await fetch(`${agent.url}/graphql`, {
      method: 'POST',
      headers: json,
      body: JSON.stringify({ query }),
      signal: AbortSignal.timeout(20_000),
    });
    return await response.text();
  };
  // Only one of `first` and `last` bounds the page: the other must not lower its price.
  for (const page of ['first:100', 'first:100,last:0']) {
    const jobs = `jobs(${page})`;
    const query = `{${jobs}{nodes{repo{${jobs}{nodes{repo{${jobs}{nodes{state}}}}}}}}}`;
    assert.match(await ask(query), /LIMIT_EXCEEDED|BAD_USER_INPUT/, page);
  }
  const repeat = (count: number, field: string): string =>
    Array.from({ length: count }, (_, i) => `a${i}:${field}`).join(' ');
  // Each costs a git child.
  const children = repeat(100, 'jobs(first:100){nodes{changedFiles{totalCount}}}');
  assert.match(await ask(`{${children}}`), /LIMIT_EXCEEDED/);
  // 64 KiB each, a hundred chunks.
  const texts = repeat(60, 'text');
  assert.match(
    await ask(`{jobs(first:1){nodes{output(first:100){nodes{${texts}}}}}}`),
    /LIMIT_EXCEEDED/,
  );
});
