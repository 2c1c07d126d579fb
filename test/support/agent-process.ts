/**
 * The real program as a child of the test: `node src/main.ts run` on a free port, with a state folder
 * and a HOME of its own, and in an environment that would mislead git if any of it got through.
 *
 *     await using agent = await startAgent({ config: { repo: { site: { repo_path: copy } } } });
 *     const response = await fetch(`${agent.url}/repo/site`);
 *
 * Leaving the block ends the agent, and fails the test if it logged a bug of its own or left a process
 * behind.
 */
import assert from 'node:assert/strict';
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { USER_CONFIG } from './git-door.ts';
import { createFixture, GIT_ENVIRONMENT } from './git-fixture.ts';
import { until, within } from './deadline.ts';

const root = join(import.meta.dirname, '../..');

const START_MS = 45_000;

export interface AgentProcessOptions {
  /** What the configuration file says. Running jobs are given no time at the end unless it says so. */
  readonly config: Readonly<Record<string, unknown>>;
  /** Added to the agent's environment; undefined takes a variable away. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Put behind `run -c FILE`. */
  readonly flags?: readonly string[];
  /** Default: in a temporary folder. For a second agent after the first. */
  readonly stateDir?: string;
  /** Default: in a temporary folder, with an identity in `.gitconfig`. */
  readonly home?: string;
  /** The test provokes an "internal error" in the log and looks at it itself. */
  readonly expectsBug?: boolean;
  /** The test kills it, and looks itself at what it left running. */
  readonly isKilled?: boolean;
}

export interface AgentExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

export interface AgentProcess extends AsyncDisposable {
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string;
  readonly pid: number;
  readonly home: string;
  readonly stateDir: string;
  readonly configFile: string;
  /** What it has printed so far. */
  stdout(): string;
  /** Its log so far, a JSON object a line. */
  stderr(): string;
  /** Its log so far, parsed. */
  log(): readonly LogLine[];
  /** How it ended. */
  readonly exited: Promise<AgentExit>;
  signal(signal: NodeJS.Signals): void;
  /** Stops reading what it prints and logs, as when the log's collector dies. */
  hangUp(): void;
  /** SIGTERM, and how it ended then. */
  stop(): Promise<AgentExit>;
  /** SIGKILL to its process group, as when the machine dies. */
  kill(): Promise<AgentExit>;
}

export interface LogLine {
  readonly level: string;
  readonly msg: string;
  readonly [fact: string]: unknown;
}

/** The agent ended, or did not begin, instead of listening. */
export class AgentDidNotStart extends Error {
  override readonly name = 'AgentDidNotStart';
  readonly exit: AgentExit;
  readonly stderr: string;

  constructor(exit: AgentExit, stderr: string) {
    super(`the agent ended with ${exit.signal ?? exit.code} and said:\n${stderr}`);
    this.exit = exit;
    this.stderr = stderr;
  }
}

/** @throws AgentDidNotStart */
export async function startAgent(options: AgentProcessOptions): Promise<AgentProcess> {
  await using folder = new AsyncDisposableStack();
  const fixture = folder.use(await createFixture());
  const home = options.home ?? fixture.path('home');
  const stateDir = options.stateDir ?? fixture.path('state');
  const configFile = fixture.path('config.json');
  const { timeouts, ...rest } = options.config;
  const config = { timeouts: { drain: 0, kill: 1, ...(timeouts as object | undefined) }, ...rest };
  await writeFile(configFile, JSON.stringify(config));
  if (options.home === undefined) await writeHome(home);

  const flags = ['--port', '0', '--state-dir', stateDir, ...(options.flags ?? [])];
  // As package.json's script has it.
  const argv = [
    '--max-semi-space-size=4',
    '--heap-growing-percent=100',
    'src/main.ts',
    'run',
    '-c',
    configFile,
    ...flags,
  ];
  const child = spawn(process.execPath, argv, {
    cwd: root,
    env: {
      ...(await hostileEnvironment(fixture.dir)),
      HOME: home,
      NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile'),
      ...options.env,
    },
    detached: true,
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const { pid } = child;
  assert.ok(pid !== undefined, 'node starts');
  const killGroup = (): void => {
    try {
      process.kill(-pid, 'SIGKILL');
    } catch {
      // It is gone.
    }
  };
  process.once('exit', killGroup);
  const exited = exitOf(child).finally(() => process.off('exit', killGroup));
  const stdout = collect(child.stdout);
  const stderr = collect(child.stderr);

  const address = /listening on (http:\S+)/;
  let hasEnded = false;
  void exited.then(() => (hasEnded = true));
  try {
    // It may have to clear up after one that was killed.
    const what = 'the agent listens';
    await until(() => hasEnded || address.test(stdout()), what, START_MS);
  } catch (error) {
    killGroup();
    throw error;
  }
  const url = address.exec(stdout())?.[1];
  if (url === undefined) throw new AgentDidNotStart(await exited, stderr());

  const stop = async (signal: NodeJS.Signals): Promise<AgentExit> => {
    if (!hasEnded) process.kill(signal === 'SIGKILL' ? -pid : pid, signal);
    return await within(exited, `the agent ends after ${signal}`);
  };
  const cleanUp = folder.move();
  return {
    url,
    pid,
    home,
    stateDir,
    configFile,
    stdout,
    stderr,
    log: () =>
      stderr()
        .split('\n')
        .filter((line) => line.startsWith('{'))
        .map((line) => JSON.parse(line) as LogLine),
    exited,
    signal: (signal) => {
      child.kill(signal);
    },
    hangUp: () => {
      child.stdout.destroy();
      child.stderr.destroy();
    },
    stop: async () => await stop('SIGTERM'),
    kill: async () => await stop('SIGKILL'),
    async [Symbol.asyncDispose]() {
      try {
        await stop(options.isKilled === true ? 'SIGKILL' : 'SIGTERM');
        if (options.isKilled === true) return;
        await until(() => processesOf(home).length === 0, 'all is gone', 1000).catch(
          () => undefined,
        );
        const left = processesOf(home);
        for (const each of left) process.kill(each.pid, 'SIGKILL');
        assert.deepEqual(left, [], 'the agent leaves no process behind');
        const lines = stderr().split('\n');
        const unlogged = lines.filter((line) => line !== '' && !line.startsWith('{'));
        assert.deepEqual(unlogged, [], 'nothing but the log is on standard error');
        if (options.expectsBug !== true) assert.doesNotMatch(stderr(), /internal error/);
      } finally {
        killGroup();
        await cleanUp.disposeAsync();
      }
    },
  };
}

/** Living processes with this HOME: the agent and all it started, however they left its group. Linux only. */
export function processesOf(home: string): { pid: number; command: string }[] {
  if (process.platform !== 'linux') return [];
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name))
    .filter((pid) => readProc(`/proc/${pid}/environ`).split('\0').includes(`HOME=${home}`))
    .map((pid) => ({
      pid: Number(pid),
      command: readProc(`/proc/${pid}/cmdline`).split('\0').join(' ').trim(),
    }));
}

/** What a file below /proc says; empty when the process has ended or is not ours. */
export function readProc(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

async function writeHome(home: string): Promise<void> {
  await mkdir(home, { recursive: true });
  await writeFile(join(home, '.gitconfig'), USER_CONFIG);
}

/** What the agent is started with: a git child that saw any of it would fail, or act elsewhere. */
async function hostileEnvironment(dir: string): Promise<Record<string, string>> {
  const global = join(dir, 'hostile.gitconfig');
  await writeFile(
    global,
    '[url "/nonexistent/"]\n\tinsteadOf = /\n[core]\n\thooksPath = /nonexistent\n[fetch]\n\tprune = nonsense\n',
  );
  return {
    PATH: GIT_ENVIRONMENT['PATH'] ?? '',
    ...(process.env['TMPDIR'] === undefined ? {} : { TMPDIR: process.env['TMPDIR'] }),
    GIT_DIR: '/nonexistent/.git',
    GIT_WORK_TREE: '/nonexistent',
    GIT_INDEX_FILE: '/nonexistent/index',
    GIT_OBJECT_DIRECTORY: '/nonexistent/objects',
    GIT_NAMESPACE: 'nonexistent',
    GIT_CONFIG_GLOBAL: global,
    GIT_CONFIG_PARAMETERS: "'core.bare'='true'",
    GIT_CONFIG_COUNT: 'nonsense',
    GIT_TRACE: join(dir, 'trace'),
    GIT_EXTERNAL_DIFF: '/nonexistent/diff',
    GIT_LITERAL_PATHSPECS: 'nonsense',
    LC_ALL: 'C.UTF-8',
  };
}

async function exitOf(child: ChildProcess): Promise<AgentExit> {
  // `close`: what it printed last is there too.
  const [code, signal] = (await once(child, 'close')) as [number | null, NodeJS.Signals | null];
  return { code, signal };
}

function collect(stream: NodeJS.ReadableStream): () => string {
  const chunks: Buffer[] = [];
  stream.on('data', (chunk: Buffer) => chunks.push(chunk));
  return () => Buffer.concat(chunks).toString();
}
