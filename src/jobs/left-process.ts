import { setTimeout as delay } from 'node:timers/promises';
import { CHILD_MARK } from '../git/child-tracker.ts';
import { endGroup } from '../git/process-group.ts';
import {
  listProcesses,
  readBootId,
  readVariable,
  type ProcessEntry,
} from '../git/process-table.ts';
import type { ChildNote } from './job-note.ts';

export interface LeftProcesses {
  /** What was ended, as in `group 4711 (sh, sleep)`. */
  readonly ended: readonly string[];
  /** What is still there, and why. */
  readonly kept: readonly string[];
}

/** Who does not go after a KILL hangs in the kernel; nobody can wait for that. */
const AFTER_KILL_MS = 5000;

/**
 * Ends the process groups that a dead agent's job has left running: TERM, then KILL. A group is the job's
 * when its leader has the pid and the start time that were noted, in this boot; when its leader is gone,
 * by the mark in the environment of what is left in it. Of a child whose pid nobody had time to note, all
 * that carries its mark is ended. A process that left its group, as a daemon does, is not.
 * @returns nothing where there is no /proc to look in
 */
export async function endLeftProcesses(
  notes: readonly ChildNote[],
  killMs: number,
): Promise<LeftProcesses> {
  const bootId = readBootId();
  const current = notes.filter((note) => bootId !== null && note.bootId === bootId);
  const processes = current.length === 0 ? null : await listProcesses();
  if (processes === null) return { ended: [], kept: [] };
  const alive = processes.filter(({ state }) => state !== 'Z' && state !== 'X');
  const marks = new Map(
    await Promise.all(
      alive.map(async ({ pid }) => [pid, await readVariable(pid, CHILD_MARK)] as const),
    ),
  );
  const own = ownLine(processes);
  const ended: string[] = [];
  const kept: string[] = [];
  const groups = new Set(current.flatMap((note) => findGroups(note, alive, marks)));
  await Promise.all(
    Array.from(groups, async (group) => {
      const members = alive.filter((each) => each.group === group);
      const label = `group ${group} (${members.map(({ name }) => name).join(', ')})`;
      if (members.some(({ pid }) => own.has(pid))) {
        kept.push(`${label}: this agent was started from there`);
        return;
      }
      const patience = new AbortController();
      const isGone = await Promise.race([
        endGroup(group, killMs).then(() => true),
        delay(killMs + AFTER_KILL_MS, false, { signal: patience.signal }).catch(() => false),
      ]);
      patience.abort();
      if (isGone) ended.push(label);
      else kept.push(`${label}: it cannot be ended`);
    }),
  );
  return { ended, kept };
}

function findGroups(
  { pid, startTime, mark }: ChildNote,
  alive: readonly ProcessEntry[],
  marks: ReadonlyMap<number, string | null>,
): number[] {
  if (pid === null) {
    // It was started a moment before the end. What only inherited the mark may be in anybody's group.
    return alive
      .filter((each) => each.pid === each.group && marks.get(each.pid) === mark)
      .map(({ group }) => group);
  }
  const leader = alive.find((each) => each.pid === pid);
  // A pid is not given away while a group is called by it: who is there instead of the leader came after all of them.
  if (leader !== undefined) return leader.startTime === startTime ? [pid] : [];
  const isOurs = alive.some(({ pid: each, group }) => group === pid && marks.get(each) === mark);
  return isOurs ? [pid] : [];
}

/** This process and those it comes from: a command may have restarted the agent that ran it. */
function ownLine(processes: readonly ProcessEntry[]): Set<number> {
  const parents = new Map(processes.map(({ pid, parent }) => [pid, parent]));
  const line = new Set<number>();
  for (let pid: number | undefined = process.pid; pid !== undefined && pid > 0;) {
    if (line.has(pid)) break;
    line.add(pid);
    pid = parents.get(pid);
  }
  return line;
}
