import { describeDiskError } from './disk-error.ts';
import type { Job } from './job.ts';
import type { JobFilter, Journal } from './journal.ts';

/** What is written down of jobs: the journal, and what it could not take yet. */
export interface JobRecord {
  /** @throws AppError LIMIT_EXCEEDED when the disk is full; what the journal throws */
  insert(job: Omit<Job, 'sequence'>): Job;
  /**
   * Writes down how a job is now. A full disk must not keep its lock for ever, so a failure is told, and made
   * up for with the next job.
   */
  update(job: Job): void;
  /** null when no job has this id. */
  find(id: string): Job | null;
  list(filter: JobFilter): Job[];
}

/** @param onBug told what the journal did not take */
export function createJobRecord(
  journal: Journal,
  onBug: (error: unknown, job: Job) => void,
): JobRecord {
  /** Jobs whose last change is not in the journal: what is known here is right. */
  const pending = new Map<string, Job>();
  return {
    insert(job) {
      try {
        return journal.insert(job);
      } catch (error) {
        throw describeDiskError(error, 'the state folder') ?? error;
      }
    },
    update(job) {
      pending.set(job.id, job);
      for (const each of pending.values()) {
        try {
          journal.update(each);
          pending.delete(each.id);
        } catch (error) {
          onBug(error, each);
        }
      }
    },
    find: (id) => pending.get(id) ?? journal.find(id),
    list: (filter) => journal.list(filter).map((job) => pending.get(job.id) ?? job),
  };
}
