import { chmodSync, mkdirSync, renameSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../error.ts';
import { describeDiskError, sqliteCode } from './disk-error.ts';
import { JobRow } from './journal-row.ts';

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

/** Jobs that a dead agent left behind, oldest first. */
export const UNFINISHED = `select * from job where state in ('QUEUED', 'RUNNING') order by sequence`;

/**
 * Opens the database of the journal in `stateDir`, which is made when it is missing. The database is locked for as
 * long as this process lives, however it ends: two agents on one journal would each think they hold
 * the repositories' locks. One that cannot be read is put aside, and a new one begun: an agent that never
 * starts again is worse than one that has forgotten.
 * @throws AppError BUSY when another agent holds it, LIMIT_EXCEEDED when the disk is full or read-only
 */
export function openJournalDatabase(stateDir: string): {
  readonly database: DatabaseSync;
  /** Where the one was put that could not be read; null when nothing was wrong. */
  readonly brokenFile: string | null;
} {
  try {
    makeFolder(stateDir);
    const file = join(stateDir, 'journal.sqlite');
    try {
      return { database: openDatabase(file), brokenFile: null };
    } catch (error) {
      if (!isCorrupt(error)) throw error;
      const brokenFile = putAside(file);
      return { database: openDatabase(file), brokenFile };
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
      if (!JobRow.safeParse(row).success) throw new BrokenJournal('a job cannot be read');
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
