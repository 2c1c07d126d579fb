import { copyFile, mkdtemp, rm, stat, utimes } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Git, GitResult, RunOptions } from './git.ts';
import { gitPath, pathBytes, type GitPath } from './git-path.ts';
import { oid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** What a snapshot keeps besides HEAD and index. */
export interface SnapshotContent {
  readonly head: Oid | null;
  /** Files that are not tracked; they must be there. */
  readonly untracked: readonly GitPath[];
  /** Tracked files whose changes the index was told to overlook, from `listAssumedUnchanged`. */
  readonly assumedUnchanged: readonly GitPath[];
  /** Further commits that would be lost. */
  readonly commits: readonly Oid[];
  readonly message: string;
}

/**
 * Commits what a working copy holds now, HEAD, index, changed files and the named untracked ones, under
 * a ref of its own, without touching any of them: `git stash create`, with untracked files too.
 * The commit's tree is the working tree's content; its parents are HEAD and, like a stash's, a commit
 * of the index, unless that has unmerged entries and so is no tree, and after them the further commits.
 * @param ref where to keep it; must not exist yet
 * @throws GitCommandError
 */
export async function saveSnapshot(
  git: Git,
  repository: Repository,
  ref: string,
  content: SnapshotContent,
  signal: AbortSignal,
): Promise<Oid> {
  const scratch = await mkdtemp(join(tmpdir(), 'gitagent-index-'));
  try {
    const indexFile = join(scratch, 'index');
    await copyIndex(join(repository.gitDir, 'index'), indexFile);
    const run = async (args: string[], more: Partial<RunOptions> = {}): Promise<GitResult> =>
      await git.run(repository, args, { intent: 'status', signal, indexFile, ...more });
    const commit = async (
      tree: GitResult,
      parents: readonly Oid[],
      message: string,
    ): Promise<Oid> => {
      const flags = parents.flatMap((parent) => ['-p', parent]);
      return printedOid(await run(['commit-tree', ...flags, '-m', message, printedOid(tree)]));
    };
    const head = content.head === null ? [] : [content.head];
    // 128: it has unmerged entries.
    const indexTree = await run(['write-tree'], { exitCodes: [0, 128] });
    const index =
      indexTree.exitCode === 0 ? [await commit(indexTree, head, `index: ${content.message}`)] : [];
    if (content.assumedUnchanged.length > 0) {
      await run(['update-index', '--no-assume-unchanged', '-z', '--stdin'], {
        stdin: nulEnded(content.assumedUnchanged),
      });
    }
    // Before the untracked ones: a folder of theirs may stand where a tracked file was.
    await run(['add', '--update']);
    if (content.untracked.length > 0) {
      // Not `git add`, which refuses ignored files.
      await run(['update-index', '--add', '--replace', '-z', '--stdin'], {
        stdin: nulEnded(content.untracked),
      });
    }
    const parents = new Set([...head, ...index, ...content.commits]);
    const snapshot = await commit(await run(['write-tree']), [...parents], content.message);
    await run(['update-ref', ref, snapshot, '']);
    return snapshot;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

/**
 * Lists the tracked files that `git update-index --assume-unchanged` hides from git status, and that a
 * reset restores all the same.
 * @throws GitCommandError
 */
export async function listAssumedUnchanged(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<GitPath[]> {
  const options = { intent: 'status', signal } as const;
  const { stdout } = await git.run(repository, ['ls-files', '-v', '-z'], options);
  // git-ls-files(1): the letter of the status is in lower case for them.
  const records = stdout.toString('latin1').matchAll(/([^\0]) ([^\0]*)\0/g);
  return Array.from(records)
    .filter(([, letter = '']) => letter !== letter.toUpperCase())
    .map(([, , name = '']) => gitPath(Buffer.from(name, 'latin1')));
}

function nulEnded(paths: readonly GitPath[]): Buffer {
  return Buffer.concat(paths.flatMap((path) => [pathBytes(path), NUL]));
}

/**
 * git distrusts what an index says of a file that was written in the instant in which the index was (git's
 * Documentation/technical/racy-git): a copy must not look younger than it is, or a change would be missed.
 */
async function copyIndex(from: string, to: string): Promise<void> {
  try {
    const { mtimeMs } = await stat(from);
    await copyFile(from, to);
    const second = Math.floor(mtimeMs / 1000);
    await utimes(to, second, second);
  } catch (error) {
    // Before the first `git add` there is none, and an empty one means the same.
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
}

const NUL = Buffer.from([0]);

function printedOid(result: GitResult): Oid {
  return oid(result.stdout.toString('utf8').trim());
}
