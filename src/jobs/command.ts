import { spawn } from 'node:child_process';
import { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { setImmediate as afterPolling, setTimeout as delay } from 'node:timers/promises';
import { CHILD_MARK, type TrackedChild } from '../git/child-tracker.ts';
import { endGroup } from '../git/process-group.ts';

/** A configured command, ready to start. */
export interface CommandOrder {
  readonly argv: readonly [string, ...string[]];
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Aborting it ends the whole process group. */
  readonly signal: AbortSignal;
  /** Seconds after which the whole process group is ended. */
  readonly timeoutSeconds?: number;
  /** Seconds without any output after which it is ended too. */
  readonly idleSeconds?: number;
  /** Seconds between TERM and KILL. */
  readonly killSeconds: number;
  /** Told when the command has been started, and when it has ended. */
  readonly tracked?: TrackedChild;
  /** Takes what the command prints; the command is read no faster than this resolves. */
  readonly write: (bytes: Buffer) => Promise<void>;
}

export interface CommandResult {
  /** null when a signal ended it. 127: not found, as the shell has it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly timedOut: boolean;
  /** It was not the whole time that was too long, but the time without output. */
  readonly wasSilent: boolean;
}

/**
 * Both streams in one pipe, so that their order is the one the command printed them in. The script is
 * constant; the command comes as its arguments.
 */
const MERGE_STREAMS = ['-c', 'exec "$@" 2>&1', 'gitagent'] as const;

/** How often a pipe that something keeps open is looked at once the command has ended. */
const ROUND_MS = 25;
/** After so many silent rounds what the command and its children printed is all read. */
const QUIET_ROUNDS = 4;
/** Who still prints after so many rounds is a daemon. */
const MAX_ROUNDS = 40;

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
    env:
      order.tracked === undefined ? order.env : { ...order.env, [CHILD_MARK]: order.tracked.mark },
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
  const { pid } = child;
  // The system would not start it: `error` says why, and there may be no stdout at all.
  if (pid === undefined) return { ...(await exited), timedOut: false, wasSilent: false };
  order.tracked?.started(pid);
  let timedOut = false;
  let wasSilent = false;
  let ending: Promise<void> | undefined;
  const end = (): void => {
    ending ??= endGroup(pid, order.killSeconds * 1000);
  };
  const timer =
    order.timeoutSeconds === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          end();
        }, order.timeoutSeconds * 1000);
  let isWriting = false;
  const silence =
    order.idleSeconds === undefined ? undefined : setTimeout(onSilence, order.idleSeconds * 1000);
  function onSilence(): void {
    // Who may not print, because its output is not written yet, is not silent.
    if (isWriting) {
      silence?.refresh();
      return;
    }
    wasSilent = !timedOut;
    timedOut = true;
    end();
  }
  order.signal.addEventListener('abort', end);
  try {
    // What nobody could see must not go on.
    const write = async (bytes: Buffer): Promise<void> => {
      isWriting = true;
      await order.write(bytes).finally(() => (isWriting = false));
      if (child.exitCode === null && child.signalCode === null) silence?.refresh();
    };
    const output = pump(child.stdout, write, end);
    const outcome = await exited;
    clearTimeout(timer);
    clearTimeout(silence);
    await ending;
    await output.drain();
    await ending; // It may have been aborted only now.
    return { ...outcome, timedOut, wasSilent };
  } finally {
    clearTimeout(timer);
    clearTimeout(silence);
    order.tracked?.ended();
    order.signal.removeEventListener('abort', end);
  }
}

/** Writes what a stream gives, one chunk at a time: the next is read when the last has been written. */
function pump(
  stream: Readable,
  write: (bytes: Buffer) => Promise<void>,
  onFailed: () => void,
): {
  /**
   * To be called when the command has ended. Resolves when all that it printed is written; what others
   * print later is read and dropped. @throws what `write` threw
   */
  drain(): Promise<void>;
} {
  let isWriting = false;
  let isDropping = false;
  let hasEnded = false;
  /** Whether anything happened since the last round began. */
  let isActive = false;
  let failure: { readonly error: unknown } | undefined;

  const writeAll = async (): Promise<void> => {
    // Not `on('data')` and `pause()`: when the command ends, Node resumes what is paused.
    for await (const bytes of stream as AsyncIterable<Buffer>) {
      isActive = true;
      if (isDropping) continue;
      isWriting = true;
      await write(bytes).catch((error: unknown) => {
        failure = { error };
        isDropping = true;
        onFailed();
      });
      isActive = true;
      isWriting = false;
    }
  };
  const ended = writeAll()
    .catch(() => undefined) // A pipe that cannot be read has ended.
    .then(() => (hasEnded = true));

  return {
    async drain() {
      // Counted, not timed: each round has polled the pipe once, however long this process was kept
      // from running. All that the command printed was in the pipe when it ended.
      let rounds = 0;
      let quiet = 0;
      while (isWriting || !(hasEnded || quiet === QUIET_ROUNDS || rounds === MAX_ROUNDS)) {
        isActive = false;
        await Promise.race([delay(ROUND_MS), ended]);
        await afterPolling();
        if (isWriting) continue;
        quiet = isActive ? 0 : quiet + 1;
        rounds += 1;
      }
      isDropping = true;
      if (stream instanceof Socket) stream.unref();
      if (failure !== undefined) throw failure.error;
    },
  };
}
