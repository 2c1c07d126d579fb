import { chmodSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync, type SQLOutputValue } from 'node:sqlite';
import { z } from 'zod';
import { AppError } from '../error.ts';
import { MOVE_KINDS } from '../git/move.ts';
import { isOid } from '../git/oid.ts';
import { describeDiskError, sqliteCode } from './disk-error.ts';
import { JOB_STAGES, type ChildNote, type JobProgressNote } from './job-note.ts';
import { digestRequest } from './idempotency.ts';
import { JOB_KINDS, JOB_STATES, type Job, type JobState } from './job.ts';

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

/**
 * What has been done to the database's shape, in order: `user_version` counts what this file has had.
 * One is added at the end for each change; none is ever edited, for journals live longer than versions.
 * The first finds its tables there in a journal from before they were counted.
 */
const MIGRATIONS: readonly string[] = [
  `
  create table if not exists job (
    sequence integer primary key autoincrement,
    id text not null unique,
    repo text not null,
    kind text not null,
    state text not null,
    caller text not null,
    trigger text not null,
    branch text,
    hash text,
    strategy text,
    command text,
    before text,
    after text,
    exitCode integer,
    signal text,
    error text,
    queuedAt integer not null,
    startedAt integer,
    finishedAt integer
  ) strict;
  create index if not exists job_by_repo on job (repo, sequence);
  create index if not exists job_by_state on job (state) where state in ('QUEUED', 'RUNNING');
  `,
  `create table removed_output (job text primary key) strict, without rowid;`,
  `
  alter table job add column idempotencyKey text;
  alter table job add column requestDigest text;
  create unique index job_by_key on job (caller, idempotencyKey) where idempotencyKey is not null;
    `,
  `
  create table progress (
    job text primary key,
    stage text not null,
    move text,
    origin text
  ) strict;
  create table child (
    mark text primary key,
    job text not null,
    pid integer,
    startTime text,
    bootId text,
    startedAt integer not null
  ) strict;
  create index child_by_job on child (job, startedAt);
  create trigger job_ended after update of state on job when new.state not in ('QUEUED', 'RUNNING') begin
    delete from progress where job = new.id;
    delete from child where job = new.id;
  end;
  `,
];

const COLUMNS = [
  'id', 'repo', 'kind', 'state', 'caller', 'trigger', 'branch', 'hash', 'strategy', 'command',
  'before', 'after', 'exitCode', 'signal', 'error', 'queuedAt', 'startedAt', 'finishedAt',
] as const; // prettier-ignore

/**
 * Opens the journal in `stateDir`, which is made when it is missing. The database is locked for as
 * long as this process lives, however it ends: two agents on one journal would each think they hold
 * the repositories' locks. One that cannot be read is put aside, and a new one begun: an agent that never
 * starts again is worse than one that has forgotten.
 * @throws AppError BUSY when another agent holds it, LIMIT_EXCEEDED when the disk is full or read-only
 */
export function openJournal(stateDir: string): Journal {
  let brokenFile: string | null = null;
  let database: DatabaseSync;
  try {
    makeFolder(stateDir);
    const file = join(stateDir, 'journal.sqlite');
    try {
      database = openDatabase(file);
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      brokenFile = putAside(file);
      database = openDatabase(file);
    }
  } catch (error) {
    if (sqliteCode(error) !== BUSY) throw describeDiskError(error, stateDir) ?? error;
    throw new AppError(
      'BUSY',
      `another agent is using ${stateDir}: stop it, or give this one its own with state_dir or GITAGENT_STATE_DIR`,
      { stateDir },
      { cause: error },
    );
  }
  return createJournal(database, brokenFile);
}

function makeFolder(folder: string): void {
  try {
    mkdirSync(folder, { recursive: true, mode: 0o700 });
  } catch {
    // `recursive` says ENOENT whatever is wrong, such as a read-only disk.
    mkdirSync(folder, { mode: 0o700 });
  }
}

function openDatabase(file: string): DatabaseSync {
  const database = new DatabaseSync(file);
  try {
    database.exec('pragma locking_mode = exclusive; pragma journal_mode = wal');
    // The folder may have been there before, open to others; SQLite gives its other files the same mode.
    chmodSync(file, 0o600);
    // `full`: a job that was accepted is on the disk, not only in its cache.
    database.exec('pragma synchronous = full; begin exclusive');
    migrate(database);
    database.exec('commit');
    const check = database.prepare('pragma quick_check(1)').get()?.['quick_check'];
    if (check !== 'ok') throw new BrokenJournal(String(check));
    // What an agent needs to begin with must be readable, or none would ever begin.
    for (const row of database.prepare(UNFINISHED).all()) {
      if (!Row.safeParse(row).success) throw new BrokenJournal('a job cannot be read');
    }
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** SQLite wrote it, and cannot make sense of it any more. */
class BrokenJournal extends Error {
  override readonly name = 'BrokenJournal';
}

/** https://sqlite.org/rescode.html */
const BUSY = 5;
const CORRUPT = 11;
const NOT_A_DATABASE = 26;

function isCorrupt(error: unknown): boolean {
  const code = sqliteCode(error);
  return error instanceof BrokenJournal || code === CORRUPT || code === NOT_A_DATABASE;
}

function putAside(file: string): string {
  const aside = `${file}.corrupt-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`;
  for (const suffix of ['-wal', '-shm', '']) {
    try {
      renameSync(`${file}${suffix}`, `${aside}${suffix}`);
    } catch (error) {
      if (suffix === '') throw error;
    }
  }
  return aside;
}

const UNFINISHED = `select * from job where state in ('QUEUED', 'RUNNING') order by sequence`;

function createJournal(database: DatabaseSync, brokenFile: string | null): Journal {
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
      return row === undefined ? null : readRow(row);
    },
    findByKey(caller, key) {
      const row = findByKey.get(caller, key);
      return row === undefined ? null : { job: readRow(row), digest: String(row['requestDigest']) };
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
      return rows.map(readRow);
    },
    listUnfinished() {
      return database.prepare(UNFINISHED).all().map(readRow);
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

const text = z.string().nullable();
const time = z.number().int().nullable();
const oidText = z.string().refine(isOid).nullable();

/** @throws AppError CONFLICT when a newer agent has written this journal */
function migrate(database: DatabaseSync): void {
  const version = Number(database.prepare('pragma user_version').get()?.['user_version']);
  if (version > MIGRATIONS.length) {
    throw new AppError(
      'CONFLICT',
      'a newer agent has written this journal: run that one, or give this one its own state_dir',
    );
  }
  for (const migration of MIGRATIONS.slice(version)) database.exec(migration);
  database.exec(`pragma user_version = ${MIGRATIONS.length}`);
}

/** The journal outlives the program that wrote it, so what it says is checked. */
const Row = z.object({
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

const FinishedRow = z.object({
  sequence: z.number().int(),
  id: z.string(),
  queuedAt: z.number(),
  finishedAt: z.number(),
  isOutputRemoved: z.number().transform((flag) => flag === 1),
});

const Head = z.object({ branch: text, oid: oidText });
const Json = z.string().transform((json): unknown => JSON.parse(json));

const ProgressRow = z.object({
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

const ChildRow = z.object({
  mark: z.string(),
  job: z.string(),
  pid: time,
  startTime: text,
  bootId: text,
  startedAt: z.number(),
});

function readRow(row: Record<string, SQLOutputValue>): Job {
  return { ...Row.parse(row), progress: null };
}
