/** `gitagent ...` as a person or a script starts it. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { within } from './deadline.ts';
import { GIT_ENVIRONMENT } from './git-fixture.ts';

export const mainFile = join(import.meta.dirname, '../../src/main.ts');

export interface Run {
  readonly code: number | null;
  readonly stdout: string;
  readonly stderr: string;
}

export interface Started {
  readonly ended: Promise<Run>;
  stdout(): string;
  stderr(): string;
  stop(signal?: NodeJS.Signals): void;
}

/** Starts the program in an environment with nothing but PATH, HOME and what is given. */
export function startCommand(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Started {
  const child = spawn(process.execPath, [mainFile, ...args], {
    cwd,
    env: { PATH: GIT_ENVIRONMENT['PATH'], HOME: cwd, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const [out, err]: [Buffer[], Buffer[]] = [[], []];
  child.stdout.on('data', (chunk: Buffer) => out.push(chunk));
  child.stderr.on('data', (chunk: Buffer) => err.push(chunk));
  const stdout = (): string => Buffer.concat(out).toString();
  const stderr = (): string => Buffer.concat(err).toString();
  const ended = once(child, 'close').then(([code]) => ({
    code: code as number | null,
    stdout: stdout(),
    stderr: stderr(),
  }));
  return { ended, stdout, stderr, stop: (signal) => void child.kill(signal) };
}

export async function runCommand(
  cwd: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Run> {
  return await within(startCommand(cwd, args, env).ended, 'the program ends', 30_000);
}
