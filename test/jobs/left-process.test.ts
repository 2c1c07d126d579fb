import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { test, type TestContext } from 'node:test';
import { CHILD_MARK } from '../../src/git/child-tracker.ts';
import { readBootId, readStartTime } from '../../src/git/process-table.ts';
import type { ChildNote } from '../../src/jobs/job-note.ts';
import { endLeftProcesses } from '../../src/jobs/left-process.ts';
import { onLinux, until } from './support.ts';

/** A group of two; its leader ends when `leader` says so. */
async function startGroup(
  t: TestContext,
  mark: string,
  script = 'sleep 60 & echo ready; wait',
): Promise<ChildProcess & { pid: number }> {
  const child = spawn('/bin/sh', ['-c', script], {
    detached: true,
    env: { [CHILD_MARK]: mark, PATH: process.env['PATH'] ?? '' },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const { pid } = child;
  assert.ok(pid !== undefined);
  t.after(() => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  });
  await once(child.stdout, 'data');
  return Object.assign(child, { pid });
}

function noteOf(child: { readonly pid: number }, more: Partial<ChildNote> = {}): ChildNote {
  const startTime = readStartTime(child.pid);
  return {
    mark: 'm',
    job: 'j',
    pid: child.pid,
    startTime,
    bootId: readBootId(),
    startedAt: 1,
    ...more,
  };
}

function isAlive(pid: number): boolean {
  try {
    process.kill(-pid, 0);
    return true;
  } catch {
    return false;
  }
}

test('a group whose leader has the noted pid and start time is ended', onLinux, async (t) => {
  const child = await startGroup(t, 'other mark');
  const { pid } = child;
  const second = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  // It is a copy of the shell for a moment.
  await until(() => readFileSync(`/proc/${second}/comm`, 'utf8') === 'sleep\n', 'it sleeps');
  const { ended, kept } = await endLeftProcesses([noteOf(child)], 1000);
  assert.match(ended.join(), new RegExp(`^group ${child.pid} \\(.*sleep.*\\)$`));
  assert.deepEqual(kept, []);
  await until(() => !isAlive(child.pid), 'it is gone');
});

test(
  'a pid that was given to somebody else is not signalled, nor one of another boot',
  onLinux,
  async (t) => {
    const child = await startGroup(t, 'm');
    const notes = [noteOf(child, { startTime: '1' }), noteOf(child, { bootId: 'another' })];
    assert.deepEqual(await endLeftProcesses(notes, 1000), { ended: [], kept: [] });
    assert.ok(isAlive(child.pid));
  },
);

test(
  'a group whose leader is gone is known by the mark of what is left in it',
  onLinux,
  async (t) => {
    const marked = await startGroup(t, 'm', 'sleep 60 & echo ready');
    const foreign = await startGroup(t, 'x', 'sleep 60 & echo ready');
    const notes = [marked, foreign].map((child) => noteOf(child, { startTime: '1' }));
    await until(
      () => marked.exitCode !== null && foreign.exitCode !== null,
      'the leaders are gone',
    );
    const { ended } = await endLeftProcesses(notes, 1000);
    assert.equal(ended.length, 1);
    assert.ok(isAlive(foreign.pid));
  },
);

test('a child whose pid nobody had time to note is found by its mark', onLinux, async (t) => {
  const child = await startGroup(t, 'm');
  const other = await startGroup(t, 'x');
  const { ended } = await endLeftProcesses([noteOf(child, { pid: null, startTime: null })], 1000);
  assert.equal(ended.length, 1);
  await until(() => !isAlive(child.pid), 'it is gone');
  assert.ok(isAlive(other.pid));
});
