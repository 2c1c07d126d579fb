import { createHash } from 'node:crypto';
import { isUtf8 } from 'node:buffer';
import { AppError } from '../error.ts';
import type { Oid } from './oid.ts';

/** Which commits of a history are wanted. */
export interface HistoryFilter {
  /** Follows only the first parent of each merge. Default: false. */
  readonly firstParent?: boolean;
  /** Only commits that change something at or below this path, as `git log -- PATH` has it. */
  readonly path?: Buffer;
  /** Only commits that were committed at this moment or later; older ones end their line. */
  readonly since?: Date;
  /** Only commits that were committed at this moment or earlier. */
  readonly until?: Date;
  /** Only commits whose author has one of these addresses, in upper or lower case. */
  readonly emails?: readonly string[];
  /** Without what this commit reaches. */
  readonly exclude?: Oid;
}

const MAX_EMAILS = 20;

/** Whether every commit that git walks over is shown. */
export function isPlain({ firstParent: _, ...others }: HistoryFilter): boolean {
  return Object.keys(others).length === 0;
}

/** Tells histories of one start from each other: four bytes. */
export function digestOf(filter: HistoryFilter): Buffer {
  const { firstParent = false, path, since, until, emails, exclude } = filter;
  const all = [
    firstParent,
    path?.toString('base64') ?? null,
    since?.getTime() ?? null,
    until?.getTime() ?? null,
    emails ?? null,
    // Which one it is, the cursor says.
    exclude !== undefined,
  ];
  return createHash('sha256').update(JSON.stringify(all)).digest().subarray(0, 4);
}

/** A filter as options of `git rev-list`. @throws AppError BAD_USER_INPUT */
export function filterArguments(filter: HistoryFilter): string[] {
  const { firstParent, since, until, emails, path } = filter;
  const args: string[] = [];
  // With paths git would rewrite the parents, and for that show other merges.
  if (path === undefined) args.push('--parents');
  if (firstParent === true) args.push('--first-parent');
  if (since !== undefined) args.push(`--max-age=${secondsOf(since, Math.ceil)}`);
  if (until !== undefined) args.push(`--min-age=${secondsOf(until, Math.floor)}`);
  if (emails !== undefined) {
    if (emails.length > MAX_EMAILS) {
      throw new AppError('BAD_USER_INPUT', `at most ${MAX_EMAILS} addresses can be asked for`);
    }
    args.push('--fixed-strings', '--regexp-ignore-case');
    for (const email of emails) args.push(`--author=<${checkEmail(email)}>`);
  }
  return args;
}

function secondsOf(date: Date, round: (value: number) => number): number {
  const seconds = round(date.getTime() / 1000);
  if (seconds >= 0) return seconds;
  throw new AppError('BAD_USER_INPUT', 'git knows no time before 1970');
}

/** What stands between `<` and `>` in a commit. A line's end would begin another pattern. */
function checkEmail(email: string): string {
  // oxlint-disable-next-line no-control-regex -- that is what is refused
  if (email.length <= 320 && !/[<>\u0000-\u001f]/.test(email)) return email;
  throw new AppError(
    'BAD_USER_INPUT',
    `${JSON.stringify(email.slice(0, 80))} is not an address that a commit could have`,
  );
}

/**
 * The end of a command that names a path. Paths are literal, see `gitEnvironment`. Node gives a child only arguments
 * that are UTF-8.
 * @throws AppError BAD_USER_INPUT
 */
export function pathInput(path: Buffer | undefined): {
  readonly flags: readonly string[];
  readonly args: readonly string[];
  readonly stdin?: Buffer;
} {
  if (path === undefined) return { flags: [], args: ['--'] };
  if (isUtf8(path)) return { flags: [], args: ['--', path.toString('utf8')] };
  if (path.includes(0x0a)) {
    throw new AppError(
      'BAD_USER_INPUT',
      'git takes no path that has a line end and is not UTF-8: ask for the folder it is in',
    );
  }
  return {
    flags: ['--stdin'],
    args: [],
    stdin: Buffer.concat([Buffer.from('--\n'), path, Buffer.from('\n')]),
  };
}
