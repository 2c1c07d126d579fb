import { copyFile, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Git } from './git.ts';
import type { GitPath } from './git-path.ts';
import { oid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/**
 * Commits what a working copy holds now, HEAD, index and the named paths of the working tree, under a
 * ref of its own, without touching any of them: `git stash create`, with untracked files too.
 * The commit's tree is the working tree's content; its parents are HEAD and, like a stash's, a commit
 * of the index, unless that has unmerged entries and so is no tree.
 * @param ref where to keep it; must not exist yet
 * @throws GitCommandError
 */
export async function saveSnapshot(
  git: Git,
  repository: Repository,
  ref: string,
  content: {
    readonly head: Oid | null;
    readonly paths: readonly GitPath[];
    readonly message: string;
  },
  signal: AbortSignal,
): Promise<Oid> {
  const scratch = await mkdtemp(join(tmpdir(), 'gitagent-index-'));
  try {
    const indexFile = join(scratch, 'index');
    await copyFile(join(repository.gitDir, 'index'), indexFile).catch((error: unknown) => {
      // Before the first `git add` there is none, and an empty one means the same.
      if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
    });
    const run = async (args: string[], stdin?: Buffer): Promise<Oid> => {
      const options = { intent: 'status', signal, indexFile } as const;
      const input = stdin === undefined ? {} : { stdin };
      const { stdout } = await git.run(repository, args, { ...options, ...input });
      return stdout.toString('utf8').trim() as Oid;
    };
    const commit = async (tree: Oid, parents: readonly Oid[], message: string): Promise<Oid> => {
      const flags = parents.flatMap((parent) => ['-p', parent]);
      return oid(await run(['commit-tree', ...flags, '-m', message, tree]));
    };
    const head = content.head === null ? [] : [content.head];
    const indexTree = await run(['write-tree']).catch(() => null);
    const index =
      indexTree === null ? [] : [await commit(oid(indexTree), head, `index: ${content.message}`)];
    if (content.paths.length > 0) {
      const names = content.paths.flatMap((path) => [
        path.raw ?? Buffer.from(path.text),
        Buffer.from([0]),
      ]);
      await run(
        ['add', '--all', '--pathspec-from-file=-', '--pathspec-file-nul'],
        Buffer.concat(names),
      );
    }
    const snapshot = await commit(
      oid(await run(['write-tree'])),
      [...head, ...index],
      content.message,
    );
    await run(['update-ref', ref, snapshot, '']);
    return snapshot;
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}
