import type { Oid } from '../git/oid.ts';
import type { Progress } from '../git/progress.ts';
import type { PullStrategy } from '../git/pull.ts';
import type { PlannedMove } from '../git/pull-planned.ts';

export const JOB_KINDS = ['PULL', 'RUN', 'PUSH'] as const;
/**
 * PULL brings a working copy up to date and may run a command after it; RUN only runs a command; PUSH is
 * a push by git that changes the checked-out branch, and with it the working tree.
 */
export type JobKind = (typeof JOB_KINDS)[number];

export const JOB_STATES = [
  'QUEUED',
  'RUNNING',
  'SUCCEEDED',
  'FAILED',
  'CANCELLED',
  'INTERRUPTED',
] as const;
/** INTERRUPTED: the agent ended while the job had not. */
export type JobState = (typeof JOB_STATES)[number];

/** Why a job did not succeed. */
export interface JobError {
  /** An `ErrorCode`, or INTERNAL. */
  readonly code: string;
  readonly message: string;
  /** What a program may want to know besides, such as the files in the way. */
  readonly detail: Readonly<Record<string, unknown>> | null;
}

/** What was asked for; it does not change. */
export interface JobRequest {
  /** The repository's name in the configuration. */
  readonly repo: string;
  readonly kind: JobKind;
  /** Who asked, as `auth` names them. */
  readonly caller: string;
  /** Through what: `graphql`, `rest`, `git`. */
  readonly trigger: string;
  readonly branch: string | null;
  /** Goes before the default branch where one of this name exists. Not in the journal: it only matters to begin. */
  readonly preferredBranch?: string;
  readonly hash: string | null;
  readonly strategy: PullStrategy | null;
  /** The configured command's name. */
  readonly command: string | null;
  /** What a plan said. Not in the journal: it only matters to begin. */
  readonly planned?: PlannedMove;
  readonly idempotency?: Idempotency;
}

/** What makes it safe to send a request again. */
export interface Idempotency {
  /** The caller's own name for the request; matches `IDEMPOTENCY_KEY`. */
  readonly key: string;
  /** What the request said, as JSON can say it, so that another one is not taken for it. */
  readonly asked: object;
}

export const IDEMPOTENCY_KEY = /^[!-~](?:[ -~]{0,253}[!-~])?$/;

/** One operation on a repository that takes its lock, remembered in the journal. */
export interface Job extends JobRequest {
  readonly id: string;
  /** Counts up; newer jobs have greater ones. */
  readonly sequence: number;
  readonly state: JobState;
  /** HEAD's commit when the job started and when it ended; null while unknown, or before the first commit. */
  readonly before: Oid | null;
  readonly after: Oid | null;
  /** Of the command; null while it has not ended, and when a signal ended it. */
  readonly exitCode: number | null;
  /** The signal that ended the command. */
  readonly signal: string | null;
  readonly error: JobError | null;
  /** How far git has come; null before it says so, and when the job has ended. */
  readonly progress: Progress | null;
  /** Milliseconds since 1970. */
  readonly queuedAt: number;
  readonly startedAt: number | null;
  readonly finishedAt: number | null;
}

/** Whether the job's state is final. */
export function isFinished(job: Job): boolean {
  return job.state !== 'QUEUED' && job.state !== 'RUNNING';
}
