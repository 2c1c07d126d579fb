import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { AppError } from '../../src/error.ts';
import type { Job } from '../../src/jobs/job.ts';
import { createFixture, initRepository } from '../support/git-fixture.ts';
import { startAgent, type Agent } from './agent.ts';
import { deadline, gate, onLinux, processesOf } from './support.ts';

const WAITING = `echo waiting; ${gate('go')}; echo done`;

/** Lets all commands go on that wait for their gate. */
async function open(agent: Agent, name = 'go'): Promise<void> {
  await writeFile(agent.fixture.path(name), '');
}

function refusal(run: () => unknown): AppError {
  try {
    run();
  } catch (error) {
    if (error instanceof AppError) return error;
    throw error;
  }
  assert.fail('it was not refused');
}

/** Whether the repository was busy, at each change, as a subscriber sees it. */
function watchBusy(agent: Agent, ...repos: string[]) {
  const seen: string[] = [];
  const following = agent.jobs.followBusy(repos);
  const reading = (async () => {
    for await (const { repo, busy } of following) seen.push(`${repo} ${busy ? 'busy' : 'free'}`);
  })();
  return {
    seen,
    async end() {
      // What has happened is there to be read; nothing more will come.
      for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve));
      await following.return?.();
      await reading;
      return seen;
    },
  };
}

test('an accepted job is in the journal, and its repository busy, when submit returns', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { wait: WAITING } } } });
  const { jobs, journal } = agent;
  const job = agent.submit({ command: 'wait', caller: 'grace', trigger: 'rest' });
  assert.equal(jobs.isBusy('repo'), true);
  assert.equal(jobs.current('repo')?.id, job.id);
  assert.equal(journal.find(job.id)?.state, 'RUNNING');
  assert.deepEqual(
    [job.state, job.kind, job.repo, job.caller, job.trigger, job.command, job.finishedAt],
    ['RUNNING', 'RUN', 'repo', 'grace', 'rest', 'wait', null],
  );
  await open(agent);
  const ended = await agent.ended(job.id);
  assert.deepEqual([ended.state, ended.exitCode, ended.error], ['SUCCEEDED', 0, null]);
  assert.ok(ended.queuedAt <= (ended.startedAt ?? 0));
  assert.ok((ended.startedAt ?? Infinity) <= (ended.finishedAt ?? 0));
  assert.deepEqual(journal.find(job.id), ended);
  assert.deepEqual(jobs.find(job.id), ended);
  assert.equal(jobs.current('repo'), null);
  assert.equal(await agent.outputOf(job.id), `$ ${WAITING}\nwaiting\ndone\n`);
});

test('one job at a time in a repository, different repositories side by side', async () => {
  // `mkdir` fails when the other is inside; both repositories must be inside at once to get through.
  const alone = 'mkdir inside || exit 9; echo in; sleep 0.05; rmdir inside';
  const together = `: >"$DIR/$GITAGENT_REPO.here"; ${gate('a.here')}; ${gate('b.here')}; ${alone}`;
  await using agent = await startAgent({
    repos: { a: { commands: { together, alone } }, b: { commands: { together, alone } } },
  });
  const submitted = ['together', 'alone', 'alone'].flatMap((command) =>
    ['a', 'b'].map((repo) => agent.submit({ repo, command }, 'WAIT')),
  );
  const ended = await Promise.all(submitted.map(async ({ id }) => await agent.ended(id)));
  assert.deepEqual(new Set(ended.map(({ exitCode }) => exitCode)), new Set([0]));
});

test('two names for one folder exclude each other', async () => {
  await using fixture = await createFixture();
  const path = await initRepository(fixture.path('folder'));
  const commands = { wait: WAITING };
  await using agent = await startAgent({ repos: { a: { path, commands }, b: { path, commands } } });
  const watcher = watchBusy(agent, 'a', 'b');
  await new Promise((resolve) => setImmediate(resolve));
  const { id } = agent.submit({ repo: 'a', command: 'wait' });
  assert.equal(refusal(() => agent.submit({ repo: 'b', command: 'wait' })).code, 'BUSY');
  assert.equal(agent.jobs.current('b')?.id, id);
  const waiting = agent.submit({ repo: 'b', command: 'wait' }, 'WAIT');
  assert.equal(waiting.state, 'QUEUED');
  await open(agent);
  await agent.ended(waiting.id);
  assert.deepEqual(await watcher.end(), [
    ...['a', 'b'].map((repo) => `${repo} free`),
    ...['a', 'b'].map((repo) => `${repo} busy`),
    ...['a', 'b'].map((repo) => `${repo} free`),
  ]);
});

test('REJECT names who holds the repository and since when', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { wait: WAITING } }, other: { commands: { wait: WAITING } } },
  });
  const holder = agent.submit({ command: 'wait', caller: 'grace' });
  const { code, message, detail } = refusal(() => agent.submit({ command: 'wait' }));
  const since = new Date(holder.startedAt ?? 0).toISOString();
  assert.equal(code, 'BUSY');
  assert.match(message, new RegExp(`${holder.id}.*by grace.*since ${since}.*try again`));
  assert.deepEqual(detail, { holder: holder.id, kind: 'RUN', caller: 'grace', since });
  assert.equal(agent.submit({ repo: 'other', command: 'wait' }).state, 'RUNNING');
  assert.equal(agent.jobs.list({ limit: 10 }).length, 2);
  await open(agent);
  await agent.ended(holder.id);
  assert.equal(agent.submit({ command: 'wait' }).state, 'RUNNING');
});

test('WAIT starts jobs in the order they came', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { wait: WAITING, note: 'echo $GITAGENT_JOB >>"$DIR/order"' } } },
  });
  agent.submit({ command: 'wait' });
  const waiting = Array.from({ length: 8 }, () => agent.submit({ command: 'note' }, 'WAIT'));
  assert.ok(waiting.every(({ state, startedAt }) => state === 'QUEUED' && startedAt === null));
  await open(agent);
  const ended = await Promise.all(waiting.map(async ({ id }) => await agent.ended(id)));
  const started = ended.map(({ startedAt }) => startedAt ?? 0);
  assert.deepEqual(
    started,
    started.toSorted((a, b) => a - b),
  );
  const order = await readFile(agent.fixture.path('order'), 'utf8');
  assert.equal(order, waiting.map(({ id }) => `${id}\n`).join(''));
  assert.deepEqual(
    ended.map(({ sequence }) => sequence),
    [2, 3, 4, 5, 6, 7, 8, 9],
  );
});

test('no more jobs wait than limits.queue says, and REJECT is not told about the queue', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { wait: WAITING } } },
    queueLimit: 2,
  });
  const submit = (): Job => agent.submit({ command: 'wait' }, 'WAIT');
  const running = submit();
  const waiting = [submit(), submit()];
  const { code, message } = refusal(submit);
  assert.deepEqual([code, /limits\.queue/.test(message)], ['LIMIT_EXCEEDED', true]);
  assert.equal(refusal(() => agent.submit({ command: 'wait' })).code, 'BUSY');
  agent.jobs.cancel(waiting[0]?.id ?? '');
  submit();
  assert.equal(refusal(submit).code, 'LIMIT_EXCEEDED');
  assert.equal(agent.jobs.list({ limit: 10 }).length, 4);
  assert.equal(agent.jobs.current('repo')?.id, running.id);
});

test('busy changes once when the first job is accepted and once when the last has ended', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { wait: WAITING, quick: 'true' } }, other: {} },
  });
  const watcher = watchBusy(agent, 'repo');
  const everything = watchBusy(agent, 'repo', 'other');
  await new Promise((resolve) => setImmediate(resolve));
  const first = agent.submit({ command: 'wait' });
  const last = [1, 2, 3].map(() => agent.submit({ command: 'quick' }, 'WAIT')).at(-1);
  await agent.printed(first.id, 'waiting\n');
  assert.deepEqual(watcher.seen, ['repo free', 'repo busy']);
  // A subscriber that came, read the present state, and has not read since.
  const sleeper = agent.jobs.followBusy(['repo']);
  assert.deepEqual((await sleeper.next()).value, { repo: 'repo', busy: true });
  await open(agent);
  await agent.ended(last?.id ?? '');
  await agent.ended(agent.submit({ command: 'quick' }).id);
  const changes = ['repo busy', 'repo free', 'repo busy', 'repo free'];
  assert.deepEqual(await watcher.end(), ['repo free', ...changes]);
  assert.deepEqual(await everything.end(), ['repo free', 'other free', ...changes]);
  for (const busy of [false, true, false]) {
    assert.deepEqual(await sleeper.next(), { done: false, value: { repo: 'repo', busy } });
  }
  await sleeper.return?.();
});

test('a repository stays busy between two queued jobs', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { quick: 'true' } } } });
  const ids = Array.from({ length: 5 }, () => agent.submit({ command: 'quick' }, 'WAIT').id);
  const watcher = watchBusy(agent, 'repo');
  const atEnd = await Promise.all(
    ids.map(async (id) => {
      await agent.ended(id);
      return [agent.jobs.isBusy('repo'), agent.jobs.current('repo') !== null];
    }),
  );
  assert.deepEqual(atEnd, [...Array.from({ length: 4 }, () => [true, true]), [false, false]]);
  assert.deepEqual(await watcher.end(), ['repo busy', 'repo free']);
});

test('who hears that a job has ended finds the repository free', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'echo x', wait: WAITING, fails: 'exit 1' } } },
  });
  const quick = async (command: string): Promise<void> => {
    const { id } = agent.submit({ command });
    const output = (async () => {
      await agent.outputOf(id);
      assert.equal(agent.jobs.isBusy('repo'), false, 'at the end of its output');
    })();
    await agent.ended(id);
    assert.equal(agent.jobs.isBusy('repo'), false, 'at its end');
    assert.equal(agent.jobs.current('repo'), null);
    await output;
  };
  for (let round = 0; round < 10; round++) await quick(round % 2 === 0 ? 'quick' : 'fails');
  const { id } = agent.submit({ command: 'wait' });
  agent.jobs.cancel(id);
  await agent.ended(id);
  agent.submit({ command: 'quick' });
});

test('a queued job that is cancelled never starts, and has ended at once', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { wait: WAITING, note: ': >"$DIR/started"' } } },
  });
  const running = agent.submit({ command: 'wait' });
  const queued = agent.submit({ command: 'note' }, 'WAIT');
  const following = agent.jobs.follow(queued.id);
  assert.deepEqual((await following.next()).value, queued);
  assert.equal(queued.state, 'QUEUED');
  const cancelled = agent.jobs.cancel(queued.id);
  assert.equal(cancelled.state, 'CANCELLED');
  assert.deepEqual(cancelled.error, {
    code: 'CANCELLED',
    message: 'cancelled on request',
    detail: null,
  });
  assert.deepEqual((await following.next()).value, cancelled);
  assert.equal((await following.next()).done, true);
  assert.deepEqual(agent.journal.find(queued.id), cancelled);
  assert.equal(cancelled.startedAt, null);
  assert.equal(await agent.outputOf(queued.id), '');
  await open(agent);
  await agent.ended(running.id);
  assert.equal(agent.jobs.isBusy('repo'), false);
  await assert.rejects(async () => await agent.printed(queued.id, 'x'));
});

test(
  'a running job that is cancelled ends once the last of its processes is gone',
  onLinux,
  async () => {
    const line = `(trap "${gate('go')}; exit" TERM; echo ready; while :; do sleep 0.01; done) & wait`;
    await using agent = await startAgent({
      repos: { repo: { commands: { line } } },
      killSeconds: 10,
    });
    const { id } = agent.submit({ command: 'line' });
    await agent.printed(id, 'ready\n');
    assert.equal(agent.jobs.cancel(id).state, 'RUNNING');
    assert.equal(agent.jobs.cancel(id).state, 'RUNNING');
    await new Promise((resolve) => setTimeout(resolve, 200));
    assert.deepEqual([agent.jobs.find(id)?.state, agent.jobs.isBusy('repo')], ['RUNNING', true]);
    await open(agent);
    const { state, error, signal } = await agent.ended(id);
    assert.deepEqual(processesOf(agent.mark), []);
    assert.deepEqual([state, error?.code, signal], ['CANCELLED', 'CANCELLED', 'SIGTERM']);
    assert.equal(agent.jobs.isBusy('repo'), false);
  },
);

test('a job that is cancelled although its command exits with 0 is cancelled', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { polite: `trap "exit 0" TERM; echo ready; ${gate('never')}` } } },
  });
  const { id } = agent.submit({ command: 'polite' });
  await agent.printed(id, 'ready\n');
  agent.jobs.cancel(id);
  const { state, exitCode } = await agent.ended(id);
  assert.deepEqual([state, exitCode], ['CANCELLED', 0]);
});

test('cancelling a job that has ended changes nothing', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { quick: 'true' } } } });
  const { id } = agent.submit({ command: 'quick' });
  const ended = await agent.ended(id);
  assert.deepEqual(agent.jobs.cancel(id), ended);
  assert.deepEqual(agent.jobs.find(id), ended);
});

test('a job is followed from its present state to its last, and wait resolves with that', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { wait: WAITING } } } });
  const first = agent.submit({ command: 'wait' });
  const second = agent.submit({ command: 'wait' }, 'WAIT');
  const states = async (id: string): Promise<string[]> => {
    const seen: string[] = [];
    for await (const { state } of agent.jobs.follow(id))
      if (state !== seen.at(-1)) seen.push(state);
    return seen;
  };
  const following = [states(first.id), states(second.id)];
  const waiting = agent.ended(second.id);
  await agent.printed(first.id, 'waiting\n');
  await open(agent);
  assert.deepEqual(await Promise.all(following), [
    ['RUNNING', 'SUCCEEDED'],
    ['QUEUED', 'RUNNING', 'SUCCEEDED'],
  ]);
  const ended = await waiting;
  assert.deepEqual(ended, agent.jobs.find(second.id));
  assert.deepEqual(await agent.ended(second.id), ended);
  assert.deepEqual(await states(second.id), ['SUCCEEDED']);
});

test('who stops waiting for a job is told why', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { wait: WAITING } } } });
  const { id } = agent.submit({ command: 'wait' });
  const controller = new AbortController();
  const waiting = agent.jobs.wait(id, controller.signal);
  const forAnother = agent.jobs.waitForJob('repo', controller.signal);
  assert.equal((await forAnother).id, id);
  controller.abort(new Error('gone'));
  await assert.rejects(waiting, /gone/);
  await assert.rejects(agent.jobs.wait(id, AbortSignal.abort(new Error('before'))), /before/);
  assert.equal(agent.jobs.find(id)?.state, 'RUNNING');
});

test("who waits for a repository's next job gets it as soon as it is accepted", async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { quick: 'true' } }, other: { commands: { quick: 'true' } } },
  });
  const waiting = agent.jobs.waitForJob('repo', deadline());
  await agent.ended(agent.submit({ repo: 'other', command: 'quick' }).id);
  const { id } = agent.submit({ command: 'quick' });
  assert.equal((await waiting).id, id);
  await agent.ended(id);
  const controller = new AbortController();
  const inVain = agent.jobs.waitForJob('repo', controller.signal);
  controller.abort(new Error('gone'));
  await assert.rejects(inVain, /gone/);
  await assert.rejects(
    agent.jobs.waitForJob('repo', AbortSignal.abort(new Error('before'))),
    /before/,
  );
});

test('an unknown command is refused, naming the ones there are', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { 'build it': 'true', test: 'true' } }, none: {} },
  });
  const { code, message } = refusal(() => agent.submit({ command: 'deploy' }));
  assert.equal(code, 'BAD_USER_INPUT');
  assert.equal(message, 'repository "repo" has no command "deploy": there is "build it", "test"');
  const { message: other } = refusal(() => agent.submit({ repo: 'none', command: 'deploy' }));
  assert.equal(other, 'repository "none" has no command "deploy": none is configured');
  for (const command of ['', '__proto__', 'toString', 'x'.repeat(10_000)]) {
    const error = refusal(() => agent.submit({ command }));
    assert.equal(error.code, 'BAD_USER_INPUT');
    assert.ok(error.message.length < 300);
  }
  assert.deepEqual([agent.jobs.list({ limit: 10 }), agent.jobs.isBusy('repo')], [[], false]);
});

test('an unknown repository or job is not found', async () => {
  await using agent = await startAgent({ repos: { repo: {} } });
  const id = randomUUID();
  const { jobs } = agent;
  assert.equal(refusal(() => agent.submit({ repo: 'nope' })).code, 'NOT_FOUND');
  assert.equal(refusal(() => jobs.isBusy('__proto__')).code, 'NOT_FOUND');
  assert.equal(refusal(() => jobs.current('nope')).code, 'NOT_FOUND');
  assert.equal(refusal(() => jobs.cancel(id)).code, 'NOT_FOUND');
  assert.equal(refusal(() => jobs.follow(id)).code, 'NOT_FOUND');
  assert.equal(jobs.find(id), null);
  await assert.rejects(jobs.wait(id, deadline()), { code: 'NOT_FOUND' });
  await assert.rejects(jobs.openOutput(id), { code: 'NOT_FOUND' });
  await assert.rejects(jobs.followOutput(id, 0), { code: 'NOT_FOUND' });
  await assert.rejects(jobs.waitForJob('nope', deadline()), { code: 'NOT_FOUND' });
  await assert.rejects(jobs.followBusy(['nope']).next(), { code: 'NOT_FOUND' });
});

test('lists show a running job as it is, not as it was written down', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { wait: WAITING } } } });
  const { id } = agent.submit({ command: 'wait' });
  await agent.printed(id, 'waiting\n');
  assert.deepEqual(agent.jobs.list({ limit: 1 }), [agent.jobs.find(id)]);
  assert.deepEqual(
    agent.jobs.list({ states: ['RUNNING'], repo: 'repo', limit: 1 }).map((job) => job.id),
    [id],
  );
});
