import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { test } from 'node:test';
import {
  jobDocument,
  pullDocument,
  runDocument,
  watchJobDocument,
  watchOutputDocument,
} from '../../src/client/documents.ts';
import { until } from '../support/deadline.ts';
import { openEvents, openSocket, query } from '../support/graphql-client.ts';
import { createScene, waitAt, type Scene } from './scene.ts';

type OutputArguments = { job?: string; repo?: string; after?: string };

/** Both transports, each reader with a connection of its own. */
const TRANSPORTS = ['graphql-ws', 'server-sent events'] as const;

function watchOutput(scene: Scene, transport: (typeof TRANSPORTS)[number], args: OutputArguments) {
  if (transport === 'server-sent events') return openEvents(scene.url, watchOutputDocument, args);
  const socket = openSocket(scene.url);
  const events = socket.subscribe(watchOutputDocument, args);
  return {
    ...events,
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const result = await events.next();
      if (result.done === true) await socket[Symbol.asyncDispose]();
      return result;
    },
    async return() {
      await events.return?.();
      await socket[Symbol.asyncDispose]();
      return { done: true as const, value: undefined };
    },
  };
}

async function run(scene: Scene, command: string): Promise<string> {
  return (await query(scene.url, runDocument, { input: { repo: 'site', command } })).run.job.key;
}

async function readAll(events: AsyncIterable<{ output: { text: string } }>): Promise<string> {
  let text = '';
  for await (const { output } of events) text += output.text;
  return text;
}

/** Prints a line, waits for the test, prints the rest. */
const TWO_PARTS = `echo first; ${waitAt('gate')}; for n in 1 2 3; do echo "line $n"; done`;
const REST = 'line 1\nline 2\nline 3\n';

for (const transport of TRANSPORTS) {
  test(`over ${transport} readers that came early, later and too late all get the whole output`, async () => {
    await using scene = await createScene({ commands: { talk: TWO_PARTS } });
    // Waits for a job that does not exist yet.
    const next = readAll(watchOutput(scene, transport, { repo: 'site' }));
    const job = await run(scene, 'talk');
    const early = readAll(watchOutput(scene, transport, { job }));
    for await (const { output } of watchOutput(scene, transport, { job })) {
      if (output.text.includes('first')) break;
    }
    const later = readAll(watchOutput(scene, transport, { job }));
    await scene.open('gate');
    const whole = await next;
    const late = await readAll(watchOutput(scene, transport, { job }));
    assert.ok(whole.startsWith('$ ') && whole.endsWith(`\nfirst\n${REST}`), whole);
    assert.deepEqual([await early, await later, late], [whole, whole, whole]);
    // Each ended with the job, not before.
    const { job: ended } = await query(scene.url, jobDocument, { id: job });
    assert.equal(ended?.state, 'SUCCEEDED');
  });

  test(`over ${transport} a reader that is cut again and again goes on behind its cursor`, async () => {
    await using scene = await createScene({
      // Slower than the reader, and with characters of several bytes.
      commands: {
        talk: 'for n in $(seq 40); do printf "%s: žluťoučký 🐎\\n" $n; sleep 0.01; done',
      },
    });
    const job = await run(scene, 'talk');
    let text = '';
    let after: string | undefined;
    let cuts = 0;
    for (let isAtEnd = false; !isAtEnd; cuts++) {
      isAtEnd = true;
      const events = watchOutput(scene, transport, after === undefined ? { job } : { after });
      let left = 3;
      for await (const { output } of events) {
        assert.equal(output.offset, Buffer.byteLength(text));
        text += output.text;
        after = output.cursor;
        isAtEnd = false;
        if (--left === 0) break;
      }
    }
    assert.ok(cuts > 3, `it was cut only ${cuts} times`);
    const lines = Array.from({ length: 40 }, (_, index) => `${index + 1}: žluťoučký 🐎\n`);
    assert.equal(text.replace(/^.*\n/, ''), lines.join(''));
  });

  test(`over ${transport} a client that leaves leaves nothing behind in the agent`, async () => {
    await using scene = await createScene({ commands: { talk: TWO_PARTS } });
    const job = await run(scene, 'talk');
    const others = watchOutput(scene, transport, { job });
    await others.next();
    const before = openSockets(scene.agent.pid);
    for (let round = 0; round < 5; round++) {
      const readers = Array.from({ length: 10 }, () => watchOutput(scene, transport, { job }));
      await Promise.all(readers.map(async (reader) => await reader.next()));
      // Not 10 more: an idle connection that was there before may have been taken.
      assert.ok(openSockets(scene.agent.pid) >= before + 5);
      await Promise.all(readers.map(async (reader) => await reader.return?.()));
    }
    await until(() => openSockets(scene.agent.pid) <= before, 'the sockets are closed');
    await scene.open('gate');
    assert.ok((await readAll(others)).endsWith(REST));
  });
}

/** Sockets and files; those of the test's own idle HTTP connections are among them. */
function openSockets(pid: number): number {
  return readdirSync(`/proc/${pid}/fd`).length;
}

test('the subscription to a job shows its progress, and ends with its final state', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  await scene.commit();
  await using socket = openSocket(scene.url);
  const { pull } = await query(scene.url, pullDocument, {
    input: { repo: 'site', command: 'slow' },
  });
  const seen = [];
  for await (const { job } of socket.subscribe(watchJobDocument, { id: pull.job.id })) {
    seen.push(job);
    if (job.state === 'RUNNING' && job.after !== null) await scene.open('gate');
  }
  const phases = seen.flatMap(({ progress }) => progress ?? []);
  assert.ok(
    phases.some(({ phase }) => /objects|deltas/.test(phase)),
    JSON.stringify(phases),
  );
  assert.ok(phases.every(({ percent }) => percent >= 0 && percent <= 100));
  const last = seen.at(-1);
  assert.deepEqual([last?.state, last?.progress, last?.exitCode], ['SUCCEEDED', null, 0]);
  assert.equal(seen.filter(({ state }) => state === 'SUCCEEDED').length, 1);

  // Who comes later sees the end at once.
  const later = [];
  for await (const { job } of socket.subscribe(watchJobDocument, { id: pull.job.key })) {
    later.push(job.state);
  }
  assert.deepEqual(later, ['SUCCEEDED']);
});

test('the pages of a finished job’s output are the whole output', async () => {
  await using scene = await createScene({
    config: { limits: { output_chunk: 1024 } },
    commands: { talk: 'seq 1000' },
  });
  const job = await run(scene, 'talk');
  const whole = await readAll(openEvents(scene.url, watchOutputDocument, { job }));
  let paged = '';
  let after: string | null = null;
  for (let more = true; more;) {
    const data: OutputPage = await query<OutputPage>(scene.url, OUTPUT_PAGE, { id: job, after });
    const { nodes, pageInfo } = data.job.output;
    paged += nodes.map(({ text }) => text).join('');
    after = pageInfo.endCursor;
    more = pageInfo.hasNextPage;
  }
  assert.equal(paged, whole);
});

interface OutputPage {
  readonly job: {
    readonly output: {
      readonly nodes: readonly { readonly text: string }[];
      readonly pageInfo: { readonly hasNextPage: boolean; readonly endCursor: string | null };
    };
  };
}

const OUTPUT_PAGE = /* OutputPage */ `query ($id: ID!, $after: String) {
  job(id: $id) { output(first: 2, after: $after) { nodes { text } pageInfo { hasNextPage endCursor } } }
}`;
