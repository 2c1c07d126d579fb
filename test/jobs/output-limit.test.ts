import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, statSync } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { createOutputLogs, type OutputChunk, type OutputLog } from '../../src/jobs/output-log.ts';
import { createFixture } from '../support/git-fixture.ts';
import { numberedLines } from './fixture/numbered-lines.ts';
import { createRandom } from './support.ts';

/** More than is kept in memory, whose readers see more than there is on the disk. */
const LIMIT = 1024 * 1024;
/** Of the last bytes at least so many are kept, however the files fall. */
const TAIL = (LIMIT / 16) * 7;

/** Reads from `offset` to what is there, checks each chunk, and gives the stretches that are left out. */
async function checkFrom(log: OutputLog, offset = 0): Promise<{ from: number; to: number }[]> {
  const gaps: { from: number; to: number }[] = [];
  let at = offset;
  for (;;) {
    const chunk = await log.read(at);
    if (chunk === null) break;
    assert.equal(chunk.offset, at);
    if (chunk.leftOut === undefined) {
      assert.ok(bytesOf(chunk).equals(numberedLines(at, chunk.end)), `wrong bytes at ${at}`);
    } else {
      assert.equal(chunk.leftOut, chunk.end - at);
      assert.equal(chunk.text, `\n[gitagent: ${chunk.leftOut} bytes left out]\n`);
      gaps.push({ from: at, to: chunk.end });
    }
    at = chunk.end;
  }
  assert.equal(at, log.size);
  return gaps;
}

function bytesOf({ text, raw }: OutputChunk): Buffer {
  return raw ?? Buffer.from(text);
}

function bytesOnDisk(folder: string): number {
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' });
  return names
    .map((name) => statSync(join(folder, name)))
    .reduce((sum, entry) => sum + (entry.isFile() ? entry.size : 0), 0);
}

test('an output within the limit is whole, to its last byte', async () => {
  await using fixture = await createFixture();
  const logs = createOutputLogs(fixture.path('state'), 50_000, LIMIT);
  const log = logs.create('job');
  for (let at = 0; at < LIMIT; at += 10_000) {
    await log.append(numberedLines(at, Math.min(LIMIT, at + 10_000)));
  }
  await log.end();
  for (const each of [log, await logs.open('job')]) {
    assert.deepEqual(await checkFrom(each), []);
    assert.deepEqual([each.size, each.keptBytes], [LIMIT, LIMIT]);
  }
});

test('of a longer one the beginning and the end are kept, and a line stands for the middle', async () => {
  await using fixture = await createFixture();
  const random = createRandom(7);
  const logs = createOutputLogs(fixture.path('state'), 50_000, LIMIT);
  const log = logs.create('job');
  const folder = fixture.path('state', 'outputs');
  for (let at = 0; at < 4 * LIMIT;) {
    const next = at + 1 + random(100_000);
    await log.append(numberedLines(at, next));
    at = next;
    assert.ok(bytesOnDisk(folder) <= LIMIT);
    assert.equal(log.keptBytes, bytesOnDisk(folder));
    // What was just printed is always there.
    assert.deepEqual(await checkFrom(log, Math.max(0, at - 50_000)), []);
  }
  const [gap, ...others] = await checkFrom(log);
  assert.ok(gap !== undefined && others.length === 0);
  assert.equal(gap.from, LIMIT / 2);
  assert.ok(log.size - gap.to >= TAIL);
  // A cursor from before still means the same place.
  const inside = await log.read(gap.from + 1000);
  assert.equal(inside?.leftOut, gap.to - gap.from - 1000);
  assert.equal((await log.read(gap.to - 1))?.leftOut, 1);
  assert.equal((await log.read(gap.to))?.leftOut, undefined);
  await log.end();
  const reopened = await logs.open('job');
  assert.equal(reopened.size, log.size);
  assert.deepEqual(await checkFrom(reopened), [gap]);
});

test('a reader that keeps up sees all of it, one that sleeps sees how much it missed', async () => {
  await using fixture = await createFixture();
  const log = createOutputLogs(fixture.path('state'), 50_000, LIMIT).create('job');
  let awake = 0;
  let asleep = 0;
  let missed = 0;
  for (let at = 0; at < 5 * LIMIT; at += 10_000) {
    await log.append(numberedLines(at, at + 10_000));
    for (let chunk = await log.read(awake); chunk !== null; chunk = await log.read(awake)) {
      assert.ok(bytesOf(chunk).equals(numberedLines(awake, chunk.end)));
      awake = chunk.end;
    }
    if (at % 1_000_000 !== 0) continue;
    for (const { from, to } of await checkFrom(log, asleep)) missed += to - from;
    asleep = log.size;
  }
  assert.equal(awake, log.size);
  assert.ok(missed > 0);
  await log.end();
});

test('characters at both sides of the cut are given as the bytes that are left of them', async () => {
  await using fixture = await createFixture();
  const logs = createOutputLogs(fixture.path('state'), 1000, 160);
  const log = logs.create('job');
  // 3 bytes each: neither 80, where the beginning ends, nor 10, a part of the end, is a multiple.
  const all = Buffer.from('€'.repeat(1000));
  for (let at = 0; at < all.length; at += 100) await log.append(all.subarray(at, at + 100));
  await log.end();
  const reopened = await logs.open('job');
  for (let at = 0; ;) {
    const chunk = await reopened.read(at);
    if (chunk === null) break;
    if (chunk.leftOut === undefined) assert.deepEqual(bytesOf(chunk), all.subarray(at, chunk.end));
    at = chunk.end;
  }
});

test('an output that is removed while it is read ends with a line that says so', async () => {
  await using fixture = await createFixture();
  const logs = createOutputLogs(fixture.path('state'), 1000, LIMIT);
  const log = logs.create('job');
  await log.append(numberedLines(0, 400_000));
  await log.end();
  const reader = await logs.open('job');
  assert.equal((await reader.read(0))?.end, 1000);
  await logs.remove('job');
  assert.deepEqual(await checkFrom(reader, 1000), [{ from: 1000, to: 400_000 }]);
  assert.deepEqual(readdirSync(fixture.path('state', 'outputs')), []);
  assert.equal((await logs.open('job')).size, 0);
  await logs.remove('job');
});

test('all that lie on the disk are listed once, with what they take', async () => {
  await using fixture = await createFixture();
  const logs = createOutputLogs(fixture.path('state'), 1000, LIMIT);
  const list = async () => {
    const found = await Array.fromAsync(logs.list());
    return Object.fromEntries(found.map(({ jobId, bytes }) => [jobId, bytes]));
  };
  assert.deepEqual(await list(), {});
  const sizes = { small: 10, long: LIMIT, longer: 3 * LIMIT };
  for (const [job, size] of Object.entries(sizes)) {
    const log = logs.create(job);
    await log.append(numberedLines(0, size));
    await log.end();
  }
  const listed = await list();
  assert.ok((listed['longer'] ?? 0) <= LIMIT && (listed['longer'] ?? 0) > LIMIT / 2 + TAIL - 1);
  assert.deepEqual(listed, { ...sizes, longer: listed['longer'] });
  // What a crash in the middle of a removal leaves.
  await rm(fixture.path('state', 'outputs', 'small.log'));
  await rename(fixture.path('state', 'outputs', 'longer.log'), fixture.path('elsewhere'));
  assert.deepEqual(await list(), { long: LIMIT, longer: (listed['longer'] ?? 0) - LIMIT / 2 });
});

test('after a crash at any moment all that was said to be written is there, but for the middle', async () => {
  await using fixture = await createFixture();
  const random = createRandom(8);
  const program = new URL('fixture/write-past-limit.ts', import.meta.url).pathname;
  let cut = 0;
  for (let round = 0; round < 8; round++) {
    const stateDir = fixture.path(`state-${round}`);
    const child = spawn(process.execPath, [program, stateDir, String(LIMIT), String(round)], {
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const exited = once(child, 'exit');
    const goal = random(3 * LIMIT);
    let written = 0;
    for await (const line of createInterface(child.stdout)) {
      written = Number(line);
      // What it printed before it was killed still comes.
      if (written >= goal) child.kill('SIGKILL');
    }
    await exited;
    const log = await createOutputLogs(stateDir, 50_000, LIMIT).open('job');
    assert.ok(log.size >= written, `${log.size} bytes of ${written} in round ${round}`);
    assert.ok(bytesOnDisk(join(stateDir, 'outputs')) <= LIMIT);
    const gaps = await checkFrom(log);
    cut += gaps.length;
    assert.ok(gaps.length <= 1);
    for (const { from, to } of gaps) {
      assert.equal(from, LIMIT / 2);
      // One file of the end may have gone for a new one that is not there yet.
      assert.ok(log.size - to >= TAIL - LIMIT / 16, `only ${log.size - to} bytes in ${round}`);
    }
  }
  assert.ok(cut > 2, `only ${cut} outputs were longer than the limit`);
});
