import { lstat, mkdtemp, readFile, rm, rmdir, unlink } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Git, GitResult, RunOptions } from './git.ts';
import { gitPath, type GitPath } from './git-path.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import { listTreeDifferences, type TreeDifference, type TreeSide } from './tree-difference.ts';

export interface Restored {
  /** How many paths were not as they should be, and are now. */
  readonly count: number;
  /** Paths that hold neither what one commit has nor what the other has: somebody's work, left alone. */
  readonly left: readonly GitPath[];
}

/** How long writing a large working tree may take. */
const WRITE_MS = 30 * 60_000;

/**
 * Brings index and working tree, which a git that was ended on its way between two commits left half-way,
 * to one of them. Only paths that the two commits disagree about are touched, and of these only files that
 * are one side's, are missing, or are the beginning of a side's file, as an interrupted write leaves them.
 * All of that git has, so nobody's work is lost. The repository must not be locked.
 * @param wanted null is the empty tree, of before the first commit
 * @throws GitCommandError
 */
export async function restoreTree(
  deps: { readonly git: Git; readonly repository: Repository; readonly signal: AbortSignal },
  wanted: Oid | null,
  other: Oid,
): Promise<Restored> {
  const { git, repository, signal } = deps;
  const { workTree } = repository;
  if (workTree === null) return { count: 0, left: [] };
  const differences = await listTreeDifferences(git, repository, wanted, other, signal);
  if (differences.length === 0) return { count: 0, left: [] };
  const run = async (args: string[], more: Partial<RunOptions> = {}): Promise<GitResult> =>
    // The user's configuration says what a file looks like on disk: line ends, filters.
    await git.run(repository, args, { intent: 'status', signal, timeoutMs: WRITE_MS, ...more });
  const index = await readIndex(run);
  const unlikeWanted = await listUnlike(run, differences, 'wanted');
  const unlikeOther = await listUnlike(run, differences, 'other');

  const remove: string[] = [];
  const write: string[] = [];
  const left: string[] = [];
  for (const difference of differences) {
    const { path } = difference;
    const isSubmodule = [difference.wanted, difference.other].some((side) => isCommit(side));
    // A sparse checkout has it in no state; what a submodule has checked out no move touches.
    if (isSubmodule || index.get(path)?.isSkipped === true) {
      continue;
    }
    const place = await lookAt(workTree, path);
    const isThere = place === 'file' || place === 'other';
    if (difference.wanted === null ? !isThere : isThere && !unlikeWanted.has(path)) continue;
    if (
      !isThere ||
      (difference.other !== null && !unlikeOther.has(path)) ||
      (place === 'file' && (await isBeginning(run, bytesOf(workTree, path), difference)))
    ) {
      (difference.wanted === null ? remove : write).push(path);
    } else {
      left.push(path);
    }
  }
  for (const path of remove) await removeFile(workTree, path);
  // git would clear away what stands there instead.
  const free: string[] = [];
  for (const path of write) {
    if (await makeRoom(workTree, path)) free.push(path);
    else left.push(path);
  }
  await writeIndex(run, differences, index);
  if (free.length > 0) {
    // `-u`: the index knows at once what it wrote.
    await run(['checkout-index', '--force', '--quiet', '-u', '-z', '--stdin'], {
      stdin: nulEnded(free),
    });
  }
  // 1: somebody's changes are there, too.
  await run(['update-index', '-q', '--refresh'], { exitCodes: [0, 1] });
  return {
    count: remove.length + free.length,
    left: left.map((path) => gitPath(Buffer.from(path, 'latin1'))),
  };
}

type Run = (args: string[], more?: Partial<RunOptions>) => Promise<GitResult>;

interface IndexEntry extends TreeSide {
  readonly stage: string;
  readonly isSkipped: boolean;
}

async function readIndex(run: Run): Promise<Map<string, IndexEntry>> {
  // git-ls-files(1): `S` is skip-worktree; with -s, `TAG MODE OID STAGE TAB PATH`.
  const { stdout } = await run(['ls-files', '-t', '-s', '-z']);
  const records = stdout.toString('latin1').matchAll(/(\S) (\d+) ([0-9a-f]+) (\d)\t([^\0]*)\0/g);
  return new Map(
    Array.from(records, ([, tag, mode = '', oid = '', stage = '', path = '']) => [
      path,
      { mode, oid, stage, isSkipped: tag?.toUpperCase() === 'S' },
    ]),
  );
}

/** Which paths of one side the working tree has differently, or not at all. By content: no times are known. */
async function listUnlike(
  run: Run,
  differences: readonly TreeDifference[],
  side: 'wanted' | 'other',
): Promise<Set<string>> {
  const scratch = await mkdtemp(join(tmpdir(), 'gitagent-index-'));
  try {
    const indexFile = join(scratch, 'index');
    const entries = differences.flatMap((each) => {
      const has = each[side];
      return has === null || isCommit(has) ? [] : [`${has.mode} ${has.oid} 0\t${each.path}`];
    });
    await run(['update-index', '-z', '--index-info'], { indexFile, stdin: nulEnded(entries) });
    // git diff-files tells of every file whose times the index does not know; this looks into them first.
    await run(['update-index', '-q', '--refresh'], { indexFile, exitCodes: [0, 1] });
    const { stdout } = await run(['diff-files', '-z', '--name-only', '--no-ext-diff'], {
      indexFile,
    });
    return new Set(stdout.toString('latin1').split('\0'));
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/** Whether a file is the beginning of what git would write there, which it does front to back. */
async function isBeginning(run: Run, file: Buffer, difference: TreeDifference): Promise<boolean> {
  const content = await readFile(file);
  if (content.length === 0) return true;
  for (const side of [difference.other, difference.wanted]) {
    if (side === null || isCommit(side)) continue;
    const path = Buffer.from(difference.path, 'latin1').toString('utf8');
    const { stdout } = await run(['cat-file', '--filters', `--path=${path}`, side.oid], {
      maxBytes: 1024 * 1024 * 1024,
    });
    if (stdout.subarray(0, content.length).equals(content)) return true;
  }
  return false;
}

/** What is at a path. What lies behind a link, or where a file stands in a folder's place, is not there. */
async function lookAt(
  workTree: string,
  path: string,
): Promise<'file' | 'other' | 'folder' | 'blocked' | 'nothing'> {
  const parts = path.split('/');
  for (let depth = 1; depth <= parts.length; depth++) {
    const name = parts.slice(0, depth).join('/');
    const kind = await lstat(bytesOf(workTree, name)).catch(() => null);
    if (kind === null) return 'nothing';
    if (depth < parts.length && !kind.isDirectory()) return 'blocked';
    if (depth === parts.length) {
      return kind.isDirectory() ? 'folder' : kind.isFile() ? 'file' : 'other';
    }
  }
  return 'nothing';
}

/** Whether a file can be written without removing what nobody asked us to; an empty folder is removed. */
async function makeRoom(workTree: string, path: string): Promise<boolean> {
  const place = await lookAt(workTree, path);
  if (place !== 'folder') return place !== 'blocked';
  return await rmdir(bytesOf(workTree, path)).then(
    () => true,
    () => false,
  );
}

/** Removes a file, and the folders that are empty then. */
async function removeFile(workTree: string, path: string): Promise<void> {
  await unlink(bytesOf(workTree, path));
  const parts = path.split('/');
  for (let depth = parts.length - 1; depth > 0; depth--) {
    const folder = bytesOf(workTree, parts.slice(0, depth).join('/'));
    const isGone = await rmdir(folder).then(
      () => true,
      () => false,
    );
    if (!isGone) return;
  }
}

function bytesOf(workTree: string, path: string): Buffer {
  return Buffer.concat([Buffer.from(`${workTree}/`), Buffer.from(path, 'latin1')]);
}

/** Gives the index the wanted side's entries, except where somebody has staged something else. */
async function writeIndex(
  run: Run,
  differences: readonly TreeDifference[],
  index: ReadonlyMap<string, IndexEntry>,
): Promise<void> {
  const changed = differences.filter(({ path, wanted, other }) => {
    const entry = index.get(path) ?? null;
    return !isSame(entry, wanted) && (entry === null || isSame(entry, other));
  });
  if (changed.length === 0) return;
  // Removals first: a folder may have to make room for a file.
  const removals = changed.filter(({ wanted }) => wanted === null);
  const lines = [
    ...removals.map(({ path, other }) => `0 ${'0'.repeat(other?.oid.length ?? 40)}\t${path}`),
    ...changed.flatMap(({ path, wanted }) =>
      wanted === null ? [] : [`${wanted.mode} ${wanted.oid} 0\t${path}`],
    ),
  ];
  await run(['update-index', '-z', '--index-info'], { stdin: nulEnded(lines) });
  const skipped = changed
    .filter(({ path, wanted }) => wanted !== null && index.get(path)?.isSkipped === true)
    .map(({ path }) => path);
  if (skipped.length === 0) return;
  await run(['update-index', '--skip-worktree', '-z', '--stdin'], { stdin: nulEnded(skipped) });
}

function isSame(entry: IndexEntry | null, side: TreeSide | null): boolean {
  if (entry === null || side === null) return entry === side;
  return entry.stage === '0' && entry.mode === side.mode && entry.oid === side.oid;
}

function isCommit(side: TreeSide | null): boolean {
  return side?.mode === '160000';
}

function nulEnded(lines: readonly string[]): Buffer {
  return Buffer.from(lines.map((line) => `${line}\0`).join(''), 'latin1');
}
