import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, stat } from 'node:fs/promises';
import { test } from 'node:test';
import { promisify } from 'node:util';
import {
  createOutputLogs,
  type OutputChunk,
  type OutputLog,
  type OutputLogs,
} from '../../src/jobs/output-log.ts';
import { createFixture, type Fixture } from '../support/git-fixture.ts';
import { createRandom, onLinux, openHandles } from './support.ts';

/** What is kept in memory of a log's end. */
const TAIL_BYTES = 256 * 1024;

/** Output logs with chunks of 64 KiB unless said otherwise. */
function logsIn(fixture: Fixture, maxChunkBytes = 65_536): OutputLogs {
  return createOutputLogs(fixture.path('state'), maxChunkBytes);
}

/** Reads from `offset` until nothing more comes, and checks that each chunk begins where the last ended. */
async function readFrom(log: OutputLog, offset = 0): Promise<OutputChunk[]> {
  const chunks: OutputChunk[] = [];
  for (let at = offset; ; at = chunks.at(-1)?.end ?? at) {
    const chunk = await log.read(at);
    if (chunk === null) return chunks;
    assert.equal(chunk.offset, at);
    assert.equal(chunk.end - chunk.offset, bytesOf([chunk]).length);
    chunks.push(chunk);
  }
}

function bytesOf(chunks: readonly OutputChunk[]): Buffer {
  return Buffer.concat(chunks.map(({ text, raw }) => raw ?? Buffer.from(text)));
}

function textOf(chunks: readonly OutputChunk[]): string {
  return chunks.map(({ text }) => text).join('');
}

const CHARACTERS = ['é', '€', '😀', '\u07ff', '\u0800', '\uffff', '\u{10000}', '\u{10ffff}'];

test('a character cut between two writes is given whole, wherever the cut is', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture);
  for (const character of CHARACTERS) {
    const bytes = Buffer.from(`a${character}b`);
    for (let cut = 1; cut < bytes.length; cut++) {
      const log = logs.create(`${character.codePointAt(0)}-${cut}`);
      await log.append(bytes.subarray(0, cut));
      const before = await readFrom(log);
      assert.equal(textOf(before), cut === bytes.length - 1 ? `a${character}` : 'a');
      assert.equal(await log.read(before.at(-1)?.end ?? 0), null);
      await log.append(bytes.subarray(cut));
      const after = await readFrom(log, before.at(-1)?.end);
      assert.equal(textOf([...before, ...after]), `a${character}b`);
      assert.ok([...before, ...after].every(({ raw }) => raw === undefined));
      await log.end();
    }
  }
});

test('a character that arrives byte by byte is given once it is whole', async () => {
  await using fixture = await createFixture();
  const log = logsIn(fixture).create('job');
  for (const byte of Buffer.from('😀').subarray(0, 3)) {
    await log.append(Buffer.from([byte]));
    assert.equal(await log.read(0), null);
  }
  await log.append(Buffer.from('😀').subarray(3));
  assert.deepEqual(await log.read(0), { jobId: 'job', offset: 0, end: 4, text: '😀' });
  await log.end();
});

test('the limit of a chunk never cuts a character', async () => {
  await using fixture = await createFixture();
  const text = `${CHARACTERS.join('x')}${CHARACTERS.toReversed().join('')}plain`;
  for (let limit = 4; limit < 20; limit++) {
    const logs = logsIn(fixture, limit);
    const log = logs.create(`limit-${limit}`);
    await log.append(Buffer.from(text));
    const live = await readFrom(log);
    await log.end();
    for (const chunks of [live, await readFrom(await logs.open(`limit-${limit}`))]) {
      assert.equal(textOf(chunks), text);
      assert.ok(chunks.every(({ offset, end, raw }) => end - offset <= limit && raw === undefined));
    }
  }
});

test('bytes that are not UTF-8 are kept exactly', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture, 64);
  const random = createRandom(2);
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte));
  const noise = Buffer.from(Array.from({ length: 2000 }, () => random(256)));
  const mostlyText = Buffer.from(
    Array.from({ length: 2000 }, () => (random(9) === 0 ? 128 + random(128) : 97)),
  );
  for (const [index, bytes] of [everyByte, noise, mostlyText].entries()) {
    const log = logs.create(`binary-${index}`);
    const live: OutputChunk[] = [];
    for (let at = 0; at < bytes.length; at += 7) {
      await log.append(bytes.subarray(at, at + 7));
      live.push(...(await readFrom(log, live.at(-1)?.end)));
    }
    await log.end();
    live.push(...(await readFrom(log, live.at(-1)?.end)));
    assert.deepEqual(bytesOf(live), bytes);
    assert.deepEqual(bytesOf(await readFrom(await logs.open(`binary-${index}`))), bytes);
  }
});

test('a byte that can begin no character is not held back', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture);
  for (const byte of [0x80, 0xbf, 0xc0, 0xc1, 0xf5, 0xfe, 0xff]) {
    const log = logs.create(`byte-${byte}`);
    const bytes = Buffer.from([0x61, byte]);
    await log.append(bytes);
    assert.deepEqual(await log.read(0), {
      jobId: `byte-${byte}`,
      offset: 0,
      end: 2,
      text: 'a\ufffd',
      raw: bytes,
    });
    await log.end();
  }
});

test('the beginning of a character at the very end is given once the output has ended', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture);
  const log = logs.create('job');
  const bytes = Buffer.from('end😀').subarray(0, 6);
  await log.append(bytes);
  assert.equal(textOf(await readFrom(log)), 'end');
  await log.end();
  assert.deepEqual(await log.read(3), {
    jobId: 'job',
    offset: 3,
    end: 6,
    text: '\ufffd',
    raw: bytes.subarray(3),
  });
  assert.deepEqual(bytesOf(await readFrom(await logs.open('job'))), bytes);
});

test('an offset inside a character gives the rest of its bytes', async () => {
  await using fixture = await createFixture();
  const log = logsIn(fixture).create('job');
  await log.append(Buffer.from('😀!'));
  const chunk = await log.read(2);
  assert.deepEqual(chunk?.raw, Buffer.from('😀!').subarray(2));
  await log.end();
});

test('colours, carriage returns and NULs come out as they went in', async () => {
  await using fixture = await createFixture();
  const log = logsIn(fixture).create('job');
  const text = '\u001b[1;31mred\u001b[0m 10%\r20%\r\n\0\u0007\u001b]0;title\u0007';
  await log.append(Buffer.from(text));
  assert.deepEqual(await log.read(0), {
    jobId: 'job',
    offset: 0,
    end: Buffer.byteLength(text),
    text,
  });
  await log.end();
});

test('behind the end there is nothing, and no error', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture);
  const log = logs.create('job');
  assert.equal(await log.read(0), null);
  assert.equal(await log.read(10), null);
  await log.append(Buffer.from('abc'));
  for (const offset of [3, 4, 1e6, 2 ** 40]) assert.equal(await log.read(offset), null);
  await log.end();
  const reopened = await logs.open('job');
  for (const offset of [3, 4, 1e6, 2 ** 40]) {
    assert.equal(await log.read(offset), null);
    assert.equal(await reopened.read(offset), null);
  }
});

test('an ended output says so and takes no more', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture);
  const log = logs.create('job');
  let wakes = 0;
  log.changed.once(() => (wakes += 1));
  void log.append(Buffer.from('last words'));
  await Promise.all([log.end(), log.end()]);
  assert.equal(wakes, 1);
  assert.ok(log.isEnded);
  await assert.rejects(log.append(Buffer.from('more')), /has ended/);
  assert.equal(textOf(await readFrom(log)), 'last words');
  const reopened = await logs.open('job');
  assert.deepEqual([reopened.size, reopened.isEnded], [10, true]);
  await assert.rejects(reopened.append(Buffer.from('more')), /has ended/);
  await reopened.end();
});

test('an output that was never written, or is not kept, is empty and has ended', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture);
  const silent = logs.create('silent');
  await silent.append(Buffer.alloc(0));
  await silent.end();
  assert.equal(await silent.read(0), null);
  for (const id of ['silent', 'unknown']) {
    const log = await logs.open(id);
    assert.deepEqual([log.size, log.isEnded, await log.read(0)], [0, true, null]);
  }
  await assert.rejects(stat(fixture.path('state', 'outputs')), { code: 'ENOENT' });
});

test('only the user of the agent can read outputs', async () => {
  await using fixture = await createFixture();
  const log = logsIn(fixture).create('job');
  await log.append(Buffer.from('secret'));
  await log.end();
  const { mode: folder } = await stat(fixture.path('state', 'outputs'));
  const { mode: file } = await stat(fixture.path('state', 'outputs', 'job.log'));
  assert.deepEqual([folder & 0o777, file & 0o777], [0o700, 0o600]);
});

test('writes that nobody awaited are kept in order', async () => {
  await using fixture = await createFixture();
  const log = logsIn(fixture).create('job');
  const lines = Array.from({ length: 500 }, (_, index) => `line ${index}\n`);
  await Promise.all(lines.map(async (line) => await log.append(Buffer.from(line))));
  await log.end();
  assert.equal(textOf(await readFrom(log)), lines.join(''));
});

test('memory and file give the same bytes, whatever is read when', async () => {
  await using fixture = await createFixture();
  const random = createRandom(3);
  const all = randomOutput(random, 5 * TAIL_BYTES);
  const log = logsIn(fixture, 40_000).create('job');
  let written = 0;
  while (written < all.length) {
    const size = [1 + random(20), 1 + random(3000), 1 + random(70_000), TAIL_BYTES + random(3)];
    const next = all.subarray(written, written + (size[random(size.length)] ?? 1));
    await log.append(next);
    written += next.length;
    assert.equal(log.size, written);
    const edge = written - TAIL_BYTES;
    const offsets = [0, random(written), written - random(100), edge - 1, edge, edge + 1];
    for (const offset of offsets.filter((each) => each >= 0 && each <= written)) {
      await checkRead(log, all.subarray(0, written), offset);
    }
  }
  await log.end();
  assert.deepEqual(bytesOf(await readFrom(log)), all);
});

test('a write longer than the memory of a log leaves its last bytes there', async () => {
  await using fixture = await createFixture();
  const random = createRandom(4);
  const logs = logsIn(fixture, TAIL_BYTES * 4);
  for (const [index, sizes] of [
    [TAIL_BYTES],
    [TAIL_BYTES, 1],
    [1, TAIL_BYTES],
    [TAIL_BYTES + 1],
    [10, TAIL_BYTES - 10, 5],
    [100, 2 * TAIL_BYTES + 7, TAIL_BYTES - 3],
  ].entries()) {
    const log = logs.create(`sizes-${index}`);
    let all = Buffer.alloc(0);
    for (const size of sizes) {
      const bytes = randomOutput(random, size);
      await log.append(bytes);
      all = Buffer.concat([all, bytes]);
      const inMemory = Math.max(0, all.length - TAIL_BYTES);
      for (const offset of [0, inMemory, inMemory + 1, all.length - 1]) {
        await checkRead(log, all, offset);
      }
    }
    await log.end();
  }
});

/** Reads once, and compares with what was written. */
async function checkRead(log: OutputLog, all: Buffer, offset: number): Promise<void> {
  const chunk = await log.read(offset);
  if (chunk === null) {
    // Nothing, or no more than the beginning of a character.
    assert.ok(all.length - offset < 4, `nothing to read at ${offset} of ${all.length}`);
    return;
  }
  assert.equal(chunk.offset, offset);
  assert.ok(bytesOf([chunk]).equals(all.subarray(offset, chunk.end)), `wrong bytes at ${offset}`);
}

/** Letters, longer characters, and now and then what is no UTF-8. */
function randomOutput(random: (limit: number) => number, size: number): Buffer {
  const parts: Buffer[] = [];
  for (let length = 0; length < size;) {
    const kind = random(20);
    const part =
      kind === 0
        ? Buffer.from([128 + random(128)])
        : kind < 8
          ? Buffer.from(CHARACTERS[random(CHARACTERS.length)] ?? '')
          : Buffer.from(String(random(1e9)).repeat(1 + random(20)));
    parts.push(part);
    length += part.length;
  }
  return Buffer.concat(parts).subarray(0, size);
}

test('many readers at once, early and late, fast and slow, all get everything', async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture, 5000);
  const random = createRandom(5);
  const all = randomOutput(random, 3 * TAIL_BYTES);
  const log = logs.create('job');
  const read = async (pause: () => Promise<void>): Promise<Buffer> => {
    const chunks: OutputChunk[] = [];
    while (true) {
      const { isEnded, size } = log;
      chunks.push(...(await readFrom(log, chunks.at(-1)?.end)));
      if (isEnded) return bytesOf(chunks);
      await pause();
      if (log.size === size && !log.isEnded) {
        await new Promise<void>((resolve) => log.changed.once(resolve));
      }
    }
  };
  const readers = Array.from({ length: 60 }, async (_, index) => {
    return await read(async () => {
      for (let turns = index % 10; turns > 0; turns--) await new Promise(setImmediate);
    });
  });
  for (let at = 0; at < all.length;) {
    const next = all.subarray(at, at + 1 + random(30_000));
    await log.append(next);
    at += next.length;
    if (random(10) === 0) readers.push(read(async () => await Promise.resolve()));
  }
  await log.end();
  readers.push(read(async () => await Promise.resolve()));
  for (const bytes of await Promise.all(readers)) assert.ok(bytes.equals(all));
});

test('no file stays open', onLinux, async () => {
  await using fixture = await createFixture();
  const logs = logsIn(fixture, 1000);
  const before = openHandles();
  const bytes = randomOutput(createRandom(6), 2 * TAIL_BYTES);
  const created = Array.from({ length: 20 }, (_, index) => logs.create(`job-${index}`));
  for (const log of created) await log.append(bytes);
  await Promise.all(created.map(async (log) => await Promise.all([log.read(0), log.read(5000)])));
  assert.equal(openHandles(), before + created.length);
  await Promise.all(created.map(async (log) => await log.end()));
  assert.equal(openHandles(), before);
  const reopened = await Promise.all(
    created.map(async (_, index) => await logs.open(`job-${index}`)),
  );
  await Promise.all(reopened.map(async (log) => await Promise.all([log.read(0), log.read(9)])));
  assert.equal(openHandles(), before);
});

test('what is left of a write that failed half-way is no part of the output', onLinux, async () => {
  await using fixture = await createFixture();
  // The limit on a file's size stops a write in its middle, as a full disk does; only a process of its
  // own can have one.
  const program = new URL('fixture/write-half.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(
    '/bin/sh',
    ['-c', 'ulimit -S -f 32; exec "$@"', 'sh', process.execPath, program, fixture.path('state')],
    { env: { PATH: process.env['PATH'] } },
  );
  const { failures, live, reopened, size } = JSON.parse(stdout) as Record<string, unknown>;
  assert.deepEqual(failures, [null, 'EFBIG', null, 'EFBIG']);
  const kept = 'a'.repeat(10_000) + 'c'.repeat(3000);
  assert.deepEqual({ live, reopened, size }, { live: kept, reopened: kept, size: kept.length });
  assert.equal(await readFile(fixture.path('state', 'outputs', 'job.log'), 'utf8'), kept);
});
