import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { GitCommandError } from './git-command-error.ts';
import { endGroup } from './process-group.ts';
import { redactUrls } from './redact.ts';

/** A git child that writes where it was told to. */
export interface GitWriter {
  readonly pid: number;
  readonly stdin: Writable;
  /** Resolves once git has ended, and all that it started too if it was made to. Never rejects. */
  readonly ended: Promise<GitOutcome>;
}

/** A git child whose input and output are streams. Who started it reads `stdout` to its end. */
export interface GitProcess extends GitWriter {
  readonly stdout: Readable;
}

/** How a git child ended. */
export interface GitOutcome {
  /** null when a signal ended it. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last 64 KiB at most, without credentials. */
  readonly stderr: string;
}

export interface SpawnSettings {
  readonly cwd: string;
  readonly env: Readonly<Record<string, string>>;
  /** Ends the whole process group. */
  readonly signal: AbortSignal;
  /** How long an aborted child gets to end by itself, its input closed, before it is told to. */
  readonly graceMs: number;
}

const MAX_STDERR_BYTES = 64 * 1024;
/** What an aborted child has to put its temporary files away. */
const KILL_MS = 2_000;
/** How long the rest of stderr is waited for after the end: a hook's daemon may hold it open for ever. */
const STDERR_DRAIN_MS = 50;

/**
 * Starts git in a process group of its own.
 * @throws GitCommandError when it cannot be started, or the signal is aborted already
 */
export async function spawnGit(
  program: string,
  args: readonly string[],
  settings: SpawnSettings,
): Promise<GitProcess> {
  const child = await start(program, args, settings, 'pipe');
  const { stdout } = child;
  if (stdout === null) throw new Error('a child with a pipe has a stdout');
  return { ...watch(child, settings), stdout };
}

/**
 * Starts git with a connection as its standard output: what it prints goes there without passing through
 * this process. git copes with a connection that does not block (its `xwrite` waits for room).
 * @throws GitCommandError as `spawnGit`
 */
export async function spawnGitInto(
  socket: Socket,
  program: string,
  args: readonly string[],
  settings: SpawnSettings,
): Promise<GitWriter> {
  return watch(await start(program, args, settings, socket), settings);
}

async function start(
  program: string,
  args: readonly string[],
  settings: SpawnSettings,
  stdout: 'pipe' | Socket,
): Promise<ChildProcess> {
  if (settings.signal.aborted) throw notStarted(args, '', true);
  const child = spawn(program, args, {
    cwd: settings.cwd,
    env: settings.env,
    detached: true,
    stdio: ['pipe', stdout, 'pipe'],
  });
  try {
    await once(child, 'spawn');
    return child;
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error);
    throw notStarted(args, `it cannot be started in ${settings.cwd}: ${reason}`, false, error);
  }
}

function watch(child: ChildProcess, settings: SpawnSettings): GitWriter {
  const { pid, stdin, stderr } = child;
  if (pid === undefined || stdin === null || stderr === null) {
    throw new Error('a child that was started has a pid, and the pipes that were asked for');
  }
  // EPIPE: git did not want all of it. What it thinks of it, its exit code says.
  stdin.on('error', () => undefined);
  return { pid, stdin, ended: end({ child, pid, stdin, stderr }, settings) };
}

async function end(
  { child, pid, ...pipes }: { child: ChildProcess; pid: number; stdin: Writable; stderr: Readable },
  { signal, graceMs }: SpawnSettings,
): Promise<GitOutcome> {
  const stderr = readTail(pipes.stderr);
  const exited = new Promise<Omit<GitOutcome, 'stderr'>>((resolve) => {
    child.once('exit', (exitCode, by) => {
      resolve({ exitCode, signal: by });
    });
  });
  let ending: Promise<void> | undefined;
  const onAbort = (): void => {
    ending = (async () => {
      pipes.stdin.destroy();
      const patience = new AbortController();
      if (graceMs > 0) {
        await Promise.race([
          exited,
          delay(graceMs, undefined, { signal: patience.signal }).catch(() => undefined),
        ]);
        patience.abort();
      }
      // A group that its leader left behind is not ours to end: a hook may have started a service.
      if (child.exitCode === null && child.signalCode === null) await endGroup(pid, KILL_MS);
    })();
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  const outcome = await exited;
  signal.removeEventListener('abort', onAbort);
  await ending;
  return { ...outcome, stderr: await stderr.end() };
}

/** Keeps the end of a stream; `end` gives it when the stream ends, or soon. */
function readTail(stream: Readable): { end(): Promise<string> } {
  let tail: Buffer = Buffer.alloc(0);
  stream.on('data', (bytes: Buffer) => {
    tail = Buffer.concat([tail, bytes]).subarray(-MAX_STDERR_BYTES);
  });
  stream.on('error', () => undefined);
  const closed = new Promise<void>((resolve) => {
    stream.once('close', resolve);
  });
  return {
    async end() {
      const patience = new AbortController();
      await Promise.race([
        closed,
        delay(STDERR_DRAIN_MS, undefined, { signal: patience.signal }).catch(() => undefined),
      ]);
      patience.abort();
      stream.destroy();
      return redactUrls(tail.toString('utf8'));
    },
  };
}

function notStarted(
  args: readonly string[],
  stderr: string,
  isCanceled: boolean,
  cause?: unknown,
): GitCommandError {
  const facts = { exitCode: null, signal: null, timedOut: false, isTruncated: false };
  return new GitCommandError({ args, stderr, isCanceled, ...facts }, { cause });
}
