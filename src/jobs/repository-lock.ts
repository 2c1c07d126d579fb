import { createWake, type Wake } from './follow.ts';

/** Work that waits for a repository's lock. */
export interface Work {
  readonly id: string;
  /**
   * Must not reject. What it resolves with is called in the moment the lock has been given back, so that
   * whoever hears that the work has ended does not find the repository still busy.
   */
  run(): Promise<() => void>;
}

/**
 * A repository's lock and the queue before it: one job at a time, in the order they came. The lock is
 * taken when work is accepted, not when it starts, and given back when the last accepted work has ended.
 */
export interface RepositoryLock {
  /** How often it was taken or given back: odd while it is held. Whoever follows it by ones sees each change. */
  readonly transitions: number;
  /** The work that runs, then what waits. */
  readonly jobIds: readonly string[];
  add(work: Work): void;
  /** Takes back work that waits; false when it runs already, or is not here. */
  remove(id: string): boolean;
}

/** @param changed woken at each change, after it */
export function createRepositoryLock(changed: Wake = createWake()): RepositoryLock {
  let transitions = 0;
  let running: string | null = null;
  const waiting: Work[] = [];

  const runAll = async (): Promise<void> => {
    for (let work = waiting.shift(); work !== undefined; work = waiting.shift()) {
      running = work.id;
      const announceEnd = await work.run();
      running = null;
      if (waiting.length === 0) {
        transitions += 1;
        changed.wake();
      }
      announceEnd();
    }
  };
  return {
    get transitions() {
      return transitions;
    },
    get jobIds() {
      const ids = waiting.map((work) => work.id);
      return running === null ? ids : [running, ...ids];
    },
    add(work) {
      waiting.push(work);
      if (transitions % 2 === 1) return;
      transitions += 1;
      changed.wake();
      void runAll();
    },
    remove(id) {
      const at = waiting.findIndex((work) => work.id === id);
      if (at === -1) return false;
      waiting.splice(at, 1);
      return true;
    },
  };
}
