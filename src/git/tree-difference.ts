import type { Git } from './git.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** What a tree has at a path. */
export interface TreeSide {
  /** As in `100644`. */
  readonly mode: string;
  readonly oid: string;
}

/** A path that two trees disagree about. */
export interface TreeDifference {
  /** One character for each byte. */
  readonly path: string;
  /** null when that tree has nothing there. */
  readonly wanted: TreeSide | null;
  readonly other: TreeSide | null;
}

/**
 * Lists what differs between two commits or trees.
 * @throws GitCommandError
 */
export async function listTreeDifferences(
  git: Git,
  repository: Repository,
  wanted: Oid | null,
  other: Oid,
  signal: AbortSignal,
): Promise<TreeDifference[]> {
  const flags = ['-r', '-z', '--raw', '--no-abbrev', '--no-renames', '--no-ext-diff'];
  // Without a commit to compare with, a tree is compared with the empty one.
  const trees =
    wanted === null ? [await emptyTree(git, repository, signal), other] : [wanted, other];
  const { stdout } = await git.run(repository, ['diff-tree', ...flags, ...trees, '--'], {
    intent: 'read',
    signal,
  });
  const fields = stdout.toString('latin1').split('\0');
  const differences: TreeDifference[] = [];
  for (let at = 0; at + 1 < fields.length; at += 2) {
    const [modeBefore = '', mode = '', oidBefore = '', oid = ''] = (fields[at] ?? '')
      .slice(1)
      .split(' ');
    differences.push({
      path: fields[at + 1] ?? '',
      wanted: sideOf(modeBefore, oidBefore),
      other: sideOf(mode, oid),
    });
  }
  return differences;
}

function sideOf(mode: string, oid: string): TreeSide | null {
  return mode === '000000' ? null : { mode, oid };
}

async function emptyTree(git: Git, repository: Repository, signal: AbortSignal): Promise<string> {
  const { stdout } = await git.run(repository, ['hash-object', '-t', 'tree', '--stdin'], {
    intent: 'read',
    signal,
    stdin: Buffer.alloc(0),
  });
  return stdout.toString('latin1').trim();
}
