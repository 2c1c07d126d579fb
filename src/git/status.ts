import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Git } from './git.ts';
import { gitPath, pathBytes, type GitPath } from './git-path.ts';
import { isNullOid, isOid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** One letter of git-status(1), "Short Format". `.` is unchanged; in an unmerged entry `U` is "updated but unmerged". */
export type StatusLetter = '.' | 'M' | 'T' | 'A' | 'D' | 'R' | 'C' | 'U';

/** A tracked path that differs between HEAD and the index, or between the index and the working tree. */
export interface StatusEntry {
  readonly path: GitPath;
  /** Where a renamed or copied path came from. */
  readonly previousPath?: GitPath;
  /** HEAD against the index: what is staged. */
  readonly index: StatusLetter;
  /** The index against the working tree: what is not staged. */
  readonly workTree: StatusLetter;
  /** A merge left it to be resolved. */
  readonly isUnmerged: boolean;
  readonly isSubmodule: boolean;
}

export interface Upstream {
  /** As in `origin/main`. */
  readonly name: string;
  /** Commits HEAD has and the upstream has not, and the other way round; null when the upstream branch is gone. */
  readonly ahead: number | null;
  readonly behind: number | null;
}

/** What `git status` says of a working tree. */
export interface Status {
  /** null when HEAD is detached. */
  readonly branch: string | null;
  /** null before the first commit. */
  readonly head: Oid | null;
  readonly upstream: Upstream | null;
  /** By the bytes of the path. */
  readonly entries: readonly StatusEntry[];
  /** Every untracked file that is not ignored, in git's order. */
  readonly untracked: readonly GitPath[];
}

/** A status, and what is needed to know when it may have changed. Paths have a character for each byte. */
export interface StatusSurvey {
  readonly status: Status;
  /** Equal for equal statuses. */
  readonly fingerprint: string;
  /** Ignored folders that git does not look into: nothing in them is tracked. */
  readonly ignoredFolders: readonly string[];
  /** Untracked folders that are repositories of their own: git does not look into them either. */
  readonly foreignFolders: readonly string[];
}

/**
 * Reads a working tree's status: one git child, no locks taken, no submodule's fetch or hook run.
 * A bare repository has no working tree; read its HEAD with `readHead`.
 * @throws GitCommandError
 */
export async function readStatus(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<Status> {
  const { status } = await runStatus(git, repository, [], signal);
  return status;
}

/**
 * Reads the same with one child that also lists what it ignores, so costs more where that is much.
 * @throws GitCommandError
 */
export async function surveyStatus(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<StatusSurvey> {
  // `matching`: a folder is listed when it is ignored itself, not when all that is in it now happens to be.
  const { status, stdout } = await runStatus(git, repository, ['--ignored=matching'], signal);
  const hash = createHash('sha256').update(`${status.branch}\0`);
  const ignoredFolders: string[] = [];
  const foreignFolders: string[] = [];
  for (const record of splitRecords(stdout)) {
    const isFolder = record.at(-1) === SLASH;
    if (isFolder && record[0] === IGNORED)
      ignoredFolders.push(record.toString('latin1', 2, record.length - 1));
    if (isFolder && record[0] === UNTRACKED)
      foreignFolders.push(record.toString('latin1', 2, record.length - 1));
    if (record[0] !== IGNORED) hash.update(record).update('\0');
  }
  return { status, fingerprint: hash.digest('base64'), ignoredFolders, foreignFolders };
}

async function runStatus(
  git: Git,
  repository: Repository,
  flags: readonly string[],
  signal: AbortSignal,
): Promise<{ status: Status; stdout: Buffer }> {
  const { stdout } = await git.run(
    repository,
    [
      'status',
      '--porcelain=v2',
      '--branch',
      '-z',
      '--ahead-behind',
      '--untracked-files=all',
      '--find-renames',
      ...flags,
    ],
    { intent: 'status', signal },
  );
  const parsed = parseStatus(stdout);
  const status =
    parsed.branch === null && (await isOnBranchDetached(repository))
      ? { ...parsed, branch: DETACHED }
      : parsed;
  return { status, stdout };
}

/** A branch may have the very name that git status prints for a detached HEAD; only the file tells them apart. */
async function isOnBranchDetached(repository: Repository): Promise<boolean> {
  const head = await readFile(join(repository.gitDir, 'HEAD'), 'utf8').catch(() => '');
  return head.trimEnd() === `ref: refs/heads/${DETACHED}`;
}

/** Whether a tracked path differs from HEAD, staged or not. Untracked files do not make a tree dirty. */
export function isDirty(status: Status): boolean {
  return status.entries.length > 0;
}

/**
 * Parses `git status --porcelain=v2 --branch -z`, which says the same for a branch called `(detached)`
 * as for a detached HEAD (git-status(1), "Porcelain Format Version 2" and
 * "Pathname Format Notes and -z": fields end with NUL and nothing is quoted).
 */
export function parseStatus(output: Buffer): Status {
  const entries: StatusEntry[] = [];
  const untracked: GitPath[] = [];
  const headers = new Map<string, string>();
  const records = splitRecords(output);
  for (const record of records) {
    switch (record[0]) {
      case HEADER: {
        const [, name = '', value = ''] = /^# (\S+) (.*)$/s.exec(record.toString('utf8')) ?? [];
        headers.set(name, value);
        break;
      }
      case ORDINARY:
        entries.push(readEntry(record, 8));
        break;
      case RENAMED: {
        const previous = records.next();
        if (previous.done === true) throw new Error('git status ended inside a rename');
        entries.push({ ...readEntry(record, 9), previousPath: gitPath(previous.value) });
        break;
      }
      case UNMERGED:
        entries.push(readEntry(record, 10));
        break;
      case UNTRACKED:
        untracked.push(gitPath(record.subarray(2)));
        break;
      default: // `!` ignored, which is no part of a status, and what a later git may add.
    }
  }
  const head = headers.get('branch.oid') ?? '';
  const branch = headers.get('branch.head') ?? DETACHED;
  return {
    branch: branch === DETACHED ? null : branch,
    head: isOid(head) && !isNullOid(head) ? head : null,
    upstream: readUpstream(headers),
    // git prints unmerged entries after the others.
    entries: entries.some((entry) => entry.isUnmerged) ? entries.toSorted(byPath) : entries,
    untracked,
  };
}

function byPath(a: StatusEntry, b: StatusEntry): number {
  return Buffer.compare(pathBytes(a.path), pathBytes(b.path));
}

const DETACHED = '(detached)';
const HEADER = 0x23; // #
const ORDINARY = 0x31; // 1
const RENAMED = 0x32; // 2
const UNMERGED = 0x75; // u
const UNTRACKED = 0x3f; // ?
const IGNORED = 0x21; // !
const SLASH = 0x2f;
const SPACE = 0x20;

function* splitRecords(output: Buffer): Generator<Buffer, undefined> {
  for (let start = 0; start < output.length;) {
    const end = output.indexOf(0, start);
    if (end === -1) throw new Error('git status ended inside a record');
    yield output.subarray(start, end);
    start = end + 1;
  }
}

/** `<kind> <XY> <sub> <...> <path>`, where the path is all that follows `fields` fields. */
function readEntry(record: Buffer, fields: number): StatusEntry {
  let start = 0;
  for (let field = 0; field < fields; field++) {
    start = record.indexOf(SPACE, start) + 1;
    if (start === 0) throw new Error('git status printed an entry with too few fields');
  }
  return {
    path: gitPath(record.subarray(start)),
    index: statusLetter(record[2]),
    workTree: statusLetter(record[3]),
    isUnmerged: record[0] === UNMERGED,
    isSubmodule: record[5] === 0x53, // S
  };
}

const LETTERS = new Set(['.', 'M', 'T', 'A', 'D', 'R', 'C', 'U']);

function statusLetter(byte: number | undefined): StatusLetter {
  const letter = String.fromCharCode(byte ?? 0);
  if (!LETTERS.has(letter)) throw new Error(`git status printed the unknown state ${letter}`);
  return letter as StatusLetter;
}

function readUpstream(headers: ReadonlyMap<string, string>): Upstream | null {
  const name = headers.get('branch.upstream');
  if (name === undefined) return null;
  const [, ahead, behind] = /^\+(\d+) -(\d+)$/.exec(headers.get('branch.ab') ?? '') ?? [];
  return {
    name,
    ahead: ahead === undefined ? null : Number(ahead),
    behind: behind === undefined ? null : Number(behind),
  };
}
