import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { OutputChunk, OutputLog } from '../../src/jobs/output-log.ts';
import { startAgent, type Agent } from './agent.ts';
import { countWaiters, gate, onLinux, openHandles } from './support.ts';

const STEPS = `echo one; ${gate('two')}; echo two; ${gate('three')}; printf three`;
const PRINTED = `$ ${STEPS}\none\ntwo\nthree`;

async function open(agent: Agent, name: string): Promise<void> {
  await writeFile(agent.fixture.path(name), '');
}

async function readAll(chunks: AsyncIterable<OutputChunk>): Promise<string> {
  let text = '';
  for await (const chunk of chunks) text += chunk.text;
  return text;
}

/** An agent with one repository, and the number of those who wait for more of each job's output. */
async function startCounting(commands: Readonly<Record<string, string>>) {
  const waiters: (() => number)[] = [];
  const agent = await startAgent({
    repos: { repo: { commands } },
    wrapOutputs: (outputs) => ({
      ...outputs,
      create(jobId): OutputLog {
        const log = outputs.create(jobId);
        waiters.push(countWaiters(log.changed));
        return log;
      },
    }),
  });
  const waiting = (): number => waiters.reduce((sum, count) => sum + count(), 0);
  return {
    agent,
    waiting,
    [Symbol.asyncDispose]: async () => {
      await agent[Symbol.asyncDispose]();
    },
  };
}

test('followers get what was printed, then what is, then the end, whenever they come', async () => {
  await using counting = await startCounting({ steps: STEPS });
  const { agent, waiting } = counting;
  const { id } = agent.submit({ command: 'steps' });
  const { jobs } = agent;
  const follow = async (offset = 0): Promise<string> =>
    await readAll(await jobs.followOutput(id, offset));
  const early = [follow(), follow()];
  await agent.printed(id, 'one\n');
  const later = [follow(), follow(PRINTED.lastIndexOf('one'))];
  await open(agent, 'two');
  await agent.printed(id, 'two\n');
  await open(agent, 'three');
  await agent.ended(id);
  const late = [follow(), follow(PRINTED.lastIndexOf('three'))];
  assert.deepEqual(await Promise.all([...early, ...later, ...late]), [
    PRINTED,
    PRINTED,
    PRINTED,
    PRINTED.slice(PRINTED.lastIndexOf('one')),
    PRINTED,
    'three',
  ]);
  assert.equal(await follow(PRINTED.length), '');
  assert.equal(await follow(PRINTED.length + 1000), '');
  assert.equal(waiting(), 0);
});

test('chunks are in order, each beginning where the last ended', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { seq: 'seq 100000' } } } });
  const { id } = agent.submit({ command: 'seq' });
  const read = async (): Promise<string> => {
    let position = 0;
    let text = '';
    for await (const chunk of await agent.jobs.followOutput(id, 0)) {
      assert.equal(chunk.offset, position);
      assert.ok(chunk.end > chunk.offset);
      position = chunk.end;
      text += chunk.text;
    }
    return text;
  };
  const numbers = Array.from({ length: 100_000 }, (_, index) => `${index + 1}\n`).join('');
  for (const text of await Promise.all([read(), read(), read(), read()])) {
    assert.ok(text === `$ seq 100000\n${numbers}`);
  }
});

test('a follower that starts behind the end gets what comes there, and no more', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { steps: STEPS } } } });
  const { id } = agent.submit({ command: 'steps' });
  const following = readAll(await agent.jobs.followOutput(id, PRINTED.lastIndexOf('three') + 2));
  await open(agent, 'two');
  await open(agent, 'three');
  assert.equal(await following, 'ree');
});

test('a follower of a job that waits gets its output once it runs', async () => {
  await using agent = await startAgent({
    repos: { repo: { commands: { steps: STEPS, quick: 'echo quick' } } },
  });
  agent.submit({ command: 'steps' });
  const { id } = agent.submit({ command: 'quick' }, 'WAIT');
  const following = readAll(await agent.jobs.followOutput(id, 0));
  await open(agent, 'two');
  await open(agent, 'three');
  assert.equal(await following, '$ echo quick\nquick\n');
});

test('a follower that stops reading holds nothing up, and gets the rest when it goes on', async () => {
  await using counting = await startCounting({ seq: 'seq 200000' });
  const { agent, waiting } = counting;
  const { id } = agent.submit({ command: 'seq' });
  const stalled = await agent.jobs.followOutput(id, 0);
  const first = await stalled.next();
  assert.equal(first.done, false);
  await agent.ended(id);
  assert.equal(waiting(), 0);
  const rest = await readAll(stalled);
  const { size } = await agent.jobs.openOutput(id);
  assert.equal(Buffer.byteLength(first.value.text + rest), size);
});

test('a follower that leaves while it waits is gone at once', onLinux, async () => {
  await using counting = await startCounting({ steps: STEPS });
  const { agent, waiting } = counting;
  const { id } = agent.submit({ command: 'steps' });
  await agent.printed(id, 'one\n');
  const before = openHandles();
  const followers = await Promise.all(
    Array.from({ length: 100 }, async () => {
      const output = await agent.jobs.followOutput(id, PRINTED.lastIndexOf('two'));
      const pending = output.next();
      return { output, pending };
    }),
  );
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(waiting(), 100);
  for (const [index, { output }] of followers.entries()) {
    void output.return?.();
    assert.equal(waiting(), 99 - index);
  }
  for (const { pending } of followers) {
    assert.deepEqual(await pending, { done: true, value: undefined });
  }
  assert.equal(openHandles(), before);
});

test('followers of jobs and of busy repositories end with what they follow, or when they leave', async () => {
  await using agent = await startAgent({ repos: { repo: { commands: { steps: STEPS } } } });
  const { id } = agent.submit({ command: 'steps' });
  const job = agent.jobs.follow(id);
  const busy = agent.jobs.followBusy(['repo']);
  await job.next();
  await busy.next();
  const pending = [job.next(), busy.next()];
  await Promise.all([job.return?.(), busy.return?.()]);
  for (const result of await Promise.all(pending)) {
    assert.deepEqual(result, { done: true, value: undefined });
  }
});

test('bytes that are not UTF-8 and colours come through a job as they were printed', async () => {
  const line = String.raw`printf '\033[32mok\033[0m \377\376 \303\251\303'`;
  await using agent = await startAgent({ repos: { repo: { commands: { line } } } });
  const { id } = agent.submit({ command: 'line' });
  const parts: Buffer[] = [];
  for await (const { text, raw } of await agent.jobs.followOutput(id, 0)) {
    parts.push(raw ?? Buffer.from(text));
  }
  const printed = Buffer.from('\u001b[32mok\u001b[0m \u00ff\u00fe \u00c3\u00a9\u00c3', 'latin1');
  assert.deepEqual(Buffer.concat(parts), Buffer.concat([Buffer.from(`$ ${line}\n`), printed]));
});
