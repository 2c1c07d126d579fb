import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { AppError } from '../../src/error.ts';
import { isFinished, type JobState } from '../../src/jobs/job.ts';
import { startAgent } from './agent.ts';
import { countWaiters, createRandom, onLinux, processesOf, until } from './support.ts';

const COMMANDS = {
  quick: 'echo quick',
  fails: 'echo fails; exit 1',
  slow: 'echo slow; sleep 0.03; echo slower',
  daemon: 'sleep 0.1 & echo daemon',
};
const REPOS = ['a', 'b', 'c'];

/** What a follower of a job may see, in this order. */
const ORDER = /^(?:QUEUED )?(?:RUNNING )?(?:SUCCEEDED|FAILED|CANCELLED)$/;

test(
  'whatever is submitted, cancelled and followed when: each job ends once, each lock is given back',
  onLinux,
  async (t) => {
    const seed = 7;
    const random = createRandom(seed);
    const waiters: (() => number)[] = [];
    const repos = Object.fromEntries(REPOS.map((repo) => [repo, { commands: COMMANDS }]));
    await using agent = await startAgent({
      repos,
      queueLimit: 5,
      wrapOutputs: (outputs) => ({
        ...outputs,
        create(jobId) {
          const log = outputs.create(jobId);
          waiters.push(countWaiters(log.changed));
          return log;
        },
      }),
    });
    const { jobs } = agent;
    const busy = jobs.followBusy(REPOS);
    const changes = new Map<string, boolean[]>(REPOS.map((repo) => [repo, []]));
    const watching = (async () => {
      for await (const { repo, busy: now } of busy) changes.get(repo)?.push(now);
    })();
    await delay(0);

    const accepted: string[] = [];
    const checks: Promise<void>[] = [];
    const refused = { BUSY: 0, LIMIT_EXCEEDED: 0 };
    const checkJob = async (id: string): Promise<void> => {
      const states: JobState[] = [];
      for await (const { state } of jobs.follow(id))
        if (state !== states.at(-1)) states.push(state);
      assert.match(states.join(' '), ORDER);
      const last = await agent.ended(id);
      assert.ok(isFinished(last));
      assert.equal(states.at(-1), last.state);
      assert.deepEqual(agent.journal.find(id), last);
      assert.notEqual(jobs.current(last.repo)?.id, id);
    };
    const checkOutput = async (id: string): Promise<void> => {
      const output = await jobs.followOutput(id, 0);
      let text = '';
      for await (const chunk of output) {
        text += chunk.text;
        if (random(20) === 0) return; // It leaves.
      }
      const { state, command } = await agent.ended(id);
      if (state === 'SUCCEEDED') assert.ok(text.startsWith(`$ ${COMMANDS[command as 'quick']}\n`));
      if (command === 'slow' && state === 'SUCCEEDED') assert.match(text, /\nslow\nslower\n$/);
    };
    for (let step = 0; step < 250; step++) {
      const kind = random(10);
      if (kind < 6) {
        const command = Object.keys(COMMANDS)[random(4)] ?? '';
        try {
          const request = { repo: REPOS[random(3)] ?? '', command };
          const { id } = agent.submit(request, random(3) === 0 ? 'REJECT' : 'WAIT');
          accepted.push(id);
          checks.push(checkJob(id), checkOutput(id), checkOutput(id));
        } catch (error) {
          if (!(error instanceof AppError && error.code in refused)) throw error;
          refused[error.code as keyof typeof refused] += 1;
        }
      } else if (kind < 8 && accepted.length > 0) {
        jobs.cancel(accepted[accepted.length - 1 - random(Math.min(4, accepted.length))] ?? '');
      } else {
        await delay(random(15));
      }
    }
    await Promise.all(checks);
    for (const repo of REPOS) assert.equal(jobs.isBusy(repo), false);
    await delay(0);
    await busy.return?.();
    await watching;
    for (const [repo, seen] of changes) {
      assert.ok(seen.length > 2, `${repo} was busy`);
      assert.deepEqual(
        seen,
        seen.map((_, index) => index % 2 === 1),
        `${repo} was free, busy, free, ...`,
      );
      assert.equal(seen.at(-1), false);
    }
    assert.equal(
      waiters.reduce((sum, count) => sum + count(), 0),
      0,
    );
    const listed = jobs.list({ limit: 1000 });
    assert.deepEqual(
      listed.map(({ id }) => id),
      accepted.toReversed(),
    );
    t.diagnostic(
      `${accepted.length} jobs: ${JSON.stringify(
        Object.groupBy(listed, ({ state }) => state),
        countOf,
      )}, refused: ${JSON.stringify(refused)}`,
    );
    await until(() => processesOf(agent.mark).length === 0, 'the daemons are gone');
  },
);

function countOf(_key: string, value: unknown): unknown {
  return Array.isArray(value) ? value.length : value;
}
