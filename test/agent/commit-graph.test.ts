import assert from 'node:assert/strict';
import { chmod, mkdir } from 'node:fs/promises';
import { test } from 'node:test';
import { createCommitGraphs } from '../../src/git/commit-graph.ts';
import { openRepository } from '../../src/git/repository.ts';
import { startAgent } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, exists, git, initRepository, runGit, runProgram, type Fixture } from '../support/git-fixture.ts'; // prettier-ignore

/** A repository whose pack has so many objects that a commit-graph is worth it. */
async function writeLarge(fixture: Fixture, name: string): Promise<string> {
  const dir = await initRepository(fixture.path(name), { bare: true });
  const parts: string[] = [];
  for (let n = 1; n <= 4000; n++) {
    const who = `Ada <ada@example.com> ${1_700_000_000 + n} +0000`;
    parts.push(`commit refs/heads/main\ncommitter ${who}\ndata 1\n${n % 10}\nM 100644 inline a\ndata 5\n${n + 10_000}\n`); // prettier-ignore
  }
  await runGit(dir, ['fast-import', '--quiet'], { input: parts.join('') });
  await mkdir(`${dir}/objects/info`, { recursive: true });
  return dir;
}

const graphOf = (dir: string): string => `${dir}/objects/info/commit-graphs/commit-graph-chain`;

test('the agent writes the commit-graph of a large repository, unless it is told not to', async () => {
  await using fixture = await createFixture();
  const large = await writeLarge(fixture, 'large');
  const [refused, told] = [fixture.path('refused'), fixture.path('told')];
  for (const dir of [refused, told]) await runProgram('cp', '-r', large, dir);
  await git(refused, 'config', 'gc.writeCommitGraph', 'off');
  {
    const config = { repo: { told: { repo_path: told } }, maintenance: { commit_graph: false } };
    await using agent = await startAgent({ config });
    assert.ok(agent.pid > 0);
  }
  const repo = { refused: { repo_path: refused }, large: { repo_path: large } };
  await using agent = await startAgent({ config: { repo } });
  assert.ok(agent.pid > 0);
  await until(async () => await exists(graphOf(large)), 'the commit-graph is there', 30_000);
  assert.equal(await exists(graphOf(refused)), false);
  assert.equal(await exists(graphOf(told)), false);
  await git(large, 'commit-graph', 'verify');
});

test('what may not be written to, or is small, is left alone without a word', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const errors: unknown[] = [];
  const graphs = createCommitGraphs(door, untilDone, (error) => errors.push(error));
  const small = await initRepository(fixture.path('small'), { bare: true });
  const locked = await writeLarge(fixture, 'locked');
  await chmod(`${locked}/objects/info`, 0o555);
  for (const dir of [small, locked]) graphs.request(await openRepository(dir));
  await graphs.idle();
  await chmod(`${locked}/objects/info`, 0o755);
  if (process.getuid?.() !== 0) assert.equal(await exists(graphOf(locked)), false);
  assert.equal(await exists(graphOf(small)), false);
  assert.deepEqual(errors, []);
});
