import { AsyncLocalStorage } from 'node:async_hooks';
import type { Socket } from 'node:net';
import pLimit from 'p-limit';
import type { SimpleGit } from 'simple-git';
import { markOf, type ChildTracker } from './child-tracker.ts';
import { configVariables, gitEnvironment, type GitConfig, type GitIntent } from './environment.ts';
import { collect, READ_TIMEOUT_MS } from './git-collect.ts';
import { operate } from './git-operate.ts';
import {
  spawnGit,
  spawnGitInto,
  type GitProcess,
  type GitWriter,
  type SpawnSettings,
} from './git-process.ts';
import { scanGit } from './git-scan.ts';
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
  readonly stdin?: Buffer | undefined;
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
        const { signal, stdin } = options;
        const settings = { cwd: repository.path, env, signal, stdin };
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
