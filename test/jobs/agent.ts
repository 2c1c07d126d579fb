/** All of `src/jobs` around real repositories. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import type { CommandConfig, RepoConfig } from '../../src/config.ts';
import { createGit, type Git } from '../../src/git/git.ts';
import type { Job, JobRequest } from '../../src/jobs/job.ts';
import { createJobs, type Jobs } from '../../src/jobs/jobs.ts';
import { openJournal, type Journal } from '../../src/jobs/journal.ts';
import { createOutputLogs, type OutputLogs } from '../../src/jobs/output-log.ts';
import { recoverJobs } from '../../src/jobs/recovery.ts';
import { openRepositories } from '../../src/jobs/repositories.ts';
import type { JobTimeouts } from '../../src/jobs/timeout.ts';
import {
  createFixture,
  GIT_ENVIRONMENT,
  initRepository,
  type Fixture,
} from '../support/git-fixture.ts';
import { deadline, endProcesses, REQUEST } from './support.ts';

/** A shell line as the configuration would give it. */
export function shell(line: string, more: Partial<CommandConfig> = {}): CommandConfig {
  return { name: 'command', argv: ['/bin/sh', '-c', line], line, env: {}, ...more };
}

export interface AgentOptions {
  /** By repository name: its configuration, where `path` is made as an empty repository when left out. */
  readonly repos: Readonly<Record<string, AgentRepo>>;
  /** Default: a new one in the fixture's folder. */
  readonly stateDir?: string;
  readonly queueLimit?: number;
  readonly killSeconds?: number;
  readonly timeouts?: Partial<JobTimeouts>;
  /** Puts something between the jobs and what they work with. */
  readonly wrapGit?: (git: Git) => Git;
  readonly wrapJournal?: (journal: Journal) => Journal;
  readonly wrapOutputs?: (outputs: OutputLogs) => OutputLogs;
}

interface AgentRepo extends Partial<Omit<RepoConfig, 'name' | 'commands'>> {
  readonly commands?: Readonly<Record<string, CommandConfig | string>>;
}

/** Leaving it ends every job, and fails the test if there were bugs. */
export interface Agent extends AsyncDisposable {
  readonly jobs: Jobs;
  readonly journal: Journal;
  readonly git: Git;
  readonly stateDir: string;
  readonly fixture: Fixture;
  /** What `onBug` was told. A test that expects some empties it. */
  readonly bugs: unknown[];
  /** Carried by the environment of every command, so that `processesOf` finds what they started. */
  readonly mark: string;
  submit(request: Partial<JobRequest>, ifBusy?: 'REJECT' | 'WAIT'): Job;
  /** The job once it has ended. */
  ended(id: string): Promise<Job>;
  /** All that a job printed, once it has ended. */
  outputOf(id: string): Promise<string>;
  /** Resolves when a job has printed `text`. */
  printed(id: string, text: string): Promise<void>;
}

export async function startAgent(options: AgentOptions): Promise<Agent> {
  const fixture = await createFixture();
  const stateDir = options.stateDir ?? fixture.path('state');
  const mark = randomUUID();
  const host = { ...GIT_ENVIRONMENT, HOME: fixture.dir, GITAGENT_MARK: mark, DIR: fixture.dir };
  const configs = await Promise.all(
    Object.entries(options.repos).map(async ([name, { commands = {}, ...repo }]) => {
      const entries = Object.entries(commands).map(([key, command]): [string, CommandConfig] => [
        key,
        { ...(typeof command === 'string' ? shell(command) : command), name: key },
      ]);
      const path = repo.path ?? (await initRepository(fixture.path(name)));
      return { strategy: 'ff-only' as const, ...repo, name, path, commands: new Map(entries) };
    }),
  );
  const bugs: unknown[] = [];
  const journal = openJournal(stateDir);
  const outputs = createOutputLogs(stateDir, 65_536);
  const realGit = createGit({ host, maxChildren: 4 });
  const git = options.wrapGit?.(realGit) ?? realGit;
  const common = {
    git,
    repositories: await openRepositories(configs),
    journal: options.wrapJournal?.(journal) ?? journal,
    outputs: options.wrapOutputs?.(outputs) ?? outputs,
    onBug: (error: unknown) => bugs.push(error),
  };
  const killSeconds = options.killSeconds ?? 2;
  await recoverJobs({ ...common, killSeconds, onRecovered: () => undefined });
  const jobs = createJobs({
    ...common,
    host,
    queueLimit: options.queueLimit ?? 100,
    timeouts: { killSeconds, ...options.timeouts },
    patience: { retries: 0, firstDelayMs: 1 },
    onBug: (error) => bugs.push(error),
  });
  const follow = async (id: string, onText: (all: string) => boolean): Promise<string> => {
    const parts: Buffer[] = [];
    const output = await jobs.followOutput(id, 0);
    const signal = deadline();
    signal.addEventListener('abort', () => void output.return?.());
    for await (const { text, raw } of output) {
      parts.push(raw ?? Buffer.from(text));
      if (onText(Buffer.concat(parts).toString())) break;
    }
    const all = Buffer.concat(parts).toString();
    assert.ok(!signal.aborted, `job ${id} printed only ${all}`);
    return all;
  };
  return {
    jobs,
    journal,
    git,
    stateDir,
    fixture,
    bugs,
    mark,
    submit: (request, ifBusy = 'REJECT') =>
      jobs.submit({ ...REQUEST, repo: configs[0]?.name ?? '', ...request }, ifBusy),
    ended: async (id) => await jobs.wait(id, deadline()),
    outputOf: async (id) => await follow(id, () => false),
    async printed(id, text) {
      const all = await follow(id, (soFar) => soFar.includes(text));
      assert.ok(all.includes(text), `job ${id} ended and printed only ${all}`);
    },
    async [Symbol.asyncDispose]() {
      await jobs.drain(0);
      journal[Symbol.dispose]();
      endProcesses(mark);
      await fixture[Symbol.asyncDispose]();
      assert.deepEqual(bugs, []);
    },
  };
}
