import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { open, readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { jobDocument, runDocument, watchOutputDocument } from '../../src/client/documents.ts';
import { readProc } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { openEvents, openSocket, query } from '../support/graphql-client.ts';
import { createScene, type Scene } from './scene.ts';

const BYTES = 100 * 1024 * 1024;
const LIMIT_MB = 50;

/** Writes 100 MB of numbered lines, no two parts alike, where many a chunk would end inside a character. */
async function writeFlood(path: string): Promise<void> {
  const file = await open(path, 'w');
  // 7 digits and 40 characters of 3 bytes each, and the newline: 128 bytes.
  const rest = ` ${'…'.repeat(39)}..\n`;
  for (let line = 0; line < BYTES / 128; line += 1024) {
    const lines = Array.from({ length: 1024 }, (_, n) => String(line + n).padStart(7, '0') + rest);
    await file.write(lines.join(''));
  }
  await file.close();
}

interface Received {
  readonly bytes: number;
  readonly digest: string;
  readonly chunks: number;
}

type Events = AsyncIterator<{ output: { text: string; offset: number } }>;

/** Takes events, every one of which must begin where the one before ended. */
function createReader(events: Events) {
  const hash = createHash('sha256');
  let bytes = 0;
  let chunks = 0;
  const readOne = async (): Promise<boolean> => {
    const event = await events.next();
    if (event.done === true) return false;
    const { offset, text } = event.value.output;
    assert.equal(offset, bytes);
    bytes += Buffer.byteLength(text);
    hash.update(text);
    chunks += 1;
    return true;
  };
  return {
    readOne,
    async readAll(): Promise<Received> {
      while (await readOne());
      return { bytes, chunks, digest: hash.digest('hex') };
    },
  };
}

/** Memory in MB. */
function rss(pid: number): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readProc(`/proc/${pid}/status`))?.[1]) / 1024;
}

/** Looks at the agent's memory every few milliseconds until it is stopped. */
function watchMemory(pid: number): { stop(): number } {
  const before = rss(pid);
  let peak = before;
  const timer = setInterval(() => (peak = Math.max(peak, rss(pid))), 10);
  return {
    stop() {
      clearInterval(timer);
      return peak - before;
    },
  };
}

test('100 MB of output cost the agent little, whether its readers read, stop reading or come late', async (t) => {
  await using scene = await createScene({
    commands: { flood: 'cat "$GATES/flood"', warm: 'seq 1000' },
  });
  await writeFlood(scene.fixture.path('flood'));
  const bySocket = async (job: string) => {
    const socket = openSocket(scene.url);
    await socket.connected();
    return { socket, reader: createReader(socket.subscribe(watchOutputDocument, { job })) };
  };
  const byEvents = (job: string) =>
    createReader(openEvents(scene.url, watchOutputDocument, { job }));
  // All the code has run once, so that what grows is what the output costs.
  for (let round = 0; round < 3; round++) {
    const job = await run(scene, 'warm');
    const { socket, reader } = await bySocket(job);
    await Promise.all([reader.readAll(), byEvents(job).readAll()]);
    await socket[Symbol.asyncDispose]();
  }
  const measure = async <T>(what: string, work: () => Promise<T>): Promise<T> => {
    const memory = watchMemory(scene.agent.pid);
    const start = performance.now();
    const result = await work();
    const ms = Math.round(performance.now() - start);
    const grown = memory.stop();
    t.diagnostic(`${what}: ${grown.toFixed(1)} MB more at most, ${ms} ms`);
    assert.ok(grown < LIMIT_MB, `${what}: the agent grew by ${grown} MB`);
    return result;
  };

  // First nobody reads: two readers stop after their first chunk, and the job ends all the same.
  const job = await run(scene, 'flood');
  const output = `${scene.agent.stateDir}/outputs/${job}.log`;
  const stopped = await bySocket(job);
  const stoppedEvents = byEvents(job);
  await measure('two readers that stop', async () => {
    await Promise.all([stopped.reader.readOne(), stoppedEvents.readOne()]);
    (await stopped.socket.connected()).pause();
    await until(() => isOver(scene, job), 'the job ends');
  });
  const log = await readFile(output);
  assert.ok(log.includes(await readFile(scene.fixture.path('flood'))), 'the output is complete');
  const whole = { bytes: log.length, digest: createHash('sha256').update(log).digest('hex') };

  const live = await measure('two readers that read while it is printed', async () => {
    const again = await run(scene, 'flood');
    const { socket, reader } = await bySocket(again);
    const read = await Promise.all([reader.readAll(), byEvents(again).readAll()]);
    await socket[Symbol.asyncDispose]();
    return read;
  });
  for (const each of live) assert.partialDeepStrictEqual(each, whole);

  const late = await measure('two readers that come late', async () => {
    const { socket, reader } = await bySocket(job);
    const read = await Promise.all([reader.readAll(), byEvents(job).readAll()]);
    await socket[Symbol.asyncDispose]();
    return read;
  });
  for (const each of late) assert.partialDeepStrictEqual(each, whole);

  const resumed = await measure('the two that had stopped go on', async () => {
    (await stopped.socket.connected()).resume();
    return await Promise.all([stopped.reader.readAll(), stoppedEvents.readAll()]);
  });
  for (const each of resumed) assert.partialDeepStrictEqual(each, whole);
  await stopped.socket[Symbol.asyncDispose]();
});

async function run(scene: Scene, command: string): Promise<string> {
  return (await query(scene.url, runDocument, { input: { repo: 'site', command } })).run.job.key;
}

async function isOver(scene: Scene, job: string): Promise<boolean> {
  return (await query(scene.url, jobDocument, { id: job })).job?.state === 'SUCCEEDED';
}
