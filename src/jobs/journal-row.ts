import type { SQLOutputValue } from 'node:sqlite';
import { z } from 'zod';
import { MOVE_KINDS } from '../git/move.ts';
import { isOid } from '../git/oid.ts';
import { JOB_STAGES } from './job-note.ts';
import { JOB_KINDS, JOB_STATES, type Job } from './job.ts';

const text = z.string().nullable();
const time = z.number().int().nullable();
const oidText = z.string().refine(isOid).nullable();

/** The journal outlives the program that wrote it, so what it says is checked. */
export const JobRow = z.object({
  sequence: z.number().int(),
  id: z.string(),
  repo: z.string(),
  kind: z.enum(JOB_KINDS),
  state: z.enum(JOB_STATES),
  caller: z.string(),
  trigger: z.string(),
  branch: text,
  hash: text,
  strategy: z.enum(['ff-only', 'merge', 'rebase', 'reset']).nullable(),
  command: text,
  before: oidText,
  after: oidText,
  exitCode: time,
  signal: text,
  error: z
    .string()
    .transform((json): unknown => JSON.parse(json))
    .pipe(
      z.object({
        code: z.string(),
        message: z.string(),
        detail: z.record(z.string(), z.unknown()).nullable(),
      }),
    )
    .nullable(),
  queuedAt: z.number(),
  startedAt: time,
  finishedAt: time,
});

/** As much of a job as decides how long it is kept. */
export const FinishedRow = z.object({
  sequence: z.number().int(),
  id: z.string(),
  queuedAt: z.number(),
  finishedAt: z.number(),
  isOutputRemoved: z.number().transform((flag) => flag === 1),
});

const Head = z.object({ branch: text, oid: oidText });
const Json = z.string().transform((json): unknown => JSON.parse(json));

export const ProgressRow = z.object({
  stage: z.enum(JOB_STAGES),
  move: Json.pipe(
    z.object({
      kind: z.enum(MOVE_KINDS),
      to: z.string().refine(isOid),
      branch: text,
      from: Head,
      branchTip: oidText,
    }),
  ).nullable(),
  origin: Json.pipe(Head).nullable(),
});

export const ChildRow = z.object({
  mark: z.string(),
  job: z.string(),
  pid: time,
  startTime: text,
  bootId: text,
  startedAt: z.number(),
});

/** @throws ZodError */
export function readJob(row: Record<string, SQLOutputValue>): Job {
  return { ...JobRow.parse(row), progress: null };
}
