import type { ChildProcess } from 'node:child_process';
import { AsyncLocalStorage } from 'node:async_hooks';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { setTimeout as delay } from 'node:timers/promises';
import { listProcesses, readVariable, type ProcessEntry } from './process-table.ts';

/** Signals a whole process group; a group that is gone already is not an error. */
export function signalGroup(leaderPid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(-leaderPid, signal);
  } catch (error) {
    if (!isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM')) throw error;
  }
}

/** Whether any process of the group is still there (a zombie counts until its parent has reaped it). */
export function groupIsAlive(leaderPid: number): boolean {
  try {
    process.kill(-leaderPid, 0);
    return true;
  } catch (error) {
    // macOS says EPERM for a group that holds nothing but zombies.
    return !isErrno(error, 'ESRCH') && !isErrno(error, 'EPERM');
  }
}

/**
 * Ends a process group: TERM, and KILL for what is left after `killMs`. Resolves once it is gone, so
 * that nothing of it writes to a repository that somebody else may change from then on.
 */
export async function endGroup(leaderPid: number, killMs: number): Promise<void> {
  const killAt = performance.now() + killMs;
  signalGroup(leaderPid, 'SIGTERM');
  for (let look = 1; groupIsAlive(leaderPid); look++) {
    if (look % LOOKS_PER_ZOMBIE_HUNT === 0 && (await hasOnlyZombies(leaderPid))) return;
    if (performance.now() >= killAt) signalGroup(leaderPid, 'SIGKILL');
    await delay(20);
  }
}

/** Reading all of /proc is dear, and groups mostly end at once. */
const LOOKS_PER_ZOMBIE_HUNT = 10;

/**
 * Whether all that is left of a group is dead and only waits to be reaped. Nobody may ever do that: in
 * a container the orphans' new parent is process 1, often the agent itself, which knows nothing of them.
 */
async function hasOnlyZombies(leaderPid: number): Promise<boolean> {
  const members = await listGroup(leaderPid);
  return members !== null && members.every(({ state }) => state === 'Z' || state === 'X');
}

/** The processes of a group; null where there is no /proc to look in. */
async function listGroup(leaderPid: number): Promise<ProcessEntry[] | null> {
  const all = await listProcesses();
  return all?.filter(({ group }) => group === leaderPid) ?? null;
}

/** What a variable is in the environments of a group's processes, as they were started (Linux; elsewhere nothing). */
export async function readGroupVariable(leaderPid: number, name: string): Promise<Set<string>> {
  const values = new Set<string>();
  for (const { pid } of (await listGroup(leaderPid)) ?? []) {
    const value = await readVariable(pid, name);
    if (value !== null) values.add(value);
  }
  return values;
}

/** Told of each child before it is started, with the options it is about to be started with. */
const SPAWN = 'tracing:child_process.spawn:start';

/**
 * Runs an action and makes every child that it starts the leader of a process group of its own, for a
 * library that spawns without `detached`: so that a Ctrl-C in the agent's terminal does not reach them,
 * and that ending one ends what it started too.
 * @param onChild told of each child before it has a pid
 */
export async function withGroups<T>(
  action: () => Promise<T>,
  onChild: (child: ChildProcess) => void,
): Promise<T> {
  // The channel tells of the whole process's children; this finds ours among them.
  const ours = new AsyncLocalStorage<true>();
  const onSpawn = (message: unknown): void => {
    if (ours.getStore() !== true) return;
    const { process: child, options } = message as {
      process: ChildProcess;
      options: { detached?: boolean };
    };
    options.detached = true;
    onChild(child);
  };
  subscribe(SPAWN, onSpawn);
  try {
    return await ours.run(true, action);
  } finally {
    unsubscribe(SPAWN, onSpawn);
  }
}

function isErrno(error: unknown, code: string): boolean {
  return error instanceof Error && 'code' in error && error.code === code;
}
