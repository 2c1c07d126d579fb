/** What the tests of `src/jobs` share: made-up jobs, and looks at real processes. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import type { Wake } from '../../src/jobs/follow.ts';
import type { Job, JobRequest } from '../../src/jobs/job.ts';

/** What a test waits for, at most. */
const DEADLINE_MS = 15_000;

export const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' };

export function deadline(): AbortSignal {
  return AbortSignal.timeout(DEADLINE_MS);
}

/** For what another process does, which nothing tells us of. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  const end = performance.now() + DEADLINE_MS;
  while (!condition()) {
    assert.ok(performance.now() < end, `waited too long until ${what}`);
    await delay(5);
  }
}

/** Runs nothing: what a request says at least. */
export const REQUEST: JobRequest = {
  repo: '',
  kind: 'RUN',
  caller: 'ada',
  trigger: 'test',
  branch: null,
  hash: null,
  strategy: null,
  command: null,
};

/** A row of the journal. */
export function aJob(facts: Partial<Job> = {}): Omit<Job, 'sequence'> {
  return {
    ...REQUEST,
    repo: 'repo',
    id: randomUUID(),
    state: 'QUEUED',
    before: null,
    after: null,
    exitCode: null,
    signal: null,
    error: null,
    progress: null,
    queuedAt: 1_800_000_000_000,
    startedAt: null,
    finishedAt: null,
    ...facts,
  };
}

/** A shell line that goes on once `touch` has made the file `name` in the fixture's folder. */
export function gate(name: string): string {
  return `while [ ! -e "$DIR/${name}" ]; do sleep 0.01; done`;
}

/** The living processes whose environment says `GITAGENT_MARK=mark`, however they left their group. Linux only. */
export function processesOf(mark: string): number[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readProc(`/proc/${pid}/environ`).includes(`GITAGENT_MARK=${mark}`))
    .map(Number);
}

/** Ends what a test left running. */
export function endProcesses(mark: string): void {
  for (const pid of processesOf(mark)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended by itself.
    }
  }
}

function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return ''; // It has ended, or is not ours.
  }
}

/** How many files, pipes and sockets this process has open. Linux only. */
export function openHandles(): number {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
}

/** Tells how many wait for a `Wake`. */
export function countWaiters(wake: Wake): () => number {
  const once = wake.once.bind(wake);
  const waiting = new Set<symbol>();
  wake.once = (waiter) => {
    const token = Symbol('waiter');
    waiting.add(token);
    const leave = once(() => {
      waiting.delete(token);
      waiter();
    });
    return () => {
      waiting.delete(token);
      leave();
    };
  };
  return () => waiting.size;
}

/** Numbers that look random and are the same each time: mulberry32. Gives whole ones below `limit`. */
export function createRandom(seed: number): (limit: number) => number {
  let state = seed;
  return (limit) => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) % limit;
  };
}
