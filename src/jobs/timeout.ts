import type { GitCommandError } from '../git/git-command-error.ts';
import type { WorkingCopyOptions } from '../git/working-copy.ts';

/** How long the stages of a job may take, in seconds; no limit where a key is missing. */
export interface JobTimeouts {
  readonly fetchSeconds?: number;
  readonly checkoutSeconds?: number;
  /** Of commands that have no limit of their own. */
  readonly commandSeconds?: number;
  /** Without any output, in each stage. */
  readonly idleSeconds?: number;
  /** Between TERM and KILL. */
  readonly killSeconds: number;
}

/** The limits as a working copy wants them. */
export function gitTimeouts({
  fetchSeconds,
  checkoutSeconds,
  idleSeconds,
}: JobTimeouts): Pick<WorkingCopyOptions, 'fetchTimeoutMs' | 'moveTimeoutMs' | 'idleMs'> {
  return {
    ...(fetchSeconds !== undefined && { fetchTimeoutMs: fetchSeconds * 1000 }),
    ...(checkoutSeconds !== undefined && { moveTimeoutMs: checkoutSeconds * 1000 }),
    ...(idleSeconds !== undefined && { idleMs: idleSeconds * 1000 }),
  };
}

/** Says which limit a git child has reached, and how to raise it. */
export function describeTimeout(
  { args, wasSilent }: GitCommandError,
  timeouts: JobTimeouts,
): string {
  const [command = ''] = args;
  if (wasSilent) {
    return `git ${command} was ended, for it printed nothing for ${timeouts.idleSeconds} seconds: raise timeouts.idle`;
  }
  const isFetch = command === 'fetch';
  const seconds = isFetch ? timeouts.fetchSeconds : timeouts.checkoutSeconds;
  if (seconds === undefined) return `git ${command} took too long`;
  return `git ${command} was ended after ${seconds} seconds: raise timeouts.${isFetch ? 'fetch' : 'checkout'}`;
}
