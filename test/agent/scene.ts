/** An origin, a working copy of it, and the agent that serves the copy as `site`. */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  startAgent,
  type AgentProcess,
  type AgentProcessOptions,
} from '../support/agent-process.ts';
import { putGitFirst } from '../support/fake-git.ts';
import {
  cloneRepository,
  createFixture,
  initRepository,
  writeCommit,
  type CommitSpec,
  type Fixture,
} from '../support/git-fixture.ts';
import type { Oid } from '../../src/git/oid.ts';

export interface SceneOptions extends Partial<AgentProcessOptions> {
  /** Shell lines or configuration objects by name. `$GATES` is a folder, see `open`. */
  readonly commands?: Readonly<Record<string, unknown>>;
  /** More keys of the repository `site`. */
  readonly site?: Readonly<Record<string, unknown>>;
  /**
   * Lines of a script that stands before git in the agent's PATH: `$REAL_GIT` is the real one, and
   * `dir` the fixture's folder, as git children have none of the agent's variables.
   */
  readonly git?: (dir: string) => readonly string[];
  /** Names of empty repositories to be served besides. */
  readonly others?: readonly string[];
}

export interface Scene extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly agent: AgentProcess;
  readonly url: string;
  /** A bare repository; `main` has the commit `first` with the file `a`. */
  readonly origin: string;
  readonly copy: string;
  readonly first: Oid;
  /** Commits to the origin's main, unless told otherwise. */
  commit(spec?: CommitSpec): Promise<Oid>;
  /** Writes a file into the working copy. */
  write(name: string, content: string): Promise<void>;
  /** Lets every command go on that waits at a gate. */
  open(gate: string): Promise<void>;
}

/** A shell line that waits until the test opens the gate. */
export function waitAt(gate: string): string {
  return `while [ ! -e "$GATES/${gate}" ]; do sleep 0.01; done`;
}

export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const { commands = {}, site = {}, git, others = [], config = {}, env = {}, ...rest } = options;
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await createFixture());
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const first = await writeCommit(origin, { files: { a: 'one\n' }, message: 'first\n' });
  const copy = await cloneRepository(origin, fixture.path('site'));
  const repo: Record<string, object> = { site: { repo_path: copy, command: commands, ...site } };
  for (const name of others) repo[name] = { repo_path: await initRepository(fixture.path(name)) };
  const lines = git?.(fixture.dir);
  const path =
    lines === undefined ? {} : { PATH: await putGitFirst(fixture.path('bin'), ...lines) };
  const agent = stack.use(
    await startAgent({
      ...rest,
      config: { repo, ...config },
      env: { GATES: fixture.dir, ...path, ...env },
    }),
  );
  const kept = stack.move();
  return {
    fixture,
    agent,
    url: agent.url,
    origin,
    copy,
    first,
    commit: async (spec) => await writeCommit(origin, { files: { a: 'two\n' }, ...spec }),
    write: async (name, content) => {
      await writeFile(join(copy, name), content);
    },
    open: async (gate) => {
      await writeFile(fixture.path(gate), '');
    },
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
    },
  };
}

/** `POST /repo/site/pull` with a form, and the answer's JSON. */
export async function postPull(
  url: string,
  form: Readonly<Record<string, string>> = {},
): Promise<{ status: number; body: { ret?: string; err_msg?: string | null } }> {
  const response = await fetch(`${url}/repo/site/pull`, {
    method: 'POST',
    body: new URLSearchParams(form),
    signal: AbortSignal.timeout(30_000),
  });
  return { status: response.status, body: (await response.json()) as { ret?: string } };
}

/** `GET /repo/NAME`. */
export async function getStatus(url: string, name = 'site'): Promise<Record<string, unknown>> {
  const response = await fetch(`${url}/repo/${name}`, { signal: AbortSignal.timeout(30_000) });
  return (await response.json()) as Record<string, unknown>;
}
