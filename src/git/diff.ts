import { AppError } from '../error.ts';
import type { Git } from './git.ts';
import { GitCommandError } from './git-command-error.ts';
import { gitPath, type GitPath } from './git-path.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import type { StatusLetter } from './status.ts';

/** A path that differs between two trees. */
export interface TreeChange {
  readonly path: GitPath;
  /** Where a renamed or copied path came from. */
  readonly previousPath?: GitPath;
  /** A, D, M, T (type), R or C. */
  readonly letter: StatusLetter;
  /** What is there afterwards, or before where nothing is, is a submodule's commit. */
  readonly isSubmodule: boolean;
}

/**
 * Lists what differs between the trees of two commits, renames found, in git's order. `from` null
 * stands for the empty tree: all that `to` has was added.
 * @throws GitCommandError
 */
export async function listTreeChanges(
  git: Git,
  repository: Repository,
  from: Oid | null,
  to: Oid,
  signal: AbortSignal,
  options: { readonly findRenames: boolean },
): Promise<TreeChange[]> {
  const args = ['-z', '--raw', '--no-abbrev', ...renameFlags(options.findRenames)];
  return parseRawDiff(await diffTrees(git, repository, { from, to }, args, signal));
}

/** Two commits or trees; `from` null stands for the empty tree. */
export interface TreePair {
  readonly from: Oid | null;
  readonly to: Oid;
}

/** Finding renames takes time with the square of this; what `git diff` takes when nothing is configured. */
const RENAME_LIMIT = 1000;

/** The options of `diff-tree` that find renames, or do not. */
export function renameFlags(findRenames: boolean): readonly string[] {
  return findRenames ? ['--find-renames', `-l${RENAME_LIMIT}`] : ['--no-renames'];
}

/**
 * A `git diff-tree` for which no program runs that the repository names.
 * @param paths literal; all of them when empty
 */
export function diffArguments(
  { from, to }: TreePair,
  options: readonly string[],
  paths: readonly string[] = [],
): string[] {
  const fixed = ['-r', '--no-ext-diff', '--no-textconv'];
  return ['diff-tree', ...fixed, ...options, from ?? emptyTree(to), to, '--', ...paths];
}

/**
 * Runs it and gives what it prints.
 * @throws AppError LIMIT_EXCEEDED when it prints too much; GitCommandError
 */
export async function diffTrees(
  git: Git,
  repository: Repository,
  pair: TreePair,
  options: readonly string[],
  signal: AbortSignal,
): Promise<Buffer> {
  try {
    const args = diffArguments(pair, options);
    return (await git.run(repository, args, { intent: 'read', signal })).stdout;
  } catch (error) {
    if (!(error instanceof GitCommandError && error.isTruncated)) throw error;
    const message =
      'these two differ in more files than can be listed: compare commits that are closer';
    throw new AppError('LIMIT_EXCEEDED', message, undefined, { cause: error });
  }
}

/** The id of the tree without entries, which git knows without storing it. */
export function emptyTree(like: Oid): string {
  return like.length === 40
    ? '4b825dc642cb6eb9a060e54bf8d69288fbee4904'
    : '6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321';
}

/**
 * Parses `--raw -z` (git-diff-tree(1), "Raw output format"): `:MODE MODE OID OID LETTER[SCORE] NUL path
 * NUL`, two paths for R and C.
 */
export function parseRawDiff(output: Buffer): TreeChange[] {
  const changes: TreeChange[] = [];
  let at = 0;
  const nextField = (): Buffer => {
    const end = output.indexOf(0, at);
    if (end === -1) throw new Error('git diff-tree ended inside a record');
    const field = output.subarray(at, end);
    at = end + 1;
    return field;
  };
  while (at < output.length) {
    const [before, after, , , status = ''] = nextField().toString('latin1').split(' ');
    // The letter is one of the raw format's own, whose set is part of StatusLetter's.
    const letter = status.charAt(0) as StatusLetter;
    const isSubmodule = letter === 'D' ? before === `:${SUBMODULE}` : after === SUBMODULE;
    const first = gitPath(nextField());
    changes.push(
      letter === 'R' || letter === 'C'
        ? { letter, isSubmodule, previousPath: first, path: gitPath(nextField()) }
        : { letter, isSubmodule, path: first },
    );
  }
  return changes;
}

/** The mode of a tree entry that names a submodule's commit. */
const SUBMODULE = '160000';
