import type { ChildTracker } from '../git/child-tracker.ts';
import { readBootId, readStartTime } from '../git/process-table.ts';
import type { Journal } from './journal.ts';

/**
 * Notes each child of a job in the journal: that it will be started, its pid, and that it has ended. Who is
 * killed between the first two leaves a child that can still be told by the mark in its environment.
 * @param onBug told when the journal cannot be written once the child runs
 */
export function createChildRecorder(
  journal: Journal,
  job: string,
  onBug: (error: unknown) => void,
): ChildTracker {
  const bootId = readBootId();
  let count = 0;
  const attempt = (action: () => void): void => {
    try {
      action();
    } catch (error) {
      onBug(error);
    }
  };
  return {
    begin() {
      count += 1;
      // What recovers a job starts children too, and may be killed and followed by another.
      const mark = `${job}.${process.pid}.${count}`;
      const note = { mark, job, bootId, startedAt: Date.now() };
      journal.noteChild({ ...note, pid: null, startTime: null });
      return {
        mark,
        started(pid) {
          attempt(() => {
            journal.noteChild({ ...note, pid, startTime: readStartTime(pid) });
          });
        },
        ended() {
          attempt(() => {
            journal.forgetChild(mark);
          });
        },
      };
    },
  };
}
