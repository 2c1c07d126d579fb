import type { Git } from './git.ts';
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
  const { stdout } = await git.run(
    repository,
    [
      'diff-tree',
      '-r',
      '-z',
      '--raw',
      '--no-abbrev',
      '--no-ext-diff',
      '--no-textconv',
      options.findRenames ? '--find-renames' : '--no-renames',
      from ?? emptyTree(to),
      to,
      '--',
    ],
    { intent: 'read', signal },
  );
  return parseRawDiff(stdout);
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
