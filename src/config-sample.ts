import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { AppError } from './error.ts';

export const sampleTypes = ['simple', 'full'] as const;
export type SampleType = (typeof sampleTypes)[number];

/**
 * A configuration to start from: keys sorted, four blanks of indent. `simple` has what everybody
 * edits, `full` every key that the Python GitAgent knew. Both listen on loopback only: the original's
 * listened everywhere with no password, or with one that everybody knows.
 */
export function formatSampleConfig(type: SampleType, password: string): string {
  const repo =
    type === 'simple'
      ? { repo_path: './' }
      : {
          GIT_SSH_COMMAND: 'ssh -o BatchMode=yes',
          command: { cmd1: 'echo the command 1', cmd2: 'echo the command 2' },
          repo_path: './',
        };
  const config = {
    bind_ip: '127.0.0.1',
    ...(type === 'full' && { password }),
    port: 10_000,
    repo: { self: repo },
  };
  return `${JSON.stringify(config, null, 4)}\n`;
}

/**
 * Writes a sample to a new file, `full` with a fresh password and readable by its owner only.
 * BAD_USER_INPUT when the file exists or its folder does not.
 */
export async function writeSampleConfig(file: string, type: SampleType): Promise<void> {
  const text = formatSampleConfig(type, randomBytes(18).toString('base64url'));
  try {
    await writeFile(file, text, { flag: 'wx', mode: type === 'full' ? 0o600 : 0o644 });
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined;
    if (code === 'EEXIST')
      throw new AppError('BAD_USER_INPUT', `the file already exists: ${file}; name another`);
    throw new AppError(
      'BAD_USER_INPUT',
      `cannot write ${file} (${String(code)}); name a file in a folder you may write to`,
      undefined,
      {
        cause: error,
      },
    );
  }
}
