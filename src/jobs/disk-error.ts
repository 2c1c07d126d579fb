import { AppError } from '../error.ts';

/** What the system says, and what it means to who has to do something about it. */
const BY_ERRNO: Readonly<Record<string, string>> = {
  ENOSPC: 'is full: make room there',
  EDQUOT: 'is over its quota: make room there',
  EROFS: 'is read-only: make it writable',
  EIO: 'fails: look at its disk',
  EMFILE: 'cannot be used, for the agent has too many files open: raise its limit (ulimit -n)',
  ENFILE: 'cannot be used, for the machine has too many files open: raise fs.file-max',
  EACCES: 'may not be written by this user: change its owner or mode',
};

/** https://sqlite.org/rescode.html: the primary codes of what a disk does to a database. */
const BY_SQLITE: Readonly<Record<number, string>> = {
  8: 'is read-only: make it writable',
  10: 'fails: look at its disk',
  13: 'is full: make room there',
  14: 'cannot be used: see that it is writable, and that the agent may open files (ulimit -n)',
};

/** SQLite's primary result code; null when the error is not from there. */
export function sqliteCode(error: unknown): number | null {
  return error instanceof Error && 'errcode' in error && typeof error.errcode === 'number'
    ? error.errcode & 0xff
    : null;
}

/** A failure of the disk as a caller may see it; null when it is something else. */
export function describeDiskError(error: unknown, place: string): AppError | null {
  const reason =
    error instanceof Error && 'code' in error && typeof error.code === 'string'
      ? (BY_ERRNO[error.code] ?? BY_SQLITE[sqliteCode(error) ?? -1])
      : undefined;
  if (reason === undefined) return null;
  return new AppError('LIMIT_EXCEEDED', `${place} ${reason}`, undefined, { cause: error });
}
