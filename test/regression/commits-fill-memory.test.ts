/**
 * The attacks: names and headers of a commit can be as long as its message, but what is remembered of commits was
 * counted by messages, so that a history of long names grew the agent by all of it. And of the two hundred
 * histories that one query may ask for, each page could hold 16 MiB at once.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHistoryReader } from '../../src/git/history.ts';
import { oid, type Oid } from '../../src/git/oid.ts';
import { openRepository } from '../../src/git/repository.ts';
import { startAgent } from '../support/agent-process.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { ask, dataOf } from '../support/graphql-client.ts';
import { createFixture, git, initRepository, runGit, writeCommit } from '../support/git-fixture.ts';

/** Writes a commit as it is given: fast-import would not. */
async function writeRaw(dir: string, headers: string, message = ''): Promise<Oid> {
  const tree = await runGit(dir, ['hash-object', '-t', 'tree', '-w', '--stdin']);
  const input = `tree ${tree.toString()}${headers}\n${message}`;
  const id = await runGit(dir, ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], { input }); // prettier-ignore
  return oid(id.toString().trim());
}

const COMMITTER = 'committer A <a@b> 1700000000 +0000\n';

test('what is remembered of commits is counted with their names and headers', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('r.git'), { bare: true });
  const long = 'y'.repeat(600_000);
  let children = 0;
  const counting = {
    ...door,
    scan: async (...args: Parameters<typeof door.scan>) => {
      children++;
      return await door.scan(...args);
    },
  } as typeof door;
  const reader = createHistoryReader({ git: counting, cacheBytes: 2 ** 20 });
  const repository = await openRepository(dir);
  for (const headers of [
    `author ${long} <a@b> 1700000000 +0000\n${COMMITTER}`,
    `author A <a@b> 1700000000 +0000\n${COMMITTER}mergetag ${long}\n`,
  ]) {
    const start = await writeRaw(dir, headers);
    const options = { first: 1, filter: {}, signal: untilDone };
    children = 0;
    await reader.read(repository, start, options);
    await reader.read(repository, start, options);
    assert.equal(children, 2, 'it is too long to be remembered');
  }
});

test('the histories of one query hold so many bytes together', async () => {
  await using fixture = await createFixture();
  const site = await initRepository(fixture.path('site'));
  const author = 'author A <a@b> 1700000000 +0000\n';
  const long = await writeRaw(site, author + COMMITTER, `${'y'.repeat(12 * 1024 * 1024)}\n`);
  await writeCommit(site, { parents: [long] });
  await using agent = await startAgent({ config: { repo: { site: { repo_path: site } } } });
  const ofHead = async (fields: string) =>
    await ask<{ repo: { head: { history: { pageInfo: { endCursor: string } } } | null } }>(
      agent.url,
      `{ repo(name: "site") { head { ${fields} } } }`,
    );
  const first = await ofHead('history(first: 1) { pageInfo { endCursor } }');
  const after = dataOf(first).repo.head?.history.pageInfo.endCursor ?? '';
  const many = Array.from({ length: 5 }, (_, n) => `a${n}: history(first: 1, after: "${after}") { nodes { oid } }`); // prettier-ignore
  const { errors = [] } = await ofHead(many.join('\n'));
  assert.deepEqual(errors.map(({ extensions }) => extensions?.['code']), ['LIMIT_EXCEEDED']); // prettier-ignore
  const one = await ofHead(many[0] ?? '');
  assert.deepEqual(one.errors ?? [], []);
  assert.equal(await git(site, 'rev-list', '--count', 'main'), '2');
});
