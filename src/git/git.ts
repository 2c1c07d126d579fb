import { AsyncLocalStorage } from 'node:async_hooks';
import { spawn, type ChildProcess } from 'node:child_process';
import type { Socket } from 'node:net';
import pLimit from 'p-limit';
import { GitError, simpleGit, type SimpleGit } from 'simple-git';
import { CHILD_MARK, type ChildTracker, type TrackedChild } from './child-tracker.ts';
import { configVariables, gitEnvironment, type GitConfig, type GitIntent } from './environment.ts';
import { GitCommandError, type GitCommandFacts } from './git-command-error.ts';
import {
  spawnGit,
  spawnGitInto,
  type GitProcess,
  type GitWriter,
  type SpawnSettings,
} from './git-process.ts';
import { scanGit } from './git-scan.ts';
import { endGroup, signalGroup, withGroups } from './process-group.ts';
import { redactUrls } from './redact.ts';
import { findProgram } from './program.ts';
import type { Repository } from './repository.ts';

export interface GitResult {
  readonly stdout: Buffer;
  /** 0 where what it printed was cut off. */
  readonly exitCode: number;
  /** More came out than `maxBytes`, and was cut off. */
  readonly isTruncated: boolean;
}

export interface RunOptions {
  readonly intent: Exclude<GitIntent, 'operate'>;
  readonly signal: AbortSignal;
  /** Exit codes that are answers rather than failures. Default: 0. */
  readonly exitCodes?: readonly number[];
  /** Most bytes of stdout to hold; more is a failure. Default: 64 MiB. */
  readonly maxBytes?: number;
  /** Default: 2 minutes. */
  readonly timeoutMs?: number;
  /** What is more than `maxBytes` is cut off instead: git is ended, and the result says so. */
  readonly cutsOff?: boolean;
  /**
   * Takes stdout piece by piece, so that it is not held. At false git is ended, and that is no failure:
   * the caller has enough.
   */
  readonly onStdout?: (bytes: Buffer) => boolean;
  readonly stdin?: Buffer;
  /** On top of the intent's own, at command scope. Never from a request. */
  readonly config?: GitConfig;
  /** Another index file than the repository's own, for rehearsals. */
  readonly indexFile?: string;
}

export interface OperateOptions {
  readonly signal: AbortSignal;
  /** What git prints, as it prints it. */
  readonly onOutput: (bytes: Buffer) => void;
  readonly sshCommand?: string;
  /**
   * Milliseconds that git has to end by itself when the signal is aborted, before it is told to.
   * Default: none. For what would leave a half-changed working tree.
   */
  readonly patienceMs?: number;
  /** Milliseconds after which git is ended. Default: none. */
  readonly timeoutMs?: number;
  /** Milliseconds without any output after which git is ended. Default: none. */
  readonly idleMs?: number;
}

export interface ScanOptions {
  readonly intent: 'read' | 'status';
  readonly signal: AbortSignal;
}

export interface SpawnOptions {
  readonly intent: GitIntent;
  /** Ends git and all that it started. */
  readonly signal: AbortSignal;
  /** On top of the intent's own, at command scope. Never from a request. */
  readonly config?: GitConfig;
  /** On top of the intent's own. */
  readonly env?: Readonly<Record<string, string>>;
  /** How long an aborted child gets to end by itself, its input closed, before it is told to. Default: 0. */
  readonly graceMs?: number;
}

/** The one door through which every git child is started. */
export interface Git {
  /**
   * Runs a command that changes nothing in the working copy and collects what it prints. At most
   * `maxChildren` run at once, the others wait.
   * @throws GitCommandError
   */
  run(repository: Repository, args: readonly string[], options: RunOptions): Promise<GitResult>;
  /**
   * Runs a command that changes nothing and hands what it prints to `read`, piece by piece and no faster
   * than that takes it. When `read` is done git is ended if it has not, so that a walk goes only as far as
   * it is needed. Counts among the `maxChildren` of `run`.
   * @throws GitCommandError when git fails before `read` is done; what `read` throws
   */
  scan<T>(
    repository: Repository,
    args: readonly string[],
    options: ScanOptions,
    read: (output: AsyncIterable<Buffer>) => Promise<T>,
  ): Promise<T>;
  /**
   * Changes a working copy through simple-git, or talks to its remote. Not limited, for jobs have a
   * queue. Each call gets an instance of its own: one is a serial chain that is dead after its first
   * failure or abort.
   * @throws GitCommandError
   */
  operate<T>(
    repository: Repository,
    options: OperateOptions,
    action: (git: SimpleGit) => Promise<T>,
  ): Promise<T>;
  /**
   * Starts a command whose input and output are streams, in the git directory. Not limited.
   * @throws GitCommandError when it cannot be started; how it ended is told, not thrown
   */
  spawn(
    repository: Repository,
    args: readonly string[],
    options: SpawnOptions,
  ): Promise<GitProcess>;
  /**
   * The same, with a connection as standard output: what git prints goes there without passing through
   * this process.
   * @throws GitCommandError as `spawn`
   */
  spawnInto(
    socket: Socket,
    repository: Repository,
    args: readonly string[],
    options: SpawnOptions,
  ): Promise<GitWriter>;
  /** Tells the tracker of every child that the action starts, in whichever of these ways. */
  track<T>(tracker: ChildTracker, action: () => Promise<T>): Promise<T>;
  /** Whether git's children find a program of this name. */
  hasProgram(name: string): boolean;
}

const MAX_STDOUT_BYTES = 64 * 1024 * 1024;
const MAX_STDERR_BYTES = 64 * 1024;
/** A read that takes longer hangs on a dead file system. */
const READ_TIMEOUT_MS = 120_000;
/** What a cancelled operation has to put its lock files away. */
const KILL_MS = 5_000;

/**
 * @param deps.host the environment that the allow list of `gitEnvironment` picks from
 * @param deps.maxChildren how many children `run` may have at once
 */
export function createGit(deps: {
  readonly host: Readonly<Record<string, string | undefined>>;
  readonly maxChildren: number;
}): Git {
  const limit = pLimit(deps.maxChildren);
  const trackers = new AsyncLocalStorage<ChildTracker>();
  let found: string | undefined;
  const program = (): string => (found ??= findProgram('git', deps.host['PATH']));
  async function tracked<T extends GitWriter>(
    start: (mark: Readonly<Record<string, string>>) => Promise<T>,
  ): Promise<T> {
    const child = trackers.getStore()?.begin();
    try {
      const started = await start(markOf(child));
      child?.started(started.pid);
      void started.ended.then(() => child?.ended());
      return started;
    } catch (error) {
      child?.ended();
      throw error;
    }
  }
  return {
    run: async (repository, args, options) => {
      const tracker = trackers.getStore();
      return await limit(async () => {
        const env = gitEnvironment(deps.host, repository, options.intent);
        if (options.indexFile !== undefined) env['GIT_INDEX_FILE'] = options.indexFile;
        Object.assign(env, configVariables(options.config ?? [], Number(env['GIT_CONFIG_COUNT'])));
        return await collect(program(), repository, args, env, options, tracker);
      });
    },
    scan: async (repository, args, options, read) =>
      await limit(async () => {
        const env = gitEnvironment(deps.host, repository, options.intent);
        const settings = { cwd: repository.path, env, signal: options.signal };
        return await scanGit(program(), args, { ...settings, timeoutMs: READ_TIMEOUT_MS }, read);
      }),
    operate: async (repository, options, action) =>
      await operate(
        repository,
        gitEnvironment(deps.host, repository, 'operate', options.sshCommand),
        options,
        action,
        trackers.getStore(),
      ),
    spawn: async (repository, args, options) =>
      await tracked(
        async (mark) =>
          await spawnGit(program(), args, spawnSettings(deps.host, repository, options, mark)),
      ),
    spawnInto: async (socket, repository, args, options) =>
      await tracked(
        async (mark) =>
          await spawnGitInto(
            socket,
            program(),
            args,
            spawnSettings(deps.host, repository, options, mark),
          ),
      ),
    track: async (tracker, action) => await trackers.run(tracker, action),
    hasProgram: (name) => findProgram(name, deps.host['PATH']) !== name,
  };
}

function spawnSettings(
  host: Readonly<Record<string, string | undefined>>,
  repository: Repository,
  options: SpawnOptions,
  mark: Readonly<Record<string, string>>,
): SpawnSettings {
  const env = gitEnvironment(host, repository, options.intent);
  const more = configVariables(options.config ?? [], Number(env['GIT_CONFIG_COUNT']));
  return {
    cwd: repository.gitDir,
    env: { ...env, ...options.env, ...more, ...mark },
    signal: options.signal,
    graceMs: options.graceMs ?? 0,
  };
}

function markOf(child: TrackedChild | undefined): Record<string, string> {
  return child === undefined ? {} : { [CHILD_MARK]: child.mark };
}

async function operate<T>(
  repository: Repository,
  env: Record<string, string>,
  options: OperateOptions,
  action: (git: SimpleGit) => Promise<T>,
  tracker: ChildTracker | undefined,
): Promise<T> {
  const { signal } = options;
  if (signal.aborted) throw failed([], { isCanceled: true });
  const tracked = tracker?.begin();
  Object.assign(env, markOf(tracked));
  let args: readonly string[] = [];
  let child: ChildProcess | undefined;
  let tail: Buffer = Buffer.alloc(0);
  let failure: GitCommandError | undefined;
  let patience: NodeJS.Timeout | undefined;
  let ending: Promise<void> | undefined;
  const end = (): void => {
    // A group that its leader left behind is not ours to end: a hook may have started a service.
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    ending ??= endGroup(child.pid, KILL_MS);
  };
  // Not left to simple-git, which would interrupt git at once and leave alone what git has started.
  const onAbort = (): void => {
    patience = setTimeout(end, options.patienceMs ?? 0);
  };
  signal.addEventListener('abort', onAbort);
  let hasEnded = false;
  let late: 'timedOut' | 'wasSilent' | undefined;
  const endLate = (why: 'timedOut' | 'wasSilent'): void => {
    late ??= why;
    end();
  };
  const timeout = startTimer(options.timeoutMs, endLate, 'timedOut');
  const silence = startTimer(options.idleMs, endLate, 'wasSilent');
  const onOutput = (bytes: Buffer): void => {
    if (!hasEnded) silence?.refresh();
    options.onOutput(bytes);
  };
  try {
    const instance = simpleGit({
      baseDir: repository.path,
      // simple-git drops what it thinks dangerous, such as every GIT_*. This environment is our own
      // allow list, and no part of it comes from a request.
      allowEnvironment: Object.keys(env),
      unsafe: {
        allowUnsafeConfigEnvCount: true,
        allowUnsafeFsMonitor: true,
        allowUnsafeSshCommand: true,
        allowUnsafeAskPass: true,
        allowUnsafeEditor: true,
        // It forbids them by a variable that hooks and the git commands in them would obey too.
        allowAbbreviatedOptions: true,
      },
      // Its own rule is "a non-zero exit that also wrote to stderr"; git's is the exit code alone.
      errors: (error, { exitCode, stdErr }) => {
        if (exitCode === 0) return error;
        // What simple-git itself has to say is that there is no git.
        const stderr = Buffer.concat([...stdErr, tail]).toString('utf8');
        const facts = { exitCode, stderr, isCanceled: signal.aborted, ...lateness(late) };
        failure = failed(args, { ...facts, signal: child?.signalCode ?? null });
        return failure;
      },
    });
    instance.env(env).outputHandler((_command, stdout, stderr, spawned) => {
      args = spawned;
      // Left open it would be waited on for ever by a hook that reads it.
      child?.stdin?.on('error', () => undefined).end();
      // simple-git would hold all that a server cares to say; no result of ours is read from there.
      stdout.removeAllListeners('data').on('data', onOutput);
      stderr.removeAllListeners('data').on('data', onOutput);
      stderr.on('data', (bytes: Buffer) => {
        tail = Buffer.concat([tail, bytes]).subarray(-MAX_STDERR_BYTES);
      });
    });
    return await withGroups(
      async () => await action(instance),
      (started) => {
        child = started;
        started.once('spawn', () => {
          if (started.pid !== undefined) tracked?.started(started.pid);
        });
      },
    );
  } catch (error) {
    // simple-git keeps no more than the text of an error it did not make itself.
    if (failure !== undefined) throw failure;
    if (!(error instanceof GitError)) throw error;
    // No child ran: the folder is gone.
    throw failed(args, { stderr: error.message, isCanceled: signal.aborted }, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    hasEnded = true;
    for (const timer of [patience, timeout, silence]) clearTimeout(timer);
    await ending;
    tracked?.ended();
  }
}

function startTimer<T>(ms: number | undefined, onEnd: (why: T) => void, why: T) {
  return ms === undefined ? undefined : setTimeout(onEnd, ms, why);
}

function lateness(late: 'timedOut' | 'wasSilent' | undefined): Partial<GitCommandFacts> {
  return late === undefined ? {} : { timedOut: true, wasSilent: late === 'wasSilent' };
}

function failed(
  args: readonly string[],
  facts: Partial<GitCommandFacts>,
  cause?: unknown,
): GitCommandError {
  const none = { exitCode: null, signal: null, stderr: '' };
  const flags = { timedOut: false, isCanceled: false, isTruncated: false };
  const stderr = redactUrls(facts.stderr ?? '');
  return new GitCommandError({ args, ...none, ...flags, ...facts, stderr }, { cause });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

async function collect(
  program: string,
  repository: Repository,
  args: readonly string[],
  env: Record<string, string>,
  options: RunOptions,
  tracker: ChildTracker | undefined,
): Promise<GitResult> {
  if (options.signal.aborted) throw failed(args, { isCanceled: true });
  const tracked = tracker?.begin();
  const child = spawn(program, args, {
    cwd: repository.path,
    env: { ...env, ...markOf(tracked) },
    // A group of its own: ending it ends what git started too (pack-objects, filters).
    detached: true,
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) tracked?.started(child.pid);
  let timedOut = false;
  let isTruncated = false;
  let isEnough = false;
  const end = (): void => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, options.timeoutMs ?? READ_TIMEOUT_MS);
  options.signal.addEventListener('abort', end);
  try {
    child.stdin?.on('error', () => undefined); // EPIPE: git stopped reading, its exit code says why.
    child.stdin?.end(options.stdin);
    const [stdout, stderr, outcome] = await Promise.all([
      options.onStdout === undefined
        ? collectBytes(child.stdout, options.maxBytes ?? MAX_STDOUT_BYTES, () => {
            isTruncated = true;
            end();
          })
        : handOut(child.stdout, options.onStdout, () => {
            isEnough = true;
            end();
          }),
      collectTail(child.stderr),
      outcomeOf(child),
    ]);
    const { exitCode, signal } = outcome;
    if (isTruncated && options.cutsOff === true) return { stdout, exitCode: 0, isTruncated };
    if (exitCode !== null && (options.exitCodes ?? [0]).includes(exitCode) && !isTruncated) {
      return { stdout, exitCode, isTruncated };
    }
    if (isEnough && !options.signal.aborted && !timedOut) {
      return { stdout, exitCode: 0, isTruncated };
    }
    const isCanceled = options.signal.aborted;
    throw failed(args, { exitCode, signal, stderr, timedOut, isCanceled, isTruncated });
  } catch (error) {
    if (child.pid !== undefined) throw error;
    const stderr = `it cannot be started in ${repository.path}: ${messageOf(error)}`;
    throw failed(args, { stderr }, error);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', end);
    tracked?.ended();
  }
}

async function outcomeOf(
  child: ChildProcess,
): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> {
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => {
      resolve({ exitCode, signal });
    });
  });
}

async function collectBytes(
  stream: NodeJS.ReadableStream | null,
  maxBytes: number,
  onExcess: () => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    size += bytes.length;
    chunks.push(bytes);
    if (size > maxBytes) {
      onExcess();
      return Buffer.concat(chunks, maxBytes);
    }
  }
  return Buffer.concat(chunks, size);
}

async function handOut(
  stream: NodeJS.ReadableStream | null,
  onStdout: (bytes: Buffer) => boolean,
  onEnough: () => void,
): Promise<Buffer> {
  for await (const chunk of stream ?? []) {
    if (onStdout(Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk))) continue;
    onEnough();
    break;
  }
  return Buffer.alloc(0);
}

async function collectTail(stream: NodeJS.ReadableStream | null): Promise<string> {
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of stream ?? []) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    tail = Buffer.concat([tail, bytes]).subarray(-MAX_STDERR_BYTES);
  }
  return tail.toString('utf8');
}
