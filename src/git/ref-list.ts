import { AppError } from '../error.ts';
import type { Git } from './git.ts';
import { gitPath, type GitPath } from './git-path.ts';
import { isOid, oid as toOid, type Oid } from './oid.ts';
import { parseRefName, type RefName } from './ref-name.ts';
import type { Repository } from './repository.ts';
import type { ObjectType } from './stored-object.ts';

/** A ref with what it leads to. */
export interface ListedRef {
  /** In full, as in `refs/heads/main`. */
  readonly name: GitPath;
  /** What it points to: of an annotated tag the tag object. */
  readonly oid: Oid;
  readonly type: ObjectType;
  /** What a tag object tags, which may be another tag to a git before 2.45; else the object itself. */
  readonly peeledOid: Oid;
  /** Seconds since 1970 at which its commit was committed or its tag was made; null for anything else. */
  readonly date: number | null;
  /** The ref that a symbolic ref points to; null for an ordinary one. */
  readonly symbolicTarget: string | null;
}

export type RefOrderField = 'NAME' | 'DATE';

export interface RefListOptions {
  /** As `parseRefPrefix` gives it. */
  readonly prefix: string;
  /** Only names that contain this text behind the prefix, in whichever case. */
  readonly query?: string | undefined;
  readonly field: RefOrderField;
  readonly descending: boolean;
  /** Where the page before ended. */
  readonly after?: RefCursor | undefined;
  readonly first: number;
  readonly signal: AbortSignal;
}

/** Where a ref stands in an order, whether or not it is still there. */
export interface RefCursor {
  readonly date: number;
  /** Bytes in Latin-1. */
  readonly name: string;
}

const FIELDS = ['refname', 'objectname', 'objecttype', '*objectname', 'creatordate:unix', 'symref'];
const FORMAT = FIELDS.map((field) => `%(${field})`).join('%00');

/**
 * Lists one page of refs, by name or by date (then, of the same second, by name). One git child, which is
 * ended with the page. Broken refs are left out, as git leaves them out.
 * @returns at most `first`, and whether more follow
 * @throws GitCommandError
 */
export async function listRefs(
  git: Git,
  repository: Repository,
  options: RefListOptions,
): Promise<{ refs: ListedRef[]; hasMore: boolean }> {
  const { prefix, field, descending, first, signal } = options;
  const sign = descending ? '-' : '';
  const order =
    field === 'NAME' ? [`--sort=${sign}refname`] : ['--sort=refname', `--sort=${sign}creatordate`];
  const args = ['for-each-ref', ...order, `--format=${FORMAT}`, '--', prefix.replace(/\/$/, '')];
  const query = options.query === undefined ? undefined : latin1(options.query.toLowerCase());
  const refs: ListedRef[] = [];
  let hasMore = false;
  await git.scan(repository, args, { intent: 'read', signal }, async (output) => {
    for await (const line of lines(output)) {
      const cursor = cursorOf(line);
      if (!cursor.name.startsWith(prefix)) continue;
      if (options.after !== undefined && compare(cursor, options.after, options) <= 0) continue;
      if (query !== undefined && !foldCase(cursor.name.slice(prefix.length)).includes(query))
        continue;
      if (refs.length === first) {
        hasMore = true;
        return;
      }
      refs.push(parseRef(line));
    }
  });
  return { refs, hasMore };
}

/**
 * Finds refs by their full names, in one git child; those that do not exist are left out.
 * @throws GitCommandError
 */
export async function findListedRefs(
  git: Git,
  repository: Repository,
  names: readonly RefName[],
  signal: AbortSignal,
): Promise<Map<string, ListedRef>> {
  const found = new Map<string, ListedRef>();
  if (names.length === 0) return found;
  const args = ['for-each-ref', `--format=${FORMAT}`, '--', ...names];
  const { stdout } = await git.run(repository, args, { intent: 'read', signal });
  for (const line of stdout.toString('latin1').split('\n').slice(0, -1)) {
    const ref = parseRef(line);
    // A pattern also matches everything below it: refs/heads/a finds refs/heads/a/b.
    if (names.some((name) => name === ref.name.text)) found.set(ref.name.text, ref);
  }
  return found;
}

/**
 * Finds a ref by a name that is not UTF-8, which no argument of a child can say: one git child lists all refs until it
 * has come.
 * @throws GitCommandError
 */
export async function findRawRef(
  git: Git,
  repository: Repository,
  name: Buffer,
  signal: AbortSignal,
): Promise<ListedRef | null> {
  const start = `${name.toString('latin1')}\0`;
  const args = ['for-each-ref', `--format=${FORMAT}`];
  const found: ListedRef[] = [];
  await git.scan(repository, args, { intent: 'read', signal }, async (output) => {
    for await (const line of lines(output)) {
      if (!line.startsWith(start)) continue;
      found.push(parseRef(line));
      return;
    }
  });
  return found[0] ?? null;
}

/** Where a ref stands in any order. */
export function refCursor({ name, date }: ListedRef): string {
  return Buffer.from(
    `${date ?? 0} ${(name.raw ?? Buffer.from(name.text)).toString('latin1')}`,
    'latin1',
  ).toString('base64url');
}

/** @throws AppError BAD_USER_INPUT */
export function parseRefCursor(text: string): RefCursor {
  const decoded = Buffer.from(text, 'base64url').toString('latin1');
  const [, date, name] = /^(\d{1,15}) (refs\/.+)$/s.exec(decoded) ?? [];
  if (date === undefined || name === undefined) {
    throw new AppError(
      'BAD_USER_INPUT',
      `${JSON.stringify(text.slice(0, 80))} is not a cursor of refs`,
    );
  }
  return { date: Number(date), name };
}

/**
 * Reads the folder of refs that a request asks for, such as `refs/heads/`; the slash at the end may be left out.
 * @throws AppError BAD_USER_INPUT
 */
export function parseRefPrefix(text: string): string {
  const folder = text.replace(/\/$/, '');
  return folder === 'refs' ? 'refs/' : `${parseRefName(folder)}/`;
}

function cursorOf(line: string): RefCursor {
  const [name = '', , , , date = ''] = line.split('\0');
  return { name, date: Number(date) };
}

/** git's own order: names by their bytes, and by name where the dates are the same, in either direction. */
function compare(
  one: RefCursor,
  other: RefCursor,
  { field, descending }: Pick<RefListOptions, 'field' | 'descending'>,
): number {
  const byName = one.name < other.name ? -1 : Number(one.name > other.name);
  const sign = descending ? -1 : 1;
  if (field === 'NAME') return byName * sign;
  return one.date === other.date ? byName : (one.date - other.date) * sign;
}

function parseRef(line: string): ListedRef {
  const [name = '', id = '', type = '', peeled = '', date = '', symref = ''] = line.split('\0');
  return {
    name: gitPath(Buffer.from(name, 'latin1')),
    oid: toOid(id),
    // git has no other types.
    type: type as ObjectType,
    peeledOid: isOid(peeled) ? peeled : toOid(id),
    date: date === '' ? null : Number(date),
    symbolicTarget: symref === '' ? null : Buffer.from(symref, 'latin1').toString('utf8'),
  };
}

async function* lines(output: AsyncIterable<Buffer>): AsyncGenerator<string> {
  let rest = '';
  for await (const chunk of output) {
    const pieces = (rest + chunk.toString('latin1')).split('\n');
    rest = pieces.pop() ?? '';
    yield* pieces;
  }
}

function latin1(text: string): string {
  return Buffer.from(text).toString('latin1');
}

/** Bytes that are UTF-8 are folded as text. */
function foldCase(bytes: string): string {
  return latin1(Buffer.from(bytes, 'latin1').toString('utf8').toLowerCase());
}
