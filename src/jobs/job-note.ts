import type { Head } from '../git/head.ts';
import type { Move } from '../git/move.ts';

export const JOB_STAGES = ['PREPARE', 'FETCH', 'MOVE', 'COMMAND', 'PUSH'] as const;
/** What a job is at. PREPARE is all that changes nothing. */
export type JobStage = (typeof JOB_STAGES)[number];

/** How far a job has come: what the next agent must know if this one dies now. */
export interface JobProgressNote {
  readonly stage: JobStage;
  /** What is under way; null when the working copy is not being moved. */
  readonly move: Move | null;
  /** Where HEAD stood before the job's first move; null before that. */
  readonly origin: Head | null;
}

/** A child that a job has started, or is about to. */
export interface ChildNote {
  readonly mark: string;
  readonly job: string;
  /** It leads a process group of its own. null: it was about to be started. */
  readonly pid: number | null;
  /** As the process table has it; null where there is none. */
  readonly startTime: string | null;
  readonly bootId: string | null;
  /** Milliseconds since 1970. */
  readonly startedAt: number;
}
