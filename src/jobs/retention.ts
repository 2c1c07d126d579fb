import type { Journal } from './journal.ts';
import type { OutputLogs } from './output-log.ts';

/** Removes what is too old or too much, the oldest first: at the start, then every hour. */
export interface Retention extends AsyncDisposable {
  /** Does it now; when it is being done, waits for that. Disposing of it waits for the step at hand only. */
  sweep(): Promise<void>;
}

/** What one sweep has removed. */
export interface Swept {
  readonly jobs: number;
  readonly outputs: number;
  /** How much was on the disk, of outputs whose jobs are remembered. */
  readonly bytes: number;
}

export interface RetentionLimits {
  /** How many jobs are remembered. */
  readonly jobs: number;
  /** Days since a job has ended. */
  readonly jobsDays: number;
  readonly outputDays: number;
  /** Of all outputs together. */
  readonly outputBytes: number;
}

export interface RetentionDeps {
  readonly journal: Journal;
  readonly outputs: OutputLogs;
  readonly limits: RetentionLimits;
  /** Told after a sweep that has removed something. */
  readonly onSwept: (swept: Swept) => void;
  readonly onBug: (error: unknown) => void;
}

const DAY_MS = 24 * 60 * 60 * 1000;
const INTERVAL_MS = 60 * 60 * 1000;
/** How often it is looked whether so much has been printed that an hour is too long. */
const LOOK_MS = 60 * 1000;
/** So many jobs are looked at, and so many are forgotten in one transaction, before others have their turn. */
const BATCH = 100;

/**
 * Only jobs that have ended are touched. What is removed is first noted in the journal, so that it is not
 * taken for an output that was empty; a crash in between is made up for by the next sweep.
 */
export function createRetention(deps: RetentionDeps): Retention {
  const { journal, outputs, limits } = deps;
  let isStopping = false;
  let current: Promise<void> | undefined;
  let sweptAt = 0;
  let sweptBytes = 0;

  async function sweepOnce(): Promise<void> {
    sweptAt = Date.now();
    sweptBytes = outputs.appendedBytes;
    const jobs = await forgetJobs();
    const { outputs: removed, bytes } = await removeOutputs(await measure());
    if (jobs + removed > 0) deps.onSwept({ jobs, outputs: removed, bytes });
  }

  /** Jobs that have ended, oldest first, some at a time. */
  function* finishedJobs(): Generator<ReturnType<Journal['listFinished']>> {
    for (let after = 0; !isStopping;) {
      const batch = journal.listFinished(after, BATCH);
      const last = batch.at(-1);
      if (last === undefined) return;
      after = last.sequence;
      yield batch;
    }
  }

  async function forgetJobs(): Promise<number> {
    const deadline = Date.now() - limits.jobsDays * DAY_MS;
    const surplus = journal.count() - limits.jobs;
    let forgotten = 0;
    for (const batch of finishedJobs()) {
      const old = batch.filter(
        ({ finishedAt }, index) => finishedAt < deadline || forgotten + index < surplus,
      );
      // First the output: a job without one can be told, an output without a job would stay for ever.
      for (const { id } of old) await outputs.remove(id);
      journal.forget(old.map(({ id }) => id));
      forgotten += old.length;
      // Later ones have ended later, but for those that took long: they are for another time.
      if (old.length < batch.length) break;
      await afterOthers();
    }
    return forgotten;
  }

  /** How many bytes the outputs take. Removes those that nothing is known of, and what a crash left. */
  async function measure(): Promise<number> {
    const deadline = Date.now() - limits.outputDays * DAY_MS;
    let bytes = 0;
    for await (const output of outputs.list()) {
      if (isStopping) break;
      if (!journal.has(output.jobId)) {
        // As after a journal was lost. It may still be wanted.
        if (output.modifiedAt < deadline) await outputs.remove(output.jobId);
      } else if (journal.isOutputRemoved(output.jobId)) {
        await outputs.remove(output.jobId);
      } else {
        bytes += output.bytes;
      }
    }
    return bytes;
  }

  async function removeOutputs(present: number): Promise<{ outputs: number; bytes: number }> {
    const deadline = Date.now() - limits.outputDays * DAY_MS;
    let total = present;
    let removed = 0;
    for (const batch of finishedJobs()) {
      for (const { id, finishedAt, isOutputRemoved } of batch) {
        const isOld = finishedAt < deadline;
        if (isOutputRemoved || !(isOld || total > limits.outputBytes)) continue;
        const { keptBytes } = await outputs.open(id);
        // Who printed nothing takes nothing, and is marked with its time only: not to be looked at again.
        if (keptBytes === 0 && !isOld) continue;
        journal.markOutputRemoved(id);
        await outputs.remove(id);
        total -= keptBytes;
        if (keptBytes > 0) removed += 1;
        if (isStopping) break;
      }
      const isAllNewer = (batch.at(-1)?.queuedAt ?? 0) >= deadline;
      if (isAllNewer && total <= limits.outputBytes) break;
      await afterOthers();
    }
    return { outputs: removed, bytes: present - total };
  }

  async function sweep(): Promise<void> {
    current ??= sweepOnce()
      .catch(deps.onBug)
      .finally(() => (current = undefined));
    await current;
  }

  const timer = setInterval(() => {
    const isMuch = outputs.appendedBytes - sweptBytes > limits.outputBytes / 20;
    if (isMuch || Date.now() - sweptAt >= INTERVAL_MS) void sweep();
  }, LOOK_MS);
  timer.unref();
  void sweep();

  return {
    sweep,
    async [Symbol.asyncDispose]() {
      isStopping = true;
      clearInterval(timer);
      await current;
    },
  };
}

async function afterOthers(): Promise<void> {
  await new Promise((resolve) => setImmediate(resolve));
}
