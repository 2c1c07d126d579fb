/** How an agent stops, and what the next one makes of what it left behind. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { openJournal } from '../../src/jobs/journal.ts';
import { createFixture } from '../support/git-fixture.ts';
import { startAgent, type Agent } from './agent.ts';
import { aJob, gate, onLinux, processesOf, until } from './support.ts';

const WAITING = `echo waiting; ${gate('go')}; echo done`;

async function open(agent: Agent): Promise<void> {
  await writeFile(agent.fixture.path('go'), '');
}

test('a new agent marks what a dead one left unfinished as interrupted, and is ready', async () => {
  await using fixture = await createFixture();
  const stateDir = fixture.path('state');
  const left = openJournal(stateDir);
  const queued = left.insert(aJob());
  const running = left.insert(aJob({ state: 'RUNNING', startedAt: 1_800_000_000_001 }));
  const finished = left.insert(aJob({ state: 'SUCCEEDED', exitCode: 0, finishedAt: 1 }));
  left[Symbol.dispose]();
  const before = Date.now();
  await using agent = await startAgent({
    stateDir,
    repos: { repo: { commands: { quick: 'true' } } },
  });
  for (const job of [queued, running]) {
    const found = agent.jobs.find(job.id) ?? job;
    const message = 'the agent ended before the job did';
    assert.deepEqual(found, {
      ...job,
      state: 'INTERRUPTED',
      error: { code: 'INTERRUPTED', message, detail: null },
      finishedAt: found.finishedAt,
    });
    assert.ok((found.finishedAt ?? 0) >= before);
    assert.equal((await agent.ended(job.id)).state, 'INTERRUPTED');
  }
  // What never ran printed nothing; who reads on in what did is told how it ended.
  assert.equal(await agent.outputOf(queued.id), '');
  assert.equal(await agent.outputOf(running.id), 'gitagent: the agent ended before the job did\n');
  assert.deepEqual(agent.jobs.find(finished.id), finished);
  assert.deepEqual(agent.journal.listUnfinished(), []);
  assert.equal(agent.jobs.isBusy('repo'), false);
  const next = await agent.ended(agent.submit({ command: 'quick' }).id);
  assert.deepEqual([next.state, next.sequence], ['SUCCEEDED', 4]);
});

test('what a follower has read is there after the agent was killed', onLinux, async () => {
  await using fixture = await createFixture();
  const stateDir = fixture.path('state');
  const program = new URL('fixture/agent-to-kill.ts', import.meta.url).pathname;
  const child = spawn(process.execPath, [program, stateDir], {
    env: { ...process.env, TMPDIR: fixture.dir },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => (said += text));
  await until(() => said.split('\n').length > 50, 'some output was read');
  child.kill('SIGKILL');
  await once(child, 'close');
  const [first = '', ...ends] = said.slice(0, said.lastIndexOf('\n')).split('\n');
  const [id = '', mark = ''] = first.split(' ');
  await until(() => processesOf(mark).length === 0, 'its command has found the pipe broken');

  await using agent = await startAgent({ stateDir, repos: { repo: {} } });
  assert.equal(agent.jobs.find(id)?.state, 'INTERRUPTED');
  const output = await agent.outputOf(id);
  assert.ok(output.length >= Number(ends.at(-1)), `${output.length} of ${ends.at(-1)}`);
  const [command, ...lines] = output.split('\n').slice(0, -1);
  const numbers = lines.filter((line) => !line.startsWith('gitagent: '));
  assert.match(output, / while its command ran\n$/);
  assert.equal(command, '$ seq 1 1000000000');
  // The last may be cut.
  assert.ok(numbers.slice(0, -1).every((number, index) => number === String(index + 1)));
});

test('jobs and their output are there after a restart', async () => {
  await using fixture = await createFixture();
  const options = {
    stateDir: fixture.path('state'),
    repos: { repo: { commands: { print: 'printf "é\\377\\n"' } } },
  };
  const first = await startAgent(options);
  const job = await first.ended(first.submit({ command: 'print' }).id);
  const output = await first.outputOf(job.id);
  await first[Symbol.asyncDispose]();
  await using second = await startAgent(options);
  assert.deepEqual(second.jobs.find(job.id), job);
  assert.deepEqual(second.jobs.list({ limit: 10 }), [job]);
  assert.equal(await second.outputOf(job.id), output);
  assert.match(output, /\né\ufffd\n$/);
});

test('a draining agent takes no new job, lets running ones end and interrupts what waits', async () => {
  await using agent = await startAgent({
    repos: {
      repo: { commands: { wait: WAITING } },
      other: { commands: { wait: WAITING } },
      idle: { commands: { wait: WAITING } },
    },
  });
  const running = ['repo', 'other'].map((repo) => agent.submit({ repo, command: 'wait' }));
  const queued = agent.submit({ command: 'wait' }, 'WAIT');
  let hasDrained = false;
  const draining = agent.jobs.drain(10).then(() => (hasDrained = true));
  for (const [repo, ifBusy] of [
    ['idle', 'REJECT'],
    ['repo', 'WAIT'],
  ] as const) {
    assert.throws(() => agent.submit({ repo, command: 'wait' }, ifBusy), {
      code: 'BUSY',
      message: 'the agent is stopping and takes no new work',
    });
  }
  const interrupted = agent.jobs.find(queued.id);
  assert.deepEqual(
    [interrupted?.state, interrupted?.startedAt, interrupted?.error],
    ['INTERRUPTED', null, { code: 'INTERRUPTED', message: 'the agent was stopped', detail: null }],
  );
  await Promise.all(running.map(async ({ id }) => await agent.printed(id, 'waiting\n')));
  assert.equal(hasDrained, false);
  await open(agent);
  await draining;
  for (const { id } of running) {
    assert.equal(agent.jobs.find(id)?.state, 'SUCCEEDED');
    assert.match(await agent.outputOf(id), /\ndone\n$/);
  }
  assert.deepEqual(agent.journal.listUnfinished(), []);
});

test('a draining agent ends at its limit what still runs', onLinux, async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { stubborn: 'trap "" TERM; echo ready; sleep 60' } } },
    killSeconds: 0.2,
  });
  const { id } = agent.submit({ command: 'stubborn' });
  await agent.printed(id, 'ready\n');
  const before = performance.now();
  await agent.jobs.drain(0.2);
  assert.ok(performance.now() - before >= 400);
  assert.deepEqual(processesOf(agent.mark), []);
  const { state, signal, error } = agent.journal.find(id) ?? aJob();
  assert.deepEqual([state, signal, error?.code], ['INTERRUPTED', 'SIGKILL', 'INTERRUPTED']);
});

test('an idle agent drains at once, and again', async () => {
  await using agent = await startAgent({ repos: { repo: {} } });
  await agent.jobs.drain(1000);
  await agent.jobs.drain(1000);
});
