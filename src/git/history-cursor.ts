import { AppError } from '../error.ts';
import { oid, type Oid } from './oid.ts';
import { MAX_QUEUE, PREFIX_DIGITS, type WalkState } from './walk-state.ts';

/** A place in a history, between two of its commits. */
export interface HistoryPlace {
  /** The commit that the history begins with, whatever has become of the branch since. */
  readonly start: Oid;
  /** Whose history is left out, likewise; null when none is. */
  readonly exclude: Oid | null;
  /** The commit before this place. */
  readonly last: Oid;
  /** How to go on from here at once; null when the walk must begin anew and pass by what was shown. */
  readonly state: WalkState | null;
}

const VERSION = 1;
const HAS_STATE = 1;
const HAS_OLDEST = 2;
const HAS_PREFIXES = 4;
const HAS_SHOWN_ROOT = 8;
const HAS_EXCLUDE = 16;

/**
 * Writes a place as a cursor.
 * @param filter tells histories of one start from each other: four bytes
 */
export function formatCursor(
  { start, exclude, last, state }: HistoryPlace,
  filter: Buffer,
): string {
  const ids = (list: readonly string[]): Buffer => Buffer.from(list.join(''), 'hex');
  const begin = (flags: number): Buffer =>
    Buffer.concat([
      Buffer.from([VERSION, start.length, flags | (exclude === null ? 0 : HAS_EXCLUDE), ...filter]),
      ids([start, ...(exclude === null ? [] : [exclude]), last]),
    ]);
  if (state === null) return begin(0).toString('base64url');
  const { oldest, oldestPrefixes } = state;
  const numbers = Buffer.alloc(7);
  numbers.writeUIntBE(oldest ?? 0, 0, 6);
  numbers.writeUInt8(oldestPrefixes?.length ?? 0, 6);
  const flags =
    HAS_STATE |
    (oldest === null ? 0 : HAS_OLDEST) |
    (oldestPrefixes === null ? 0 : HAS_PREFIXES) |
    (state.hasShownRoot ? HAS_SHOWN_ROOT : 0);
  return Buffer.concat([
    begin(flags),
    numbers,
    ids(oldestPrefixes ?? []),
    ids(state.queue),
  ]).toString('base64url');
}

/**
 * Reads a cursor, from whoever it comes.
 * @throws AppError BAD_USER_INPUT when it is none, or one of another history
 */
export function parseCursor(cursor: string, filter: Buffer): HistoryPlace {
  const bytes = Buffer.from(cursor, 'base64url');
  const [version, digits, flags = 0] = bytes;
  if (version !== VERSION || (digits !== 40 && digits !== 64)) throw notACursor();
  if (!bytes.subarray(3, 7).equals(filter)) {
    throw new AppError(
      'BAD_USER_INPUT',
      'this cursor is of a history with other arguments: give "after" only what the same field said',
    );
  }
  let at = 7;
  const take = (count: number): string => {
    if (at + count / 2 > bytes.length) throw notACursor();
    const hex = bytes.toString('hex', at, at + count / 2);
    at += count / 2;
    return hex;
  };
  const start = oid(take(digits));
  const exclude = (flags & HAS_EXCLUDE) === 0 ? null : oid(take(digits));
  const last = oid(take(digits));
  if ((flags & HAS_STATE) === 0) return { start, exclude, last, state: null };
  const oldest = Number.parseInt(take(12), 16);
  const count = Number.parseInt(take(2), 16);
  const oldestPrefixes = Array.from({ length: count }, () => take(PREFIX_DIGITS));
  const queue: Oid[] = [];
  while (at < bytes.length) queue.push(oid(take(digits)));
  if (queue.length > MAX_QUEUE) throw notACursor();
  return {
    start,
    exclude,
    last,
    state: {
      queue,
      oldest: (flags & HAS_OLDEST) === 0 ? null : oldest,
      oldestPrefixes: (flags & HAS_PREFIXES) === 0 ? null : oldestPrefixes,
      hasShownRoot: (flags & HAS_SHOWN_ROOT) !== 0,
    },
  };
}

function notACursor(): AppError {
  return new AppError('BAD_USER_INPUT', 'this is not a cursor of a history: give "after" what "endCursor" or "cursor" said'); // prettier-ignore
}
