import assert from 'node:assert/strict';
import { rm } from 'node:fs/promises';
import { test } from 'node:test';
import { shell, startAgent, type Agent } from './agent.ts';
import { gate, onLinux, processesOf, until } from './support.ts';

/** Takes what `onBug` was told, so that the agent may be left. */
function takeBugs(agent: Agent): string[] {
  return agent.bugs.splice(0).map((bug) => (bug instanceof Error ? bug.message : String(bug)));
}

/** After whatever went wrong, the repository takes work again. */
async function assertUsable(agent: Agent): Promise<void> {
  assert.equal(agent.jobs.isBusy('repo'), false);
  assert.equal(agent.jobs.current('repo'), null);
  const { state } = await agent.ended(agent.submit({ repo: 'repo', command: 'quick' }).id);
  assert.equal(state, 'SUCCEEDED');
}

test('a command that fails fails the job, with its exit code or signal', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'true', fails: 'echo no; exit 3', dies: 'kill -9 $$' } } },
  });
  const failed = await agent.ended(agent.submit({ command: 'fails' }).id);
  assert.deepEqual([failed.state, failed.exitCode, failed.signal], ['FAILED', 3, null]);
  assert.deepEqual(failed.error, {
    code: 'COMMAND_FAILED',
    message: 'command "fails" ended with exit code 3',
    detail: { exitCode: 3, signal: null },
  });
  const dead = await agent.ended(agent.submit({ command: 'dies' }).id);
  assert.deepEqual([dead.state, dead.exitCode, dead.signal], ['FAILED', null, 'SIGKILL']);
  assert.equal(dead.error?.message, 'command "dies" was ended by SIGKILL');
  assert.deepEqual(agent.journal.find(dead.id), dead);
  await assertUsable(agent);
});

test('a command that takes too long fails the job, also when it then exits with 0', async () => {
  const commands = {
    quick: 'true',
    slow: shell('sleep 60', { timeoutSeconds: 1 }),
    // Long enough for it to set its trap.
    polite: shell(`trap "exit 0" TERM; ${gate('never')}`, { timeoutSeconds: 1 }),
  };
  await using agent = await startAgent({ repos: { repo: { commands } } });
  for (const [command, exitCode] of [
    ['slow', null],
    ['polite', 0],
  ] as const) {
    const { state, error, ...job } = await agent.ended(agent.submit({ command }).id);
    assert.deepEqual([state, job.exitCode], ['FAILED', exitCode]);
    assert.equal(
      error?.message,
      `command "${command}" was ended after 1 seconds: raise the command's "timeout", or timeouts.command`,
    );
    assert.equal(error.code, 'COMMAND_FAILED');
  }
  await assertUsable(agent);
});

test('a failure of git fails the job and is told to the caller', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { quick: 'true' } } } });
  const { state, error } = await agent.ended(agent.submit({ kind: 'PULL' }).id);
  assert.deepEqual([state, error?.code], ['FAILED', 'NOT_FOUND']);
  await assertUsable(agent);
});

test('a repository that was deleted fails its jobs and harms no other', async () => {
  await using agent = await startAgent({
    repos: { gone: { commands: { quick: 'true' } }, repo: { commands: { quick: 'true' } } },
  });
  await rm(agent.fixture.path('gone'), { recursive: true });
  for (const kind of ['PULL', 'RUN'] as const) {
    const { id } = agent.submit({ repo: 'gone', kind, command: 'quick' });
    const { state, error } = await agent.ended(id);
    assert.equal(state, 'FAILED');
    assert.notEqual(error?.code, 'INTERNAL');
    assert.equal(agent.jobs.isBusy('gone'), false);
  }
  await assertUsable(agent);
});

test('a bug is masked, reported once, and releases the lock', async () => {
  let isBroken = false;
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'true' } } },
    wrapGit: (git) => ({
      ...git,
      run: async (...args) => {
        if (isBroken) throw new TypeError('secret: x of undefined');
        return await git.run(...args);
      },
    }),
  });
  isBroken = true;
  for (let round = 0; round < 2; round++) {
    const { id } = agent.submit({ command: 'quick' });
    const { state, error } = await agent.ended(id);
    assert.deepEqual([state, error?.code, error?.detail], ['FAILED', 'INTERNAL', null]);
    assert.doesNotMatch(JSON.stringify(agent.jobs.find(id)), /secret/);
    assert.deepEqual(takeBugs(agent), ['secret: x of undefined']);
  }
  isBroken = false;
  await assertUsable(agent);
});

test('a journal that cannot be written takes no new job', async () => {
  let isFull = false;
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'true' } } },
    wrapJournal: (journal) => ({
      ...journal,
      insert(job) {
        if (isFull) throw new Error('disk full');
        return journal.insert(job);
      },
    }),
  });
  isFull = true;
  assert.throws(() => agent.submit({ command: 'quick' }), /disk full/);
  isFull = false;
  await assertUsable(agent);
});

test('a journal that cannot be written does not keep the lock, and is told later what it missed', async () => {
  let isFull = false;
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'true', wait: gate('go'), fails: 'exit 1' } } },
    wrapJournal: (journal) => ({
      ...journal,
      update(job) {
        if (isFull) throw new Error('disk full');
        journal.update(job);
      },
    }),
  });
  isFull = true;
  const { id } = agent.submit({ command: 'fails' });
  const ended = await agent.ended(id);
  assert.equal(ended.state, 'FAILED');
  assert.equal(agent.jobs.isBusy('repo'), false);
  assert.deepEqual(takeBugs(agent), ['disk full', 'disk full', 'disk full']);
  // What is known is told, although it is not written down.
  assert.deepEqual(agent.jobs.find(id), ended);
  assert.deepEqual(agent.jobs.list({ limit: 1 }), [ended]);
  assert.deepEqual(await agent.ended(id), ended);
  assert.equal(agent.journal.find(id)?.state, 'QUEUED');
  isFull = false;
  await assertUsable(agent);
  assert.deepEqual(agent.journal.find(id), ended);
});

test('an output that cannot be written ends the command and fails the job', onLinux, async () => {
  let isFull = false;
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'true', chatty: 'sleep 60 & while :; do echo y; done' } } },
    wrapOutputs: (outputs) => ({
      ...outputs,
      create(jobId) {
        const log = outputs.create(jobId);
        const append = log.append.bind(log);
        log.append = async (bytes) => {
          if (isFull && log.size > 10_000) throw new Error('disk full');
          await append(bytes);
        };
        return log;
      },
    }),
  });
  isFull = true;
  const { id } = agent.submit({ command: 'chatty' });
  const { state, error } = await agent.ended(id);
  assert.deepEqual([state, error?.code], ['FAILED', 'INTERNAL']);
  assert.deepEqual(processesOf(agent.mark), []);
  assert.deepEqual(takeBugs(agent), ['disk full']);
  assert.match(await agent.outputOf(id), /^\$ .*\ny\ny\n/);
  isFull = false;
  await assertUsable(agent);
});

test('an output that cannot be closed still ends the job', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'echo x' } } },
    wrapOutputs: (outputs) => ({
      ...outputs,
      create(jobId) {
        const log = outputs.create(jobId);
        const end = log.end.bind(log);
        log.end = async () => {
          await end();
          throw new Error('close failed');
        };
        return log;
      },
    }),
  });
  const { id } = agent.submit({ command: 'quick' });
  assert.equal(await agent.outputOf(id), '$ echo x\nx\n');
  assert.equal((await agent.ended(id)).state, 'SUCCEEDED');
  await until(() => agent.bugs.length > 0, 'it is told');
  assert.deepEqual(takeBugs(agent), ['close failed']);
});
