import { AppError } from '../error.ts';
import { GitCommandError } from '../git/git-command-error.ts';
import { redactUrls } from '../git/redact.ts';
import { describeDiskError } from './disk-error.ts';
import type { Job, JobError } from './job.ts';
import type { OutputLog } from './output-log.ts';
import { describeTimeout, type JobTimeouts } from './timeout.ts';

/** Of a bug of ours the caller learns no more. */
export const INTERNAL: JobError = {
  code: 'INTERNAL',
  message: 'the agent failed; its log says how',
  detail: null,
};

/** A job that was cancelled, or that the agent gave up as it stopped. */
export function stopped(job: Job, reason: AppError): Job {
  if (reason.code === 'CANCELLED') return finished(job, 'CANCELLED', jobError(reason));
  const error = { code: 'INTERRUPTED', message: reason.message, detail: null };
  return finished(job, 'INTERRUPTED', error);
}

function jobError(error: AppError): JobError {
  return { code: error.code, message: error.message, detail: error.detail ?? null };
}

/** What the caller may know of a failure; null when it is a bug of ours. */
export function describeFailure(error: unknown, timeouts: JobTimeouts): JobError | null {
  if (error instanceof AppError) return jobError(error);
  const ofDisk = describeDiskError(error, 'the state folder');
  if (ofDisk !== null) return jobError(ofDisk);
  if (!(error instanceof GitCommandError)) return null;
  return {
    code: 'COMMAND_FAILED',
    message: error.timedOut ? describeTimeout(error, timeouts) : redactUrls(error.message),
    detail: { exitCode: error.exitCode },
  };
}

/** A job that has ended just now. */
export function finished(job: Job, state: Job['state'], error: JobError | null): Job {
  return { ...job, state, error, progress: null, finishedAt: Date.now() };
}

/** Who watches the output sees how the job ended, too: on a line of its own. */
export async function printFailure(output: OutputLog, job: Job): Promise<void> {
  const last = output.size === 0 ? null : await output.read(output.size - 1);
  const lead = last === null || last.text === '\n' ? '' : '\n';
  await output.append(Buffer.from(`${lead}gitagent: ${job.error?.message ?? job.state}\n`));
}
