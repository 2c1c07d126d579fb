import { isUtf8 } from 'node:buffer';
import { AppError } from '../error.ts';
import type { Git } from './git.ts';
import { GitCommandError } from './git-command-error.ts';
import { isOid, oid, type Oid } from './oid.ts';
import { parseQuotedPath } from './quoted-path.ts';
import type { Repository } from './repository.ts';

/** Lines one after the other that one commit brought to where they are. */
export interface BlameRange {
  /** Counted from 1. */
  readonly startingLine: number;
  readonly endingLine: number;
  readonly commit: Oid;
  /** Where the lines stood in that commit: its path there, and the first line. */
  readonly originalPath: Buffer;
  readonly originalLine: number;
}

/** git holds the file and what it was made of in memory. */
const MAX_FILE_BYTES = 8 * 1024 * 1024;
const MAX_OUTPUT_BYTES = 32 * 1024 * 1024;

/**
 * Finds out which commit each line of a file comes from. Two git children; the second one walks over the
 * file's whole history.
 * @throws AppError NOT_FOUND (no such file), BAD_USER_INPUT (no file, or its path is not UTF-8),
 *   LIMIT_EXCEEDED (larger than 8 MiB, or it takes longer than two minutes); GitCommandError
 */
export async function readBlame(
  git: Git,
  repository: Repository,
  commit: Oid,
  path: Buffer,
  signal: AbortSignal,
): Promise<BlameRange[]> {
  if (!isUtf8(path) || path.length === 0) {
    throw new AppError('BAD_USER_INPUT', 'git blame takes no path that is empty or not UTF-8');
  }
  const name = path.toString('utf8');
  await checkFile(git, repository, commit, name, signal);
  try {
    const { stdout } = await git.run(
      repository,
      [
        'blame',
        '--incremental',
        '--no-textconv',
        // What the configuration names is forgotten: a revision of the repository is the whole truth.
        '--ignore-revs-file=',
        commit,
        '--',
        name,
      ],
      { intent: 'read', signal, maxBytes: MAX_OUTPUT_BYTES },
    );
    return parseIncremental(stdout);
  } catch (error) {
    if (!(error instanceof GitCommandError && (error.isTruncated || error.timedOut))) throw error;
    const message = 'the history of this file is too long: ask at a younger or older commit';
    throw new AppError('LIMIT_EXCEEDED', message, undefined, { cause: error });
  }
}

async function checkFile(
  git: Git,
  repository: Repository,
  commit: Oid,
  name: string,
  signal: AbortSignal,
): Promise<void> {
  const args = ['ls-tree', '-z', '--long', '--full-tree', commit, '--', name];
  const { stdout } = await git.run(repository, args, { intent: 'read', signal });
  const entries = stdout.toString('utf8').split('\0').filter(Boolean);
  const entry = entries.find((each) => each.slice(each.indexOf('\t') + 1) === name);
  const shown = JSON.stringify(name.slice(0, 80));
  if (entry === undefined) throw new AppError('NOT_FOUND', `there is no ${shown} in this commit`);
  const [, type, , size] = entry.split(/[ \t]+/);
  if (type !== 'blob') throw new AppError('BAD_USER_INPUT', `${shown} is not a file`);
  if (Number(size) <= MAX_FILE_BYTES) return;
  throw new AppError(
    'LIMIT_EXCEEDED',
    `${shown} has ${size} bytes, and ${MAX_FILE_BYTES} are allowed`,
  );
}

/**
 * Parses `git blame --incremental` (git-blame(1)): entries in any order, each begun by `OID ORIGINAL-LINE
 * LINE COUNT` and ended by `filename PATH`.
 * @returns in the file's order; neighbours that say the same are one
 */
export function parseIncremental(output: Buffer): BlameRange[] {
  const ranges: BlameRange[] = [];
  let header: readonly string[] | null = null;
  for (const line of output.toString('latin1').split('\n')) {
    if (header === null) {
      header = line.split(' ');
      continue;
    }
    if (!line.startsWith('filename ')) continue;
    const [id = '', originalLine, first, count] = header;
    if (!isOid(id)) throw new Error('git blame printed an entry without a commit');
    ranges.push({
      startingLine: Number(first),
      endingLine: Number(first) + Number(count) - 1,
      commit: oid(id),
      originalPath: parseQuotedPath(line.slice('filename '.length)),
      originalLine: Number(originalLine),
    });
    header = null;
  }
  return join(ranges.toSorted((a, b) => a.startingLine - b.startingLine));
}

function join(ranges: readonly BlameRange[]): BlameRange[] {
  const joined: BlameRange[] = [];
  for (const range of ranges) {
    const last = joined.at(-1);
    const isSame =
      last?.commit === range.commit &&
      last.originalPath.equals(range.originalPath) &&
      range.originalLine - last.originalLine === range.startingLine - last.startingLine &&
      last.endingLine + 1 === range.startingLine;
    if (isSame) joined[joined.length - 1] = { ...last, endingLine: range.endingLine };
    else joined.push(range);
  }
  return joined;
}
