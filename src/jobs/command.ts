import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { groupIsAlive, signalGroup } from '../git/process-group.ts';

/** A configured command, ready to start. */
export interface CommandOrder {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Aborting it ends the whole process group. */
  readonly signal: AbortSignal;
  /** Seconds after which the whole process group is ended. */
  readonly timeoutSeconds?: number;
  /** Seconds between TERM and KILL. */
  readonly killSeconds: number;
  /** Takes what the command prints; the command is read no faster than this resolves. */
  readonly write: (bytes: Buffer) => Promise<void>;
}

export interface CommandResult {
  /** null when a signal ended it. 127: not found, as the shell has it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
}

/**
 * Both streams in one pipe, so that their order is the one the command printed them in. The script is
 * constant; the command comes as its arguments.
 */
const MERGE_STREAMS = ['-c', 'exec "$@" 2>&1', 'gitagent'] as const;

/** How long a pipe that a daemon keeps open must be silent until the command's own output is all read. */
const QUIET_MS = 100;

/**
 * Runs a command in a process group of its own. It ends when the command ends, not when the last
 * process that it left behind closes the pipe; what that one prints later is read and dropped, so that
 * it does not die of a broken pipe. When it is aborted or takes too long, the group gets TERM, then
 * KILL, and this resolves once no process of it is left.
 * @throws what `write` throws; the group is ended then too
 */
export async function runCommand(order: CommandOrder): Promise<CommandResult> {
  order.signal.throwIfAborted();
  const child = spawn('/bin/sh', [...MERGE_STREAMS, ...order.argv], {
    cwd: order.cwd,
    env: order.env,
    detached: true,
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const exited = new Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }>(
    (resolve, reject) => {
      child.once('error', reject);
      child.once('exit', (exitCode, signal) => {
        resolve({ exitCode, signal });
      });
    },
  );
  let timedOut = false;
  let ending: Promise<void> | undefined;
  const end = (): void => {
    if (child.pid !== undefined) ending ??= endGroup(child.pid, order.killSeconds);
  };
  const timer =
    order.timeoutSeconds === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          end();
        }, order.timeoutSeconds * 1000);
  order.signal.addEventListener('abort', end);
  try {
    const output = pump(child.stdout, order.write);
    output.failed.catch(end); // Nobody could see what it does: then it must not go on.
    const outcome = await exited;
    clearTimeout(timer);
    await ending;
    await output.drain();
    return { ...outcome, timedOut };
  } finally {
    clearTimeout(timer);
    order.signal.removeEventListener('abort', end);
  }
}

interface Pump {
  /** Rejects when what was printed could not be written. */
  readonly failed: Promise<never>;
  /** Resolves when all that was printed so far is written; what comes later is dropped. */
  drain(): Promise<void>;
}

/** Writes what a stream gives, one chunk at a time: the next is read when the last has been written. */
function pump(stream: Readable, write: (bytes: Buffer) => Promise<void>): Pump {
  let isWriting = false;
  let lastChunkAt = 0;
  const failed = Promise.withResolvers<never>();
  failed.promise.catch(() => undefined);
  const ended = new Promise<void>((resolve) => {
    stream.once('end', resolve);
  });
  const onData = (bytes: Buffer): void => {
    isWriting = true;
    stream.pause();
    write(bytes).then(() => {
      isWriting = false;
      lastChunkAt = Date.now();
      stream.resume();
    }, failed.reject);
  };
  stream.on('data', onData);
  return {
    failed: failed.promise,
    async drain() {
      lastChunkAt = Date.now();
      let hasEnded = false;
      void ended.then(() => (hasEnded = true));
      const written = async (): Promise<void> => {
        while (isWriting || !(hasEnded || Date.now() - lastChunkAt >= QUIET_MS)) {
          await Promise.race([delay(QUIET_MS / 4), isWriting ? NEVER : ended]);
        }
      };
      await Promise.race([written(), failed.promise]);
      stream.off('data', onData);
      stream.resume();
      if (stream instanceof Socket) stream.unref();
    },
  };
}

const NEVER = new Promise<never>(() => undefined);

/** Ends a process group: TERM, and KILL for what is left after `killSeconds`. Resolves once it is gone. */
async function endGroup(leaderPid: number, killSeconds: number): Promise<void> {
  const killAt = Date.now() + killSeconds * 1000;
  signalGroup(leaderPid, 'SIGTERM');
  while (groupIsAlive(leaderPid)) {
    if (Date.now() >= killAt) signalGroup(leaderPid, 'SIGKILL');
    await delay(20);
  }
}
