/** A `git` that does what a test says, to stand first in PATH, and pipes that tell when a process is gone. */
import { createReadStream } from 'node:fs';
import { chmod, mkdir, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { GIT_ENVIRONMENT, runProgram } from './git-fixture.ts';

/** Writes an executable shell script. */
export async function writeScript(path: string, ...lines: string[]): Promise<string> {
  await mkdir(dirname(path), { recursive: true });
  await writeFile(path, ['#!/bin/sh', ...lines, ''].join('\n'));
  await chmod(path, 0o755);
  return path;
}

/** Puts a script called git before the real one, which it can reach as `$REAL_GIT`, and gives the PATH. */
export async function putGitFirst(folder: string, ...lines: string[]): Promise<string> {
  const real = (await runProgram('/bin/sh', '-c', 'command -v git')).trim();
  await writeScript(`${folder}/git`, `REAL_GIT=${real}`, ...lines);
  return `${folder}:${GIT_ENVIRONMENT['PATH'] ?? ''}`;
}

/** Watches processes that hold a pipe open: shell code that opens it as descriptor 9, and who reads it. */
export interface Lifeline {
  /** To be run by the process that is watched; its children inherit the pipe. */
  readonly hold: string;
  /** Resolves when somebody has taken hold. */
  readonly held: Promise<void>;
  /** Resolves when the last of them is gone. */
  readonly released: Promise<void>;
}

/** Makes a named pipe and watches it. Somebody must take hold of it, or the test file does not end. */
export async function createLifeline(path: string): Promise<Lifeline> {
  await runProgram('mkfifo', path);
  const stream = createReadStream(path);
  const held = new Promise<void>((resolve) => stream.once('data', () => resolve()));
  const released = new Promise<void>((resolve) => stream.once('close', () => resolve()));
  return { hold: `exec 9>'${path}'; echo here >&9`, held, released };
}
