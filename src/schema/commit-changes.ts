import { z } from 'zod';
import { pairWithParent } from '../git/commit-changes.ts';
import { listTreeChanges, type TreePair } from '../git/diff.ts';
import type { Repository } from '../git/repository.ts';
import { builder } from './builder.ts';
import { ChangedFilesType, changesOfTrees, type ChangeSet } from './changed-files.ts';
import { CommitType } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';

builder.objectFields(CommitType, (t) => ({
  changedFiles: t.field({
    type: ChangedFilesType,
    description:
      'What it changed, compared with its first parent, renames found; of a commit without parents, or at the end of a shallow clone, all that it has. Costs one git child.',
    args: {
      parent: t.arg.int({
        defaultValue: 1,
        description: 'Which of its parents to compare with, counted from 1.',
        validate: z.int().min(1),
      }),
    },
    resolve: async (commit, { parent }, context) => {
      const { repository } = getReadable(context, commit.repo);
      const pair = await pairWithParent(repository, commit, parent ?? 1);
      return await readChangeSet(context, repository, pair);
    },
  }),
}));

/** Reads which files differ. @throws AppError LIMIT_EXCEEDED; GitCommandError */
export async function readChangeSet(
  context: SchemaContext,
  repository: Repository,
  pair: TreePair,
): Promise<ChangeSet> {
  const { git, signal } = context;
  const options = { findRenames: true };
  const changes = await listTreeChanges(git, repository, pair.from, pair.to, signal, options);
  return changesOfTrees(changes, context, repository, pair);
}
