/**
 * The attack: a commit with twelve thousand parents is pushed, and a page of the history that begins with it is
 * asked for, with its cursors. Each looked through all that wait for each of the parents, and once more for each
 * cursor: the agent answered nobody for minutes.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { query } from '../support/graphql-client.ts';
import { createFixture, git, initRepository, runGit } from '../support/git-fixture.ts';

const PARENTS = 12_000;
const EDGES = `{ repo(name: "site") { head { history(first: 20) {
  pageInfo { endCursor } edges { cursor node { oid } } } } } }`;

test('a merge of thousands blocks nobody', async () => {
  await using fixture = await createFixture();
  const site = await initRepository(fixture.path('site'));
  const tree = (await runGit(site, ['hash-object', '-t', 'tree', '-w', '--stdin'])).toString();
  const commits = Array.from({ length: PARENTS }, (_, n) => `commit refs/heads/x\nmark :${n + 1}\ncommitter A <a@b> 1700000000 +0000\ndata ${String(n).length}\n${n}\n\nreset refs/heads/x\n\nget-mark :${n + 1}\n`); // prettier-ignore
  const ids = (
    await runGit(site, ['fast-import', '--quiet'], { input: commits.join('') })
  ).toString();
  const parents = ids.trim().replace(/^/gm, 'parent ');
  const merge = `tree ${tree}${parents}\nauthor A <a@b> 1700000100 +0000\ncommitter A <a@b> 1700000100 +0000\n\nmerge\n`;
  const tip = await runGit(site, ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], { input: merge }); // prettier-ignore
  await git(site, 'update-ref', 'refs/heads/main', tip.toString().trim());
  await using agent = await startAgent({ config: { repo: { site: { repo_path: site } } } });
  const signal = AbortSignal.timeout(10_000);
  const { repo } = await query<{
    repo: { head: { history: { edges: { cursor: string; node: { oid: string } }[] } } };
  }>(agent.url, EDGES, {}, { signal });
  const { edges } = repo.head.history;
  const expected = await git(site, 'rev-list', '--max-count=25', 'main');
  assert.deepEqual(edges.map(({ node }) => node.oid), expected.split('\n').slice(0, 20)); // prettier-ignore
  // Too many wait to be carried along: the walk begins anew, and goes on at the right place.
  const next = await query<typeof repo & { repo: typeof repo }>(
    agent.url,
    EDGES.replace('first: 20', `first: 5, after: ${JSON.stringify(edges[19]?.cursor)}`),
    {},
    { signal },
  );
  assert.deepEqual(next.repo.head.history.edges.map(({ node }) => node.oid), expected.split('\n').slice(20)); // prettier-ignore
});
