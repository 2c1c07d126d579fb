import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Progress } from '../../src/git/progress.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  treeState,
  writeCommit,
} from '../support/git-fixture.ts';
import { shell, startAgent, type Agent } from './agent.ts';
import { onLinux, processesOf } from './support.ts';

/** An origin with one commit, and a clone of it. */
async function createClone() {
  const fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const first = await writeCommit(origin, { files: { 'a.txt': 'one\n' } });
  const copy = await cloneRepository(origin, fixture.path('copy'));
  return {
    fixture,
    origin,
    copy,
    first,
    [Symbol.asyncDispose]: fixture[Symbol.asyncDispose],
  };
}

/** Enough of a change for git to count. */
function manyFiles(): Record<string, string> {
  return Object.fromEntries(
    Array.from({ length: 300 }, (_, index) => [`dir/${index}.txt`, `file ${index}\n`]),
  );
}

/** What the fixture's agent says of itself to its commands. */
const SAY = shell(
  'env | grep ^GITAGENT_ | grep -v -e ^GITAGENT_MARK= -e ^GITAGENT_CHILD= | sort; pwd',
  {
    env: { GITAGENT_CALLER: 'not this one', EXTRA: 'x' },
  },
);

async function linesOf(agent: Agent, id: string): Promise<string[]> {
  return (await agent.outputOf(id)).split(/[\r\n]+/);
}

test('a pull fetches, moves and then runs its command, which is told where from and where to', async () => {
  await using scene = await createClone();
  const { origin, copy, first } = scene;
  const second = await writeCommit(origin, { files: manyFiles() });
  await using agent = await startAgent({ repos: { repo: { path: copy, commands: { say: SAY } } } });
  const { id } = agent.submit({ kind: 'PULL', command: 'say', caller: 'ada lovelace' });
  const job = await agent.ended(id);
  assert.deepEqual(
    [job.state, job.error, job.before, job.after, job.branch, job.exitCode],
    ['SUCCEEDED', null, first, second, 'main', 0],
  );
  assert.equal(await git(copy, 'rev-parse', 'HEAD'), second);
  assert.equal(await git(copy, 'status', '--porcelain'), '');
  const lines = await linesOf(agent, id);
  assert.deepEqual(lines.slice(lines.indexOf(`$ ${SAY.line}`)), [
    `$ ${SAY.line}`,
    `GITAGENT_AFTER=${second}`,
    `GITAGENT_BEFORE=${first}`,
    'GITAGENT_BRANCH=main',
    'GITAGENT_CALLER=ada lovelace',
    `GITAGENT_JOB=${id}`,
    'GITAGENT_REPO=repo',
    copy,
    '',
  ]);
});

test('a run does not pull, and its command is told where HEAD is', async () => {
  await using scene = await createClone();
  const { origin, copy, first } = scene;
  await writeCommit(origin, { files: { 'a.txt': 'two\n' } });
  await using agent = await startAgent({
    repos: {
      repo: { path: copy, commands: { say: SAY } },
      unborn: { commands: { say: SAY } },
      bare: { path: origin, commands: { say: SAY } },
    },
  });
  const said = async (repo: string): Promise<string[]> => {
    const { id } = agent.submit({ repo, command: 'say' });
    assert.equal((await agent.ended(id)).state, 'SUCCEEDED');
    return (await linesOf(agent, id)).filter((line) => /^GITAGENT_(?:AF|BE|BR)/.test(line));
  };
  const at = (oid: string): string[] => [`GITAGENT_AFTER=${oid}`, `GITAGENT_BEFORE=${oid}`];
  assert.deepEqual(await said('repo'), [...at(first), 'GITAGENT_BRANCH=main']);
  assert.deepEqual(await said('unborn'), [...at(''), 'GITAGENT_BRANCH=main']);
  assert.equal((await said('bare')).at(-1), 'GITAGENT_BRANCH=main');
  await git(copy, 'checkout', '--quiet', '--detach');
  assert.deepEqual(await said('repo'), [...at(first), 'GITAGENT_BRANCH=']);
});

test("git's progress is in the output, and in the job while it runs", async () => {
  await using scene = await createClone();
  await writeCommit(scene.origin, { files: manyFiles() });
  await using agent = await startAgent({ repos: { repo: { path: scene.copy } } });
  const { id } = agent.submit({ kind: 'PULL' });
  const seen: Progress[] = [];
  for await (const { progress } of agent.jobs.follow(id))
    if (progress !== null) seen.push(progress);
  const phases = new Set(seen.map(({ phase }) => phase));
  assert.ok(phases.size > 0, 'a phase was seen');
  for (const { percent, current, total } of seen) {
    assert.ok(percent >= 0 && percent <= 100 && current <= total);
  }
  const output = await agent.outputOf(id);
  assert.match(output, /^fetch origin\n/);
  assert.match(output, /remote: Counting objects: +\d+% \(\d+\/30\d\) *\r/);
  assert.match(output, /remote: Counting objects: 100% \((30\d)\/\1\), done\. *\n/);
  assert.match(output, /\nfast-forward main to [0-9a-f]{40}\n/);
  for (const phase of phases) assert.ok(output.includes(phase));
  assert.equal(agent.jobs.find(id)?.progress, null);
});

test('credentials in URLs reach neither the output nor the job', async () => {
  await using scene = await createClone();
  const { copy, fixture } = scene;
  // Both what git repeats of the remote's URL, and what a transport prints, in pieces.
  const transport = fixture.path('transport');
  await writeFile(
    transport,
    '#!/bin/sh\nprintf "asking https://ada:s3c" >&2; sleep 0.05; printf "ret@host/x" >&2; exit 1\n',
    { mode: 0o755 },
  );
  await using agent = await startAgent({
    repos: { repo: { path: copy, sshCommand: transport } },
  });
  for (const url of ['ssh://ada:s3cret@localhost/x', 'http://ada:s3cret@127.0.0.1:1/x']) {
    await git(copy, 'remote', 'set-url', 'origin', url);
    const { id } = agent.submit({ kind: 'PULL' });
    const job = await agent.ended(id);
    assert.deepEqual([job.state, job.error?.code], ['FAILED', 'COMMAND_FAILED']);
    const output = await agent.outputOf(id);
    assert.match(output, /fatal/);
    assert.doesNotMatch(output, /s3c|ret@/);
    assert.doesNotMatch(JSON.stringify(agent.journal.find(id)), /s3c|ret@/);
    if (url.startsWith('ssh')) assert.match(output, /asking https:\/\/\*\*\*@host\/x/);
  }
});

test('a pull that fails runs no command', async () => {
  await using scene = await createClone();
  const { copy, fixture } = scene;
  await git(copy, 'remote', 'set-url', 'origin', fixture.path('nowhere'));
  await using agent = await startAgent({
    repos: { repo: { path: copy, commands: { note: ': >"$DIR/ran"' } } },
  });
  const before = await treeState(copy);
  const { id } = agent.submit({ kind: 'PULL', command: 'note' });
  const { state, exitCode, error } = await agent.ended(id);
  assert.deepEqual([state, exitCode, error?.code], ['FAILED', null, 'COMMAND_FAILED']);
  assert.doesNotMatch(await agent.outputOf(id), /^\$ /m);
  assert.deepEqual(await treeState(copy), before);
});

test("what the caller may not ask for is the job's error", async () => {
  await using scene = await createClone();
  await using agent = await startAgent({ repos: { repo: { path: scene.copy } } });
  for (const [request, code] of [
    [{ branch: 'no-such-branch' }, 'NOT_FOUND'],
    [{ branch: '--upload-pack=touch x' }, 'BAD_USER_INPUT'],
    [{ hash: 'abcdef12' }, 'NOT_FOUND'],
    [{ hash: '-f' }, 'BAD_USER_INPUT'],
  ] as const) {
    const { state, error } = await agent.ended(agent.submit({ kind: 'PULL', ...request }).id);
    assert.deepEqual([state, error?.code], ['FAILED', code]);
  }
});

test("a pull with the strategy reset says where it saved what it discards, by the job's id", async () => {
  await using scene = await createClone();
  const { origin, copy } = scene;
  const second = await writeCommit(origin, { files: { 'a.txt': 'two\n' } });
  await writeFile(scene.fixture.path('copy', 'a.txt'), 'mine\n');
  await using agent = await startAgent({ repos: { repo: { path: copy, strategy: 'reset' } } });
  const { id } = agent.submit({ kind: 'PULL' });
  const { state, after } = await agent.ended(id);
  assert.deepEqual([state, after], ['SUCCEEDED', second]);
  assert.match(await agent.outputOf(id), new RegExp(`saved .* as refs/gitagent/saved/${id} `));
  assert.equal(await git(copy, 'show', `refs/gitagent/saved/${id}:a.txt`), 'mine');
});

test(
  'a pull that is cancelled while it fetches has ended only when git and its transport are gone',
  onLinux,
  async () => {
    await using scene = await createClone();
    const { copy, fixture } = scene;
    const transport = fixture.path('transport');
    // git asks with -G which ssh this is. The mark is not in git's environment, so it is put there.
    await writeFile(
      transport,
      '#!/bin/sh\n[ "$1" = -G ] && exit 1; export GITAGENT_MARK="$(cat "$0.mark")"; echo connecting >&2; sleep 60 & sleep 60\n',
      { mode: 0o755 },
    );
    await git(copy, 'remote', 'set-url', 'origin', 'ssh://localhost/x');
    await using agent = await startAgent({
      repos: { repo: { path: copy, sshCommand: transport, commands: { quick: 'true' } } },
    });
    await writeFile(`${transport}.mark`, agent.mark);
    const before = await treeState(copy);
    const { id } = agent.submit({ kind: 'PULL' });
    await agent.printed(id, 'connecting\n');
    agent.jobs.cancel(id);
    const { state, error } = await agent.ended(id);
    assert.deepEqual([state, error?.code], ['CANCELLED', 'CANCELLED']);
    assert.deepEqual(processesOf(agent.mark), []);
    assert.deepEqual(await treeState(copy), before);
    assert.equal((await agent.ended(agent.submit({ command: 'quick' }).id)).state, 'SUCCEEDED');
  },
);
