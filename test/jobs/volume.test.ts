import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { z } from 'zod';

const Outcome = z.object({
  state: z.string(),
  printed: z.number(),
  readers: z.array(z.number()),
  late: z.number(),
  seconds: z.number(),
  grownMegabytes: z.number(),
});

test('100 MiB of output reach every subscriber, and the memory grows by less than 50 MB', async (t) => {
  const program = new URL('fixture/print-much.ts', import.meta.url).pathname;
  const { stdout } = await promisify(execFile)(process.execPath, [program]);
  const { seconds, grownMegabytes, ...bytes } = Outcome.parse(JSON.parse(stdout));
  const all = 100 * 1024 * 1024;
  t.diagnostic(`${Math.round(all / 1e6 / seconds)} MB/s, ${grownMegabytes} MB more`);
  assert.deepEqual(bytes, {
    state: 'SUCCEEDED',
    printed: all,
    readers: [all, all, all],
    late: all,
  });
  assert.ok(grownMegabytes < 50, `the memory grew by ${grownMegabytes} MB`);
});
