/** The real git as a client: this machine's, and those that `GITAGENT_TEST_GITS` names. */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { delimiter } from 'node:path';
import { promisify } from 'node:util';
import { GIT_ENVIRONMENT } from '../support/git-fixture.ts';

/** Programs; more come from the variable, a list like PATH: `GITAGENT_TEST_GITS=/opt/git-2.55/bin/git`. */
export const clients: readonly string[] = [
  'git',
  ...(process.env['GITAGENT_TEST_GITS'] ?? '').split(delimiter).filter(Boolean),
];

export interface ClientRun {
  readonly code: number;
  readonly stdout: string;
  /** Without carriage returns and the trailing blanks that git pads `remote:` lines with. */
  readonly stderr: string;
}

export interface ClientOptions {
  /** Default: git of the PATH. */
  readonly program?: string;
  readonly env?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Runs git in a folder and tells how it ended. */
export async function tryClient(
  dir: string,
  args: readonly string[],
  { program = 'git', env = {}, signal }: ClientOptions = {},
): Promise<ClientRun> {
  const running = promisify(execFile)(program, args, {
    cwd: dir,
    env: { ...GIT_ENVIRONMENT, ...env },
    maxBuffer: 2 ** 26,
    timeout: 120_000,
    ...(signal === undefined ? {} : { signal }),
  });
  running.child.stdin?.end();
  const { code, stdout, stderr } = await running.then(
    (done) => ({ code: 0, ...done }),
    (error: unknown) => {
      const failure = error as { code?: number | string; stdout?: string; stderr?: string };
      const code = typeof failure.code === 'number' ? failure.code : -1;
      return { code, stdout: failure.stdout ?? '', stderr: failure.stderr ?? String(error) };
    },
  );
  return { code, stdout, stderr: stderr.replaceAll('\r', '\n').replaceAll(/ +$/gm, '') };
}

/** The same, and it must succeed. */
export async function runClient(
  dir: string,
  args: readonly string[],
  options: ClientOptions = {},
): Promise<ClientRun> {
  const run = await tryClient(dir, args, options);
  assert.equal(run.code, 0, `git ${args.join(' ')}\n${run.stderr}`);
  return run;
}
