import type { z } from 'zod';
import { digestRequest } from './idempotency.ts';
import type { ChildNote, JobProgressNote } from './job-note.ts';
import type { Job, JobState } from './job.ts';
import { openJournalDatabase, UNFINISHED } from './journal-database.ts';
import { ChildRow, FinishedRow, ProgressRow, readJob } from './journal-row.ts';

/** The jobs of this agent, on disk: what is in it was written before anybody was told. */
export interface Journal extends Disposable {
  /** Records a new job and gives it its sequence number. */
  insert(job: Omit<Job, 'sequence'>): Job;
  update(job: Job): void;
  /** The job of this caller's request with this idempotency key, and what tells that from others. */
  findByKey(caller: string, key: string): { readonly job: Job; readonly digest: string } | null;
  /** null when no job has this id. */
  find(id: string): Job | null;
  /** Newest first. */
  list(filter: JobFilter): Job[];
  /** Jobs that a dead agent left behind, oldest first. */
  listUnfinished(): Job[];
  /** Jobs that have ended and are newer than this sequence number, oldest first. */
  listFinished(after: number, limit: number): FinishedJob[];
  count(): number;
  has(id: string): boolean;
  /** Forgets jobs for good, in one transaction. */
  forget(ids: readonly string[]): void;
  /** Notes that a job's output is not kept any more. */
  markOutputRemoved(id: string): void;
  isOutputRemoved(id: string): boolean;
  /** Notes how far a job has come; it is forgotten when the job has ended. */
  noteProgress(jobId: string, note: JobProgressNote): void;
  /** null when it had not begun. */
  findProgress(jobId: string): JobProgressNote | null;
  /** Notes a child of a job, before it is started and again once its pid is known. */
  noteChild(note: ChildNote): void;
  forgetChild(mark: string): void;
  /** The children of a job that had not ended, oldest first. */
  listChildren(jobId: string): ChildNote[];
  /** Where the journal was put that could not be read when this one was opened; null when nothing was wrong. */
  readonly brokenFile: string | null;
}

/** As much of a job as decides how long it is kept. */
export type FinishedJob = Readonly<z.output<typeof FinishedRow>>;

export interface JobFilter {
  readonly repo?: string | undefined;
  /** The repositories the caller may see. */
  readonly repos?: readonly string[] | undefined;
  readonly states?: readonly JobState[] | undefined;
  /** Only jobs older than this sequence number. */
  readonly before?: number | undefined;
  readonly limit: number;
}

const COLUMNS = [
  'id', 'repo', 'kind', 'state', 'caller', 'trigger', 'branch', 'hash', 'strategy', 'command',
  'before', 'after', 'exitCode', 'signal', 'error', 'queuedAt', 'startedAt', 'finishedAt',
] as const; // prettier-ignore

/**
 * Opens the journal in `stateDir`, for this process alone: see `openJournalDatabase`.
 * @throws AppError BUSY when another agent holds it, LIMIT_EXCEEDED when the disk is full or read-only,
 *   CONFLICT when a newer agent has written it
 */
export function openJournal(stateDir: string): Journal {
  const { database, brokenFile } = openJournalDatabase(stateDir);
  // What makes a request repeatable is written once; that two requests never share it, the index sees to.
  const inserted = [...COLUMNS, 'idempotencyKey', 'requestDigest'];
  const insert = database.prepare(
    `insert into job (${inserted.join()}) values (${inserted.map((name) => `:${name}`).join()})`,
  );
  const findByKey = database.prepare('select * from job where caller = ? and idempotencyKey = ?');
  const update = database.prepare(
    `update job set ${COLUMNS.map((name) => `${name} = :${name}`).join()} where id = :id`,
  );
  const find = database.prepare('select * from job where id = ?');
  const listFinished = database.prepare(
    `select sequence, id, queuedAt, finishedAt,
       exists (select 1 from removed_output where removed_output.job = job.id) as isOutputRemoved
     from job where sequence > ? and finishedAt is not null order by sequence limit ?`,
  );
  const count = database.prepare('select count(*) as jobs from job');
  const has = database.prepare('select 1 from job where id = ?');
  const forget = database.prepare('delete from job where id in (select value from json_each(?))');
  const forgetOutputs = database.prepare(
    'delete from removed_output where job in (select value from json_each(?))',
  );
  const markOutputRemoved = database.prepare(
    'insert or ignore into removed_output (job) values (?)',
  );
  const isOutputRemoved = database.prepare('select 1 from removed_output where job = ?');
  const noteProgress = database.prepare('insert or replace into progress values (?, ?, ?, ?)');
  const noteChild = database.prepare('insert or replace into child values (?, ?, ?, ?, ?, ?)');
  const forgetChild = database.prepare('delete from child where mark = ?');
  /** What is of no use after a power cut need not wait for the disk, only outlive this process. */
  const unsynced = (action: () => void): void => {
    database.exec('pragma synchronous = off');
    try {
      action();
    } finally {
      database.exec('pragma synchronous = full');
    }
  };
  return {
    insert(job) {
      const { lastInsertRowid } = insert.run({
        ...columnsOf(job),
        idempotencyKey: job.idempotency?.key ?? null,
        requestDigest: job.idempotency === undefined ? null : digestRequest(job),
      });
      return { ...job, sequence: Number(lastInsertRowid) };
    },
    update(job) {
      update.run(columnsOf(job));
    },
    find(id) {
      const row = find.get(id);
      return row === undefined ? null : readJob(row);
    },
    findByKey(caller, key) {
      const row = findByKey.get(caller, key);
      return row === undefined ? null : { job: readJob(row), digest: String(row['requestDigest']) };
    },
    list(filter) {
      const { repo, repos, states, before, limit } = filter;
      // Only what is asked for stands in the query, so that SQLite finds the index that fits.
      const conditions = [
        'true',
        repo !== undefined && 'repo = :repo',
        repos !== undefined && 'repo in (select value from json_each(:repos))',
        states !== undefined && 'state in (select value from json_each(:states))',
        before !== undefined && 'sequence < :before',
      ].filter((condition) => condition !== false);
      const rows = database
        .prepare(
          `select * from job where ${conditions.join(' and ')} order by sequence desc limit :limit`,
        )
        .all({
          ...(repo !== undefined && { repo }),
          ...(repos !== undefined && { repos: JSON.stringify(repos) }),
          ...(states !== undefined && { states: JSON.stringify(states) }),
          ...(before !== undefined && { before }),
          limit,
        });
      return rows.map(readJob);
    },
    listUnfinished() {
      return database.prepare(UNFINISHED).all().map(readJob);
    },
    brokenFile,
    noteProgress(jobId, { stage, move, origin }) {
      noteProgress.run(
        jobId,
        stage,
        move === null ? null : JSON.stringify(move),
        origin === null ? null : JSON.stringify(origin),
      );
    },
    findProgress(jobId) {
      const row = database.prepare('select * from progress where job = ?').get(jobId);
      // A note that cannot be read is as good as none.
      return row === undefined ? null : (ProgressRow.safeParse(row).data ?? null);
    },
    noteChild({ mark, job, pid, startTime, bootId, startedAt }) {
      unsynced(() => noteChild.run(mark, job, pid, startTime, bootId, startedAt));
    },
    forgetChild(mark) {
      unsynced(() => forgetChild.run(mark));
    },
    listChildren(jobId) {
      return database
        .prepare('select * from child where job = ? order by startedAt, rowid')
        .all(jobId)
        .map((row) => ChildRow.parse(row));
    },
    listFinished(after, limit) {
      return listFinished.all(after, limit).map((row) => FinishedRow.parse(row));
    },
    count: () => Number(count.get()?.['jobs']),
    has: (id) => has.get(id) !== undefined,
    forget(ids) {
      if (ids.length === 0) return;
      const list = JSON.stringify(ids);
      database.exec('begin immediate');
      try {
        forgetOutputs.run(list);
        forget.run(list);
        database.exec('commit');
      } catch (error) {
        database.exec('rollback');
        throw error;
      }
    },
    markOutputRemoved(id) {
      markOutputRemoved.run(id);
    },
    isOutputRemoved: (id) => isOutputRemoved.get(id) !== undefined,
    [Symbol.dispose]() {
      database.close();
    },
  };
}

function columnsOf(job: Omit<Job, 'sequence'>): Record<string, string | number | null> {
  const { progress: _live, error, ...columns } = job;
  const row = { ...columns, error: error === null ? null : JSON.stringify(error) };
  return Object.fromEntries(COLUMNS.map((name) => [name, row[name]]));
}
