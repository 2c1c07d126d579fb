import type { Oid } from '../git/oid.ts';
import { countDivergence, findMergeBase, resolveCommit, type Divergence } from '../git/revision.ts'; // prettier-ignore
import type { ServedRepository } from '../jobs/repositories.ts';
import { builder } from './builder.ts';
import { ChangedFilesType } from './changed-files.ts';
import { commitId, CommitType } from './commit.ts';
import { readChangeSet } from './commit-changes.ts';
import { getReadable } from './context.ts';
import { CommitHistoryConnection, resolveHistory } from './history.ts';
import { RepoType } from './repo.ts';

/** Two commits of one repository. What costs a child is asked once. */
interface Comparison {
  readonly served: ServedRepository;
  readonly base: Oid;
  readonly head: Oid;
  readonly divergence: () => Promise<Divergence>;
  readonly mergeBase: () => Promise<Oid | null>;
}

const ComparisonStatus = builder.enumType('ComparisonStatus', {
  description: 'How two commits lie to each other.',
  values: {
    AHEAD: { description: 'The head has all that the base has, and more.' },
    BEHIND: { description: 'The base has all that the head has, and more.' },
    DIVERGED: { description: 'Each has commits that the other has not.' },
    IDENTICAL: { description: 'They are one commit.' },
  } as const,
});

const ComparisonType = builder.objectRef<Comparison>('Comparison').implement({
  description: 'How far two commits are apart.',
  fields: (t) => ({
    baseTarget: t.field({
      type: CommitType,
      description: 'The commit that `base` means.',
      resolve: ({ served, base }) => commitId({ repo: served.name, oid: base }),
    }),
    headTarget: t.field({
      type: CommitType,
      description: 'The commit that `head` means.',
      resolve: ({ served, head }) => commitId({ repo: served.name, oid: head }),
    }),
    aheadBy: t.int({
      description: 'How many commits the head has that the base has not.',
      resolve: async (comparison) => (await comparison.divergence()).ahead,
    }),
    behindBy: t.int({
      description: 'How many commits the base has that the head has not.',
      resolve: async (comparison) => (await comparison.divergence()).behind,
    }),
    status: t.field({
      type: ComparisonStatus,
      description: 'The same in a word.',
      resolve: async (comparison) => {
        const { ahead, behind } = await comparison.divergence();
        if (ahead > 0) return behind > 0 ? ('DIVERGED' as const) : ('AHEAD' as const);
        return behind > 0 ? ('BEHIND' as const) : ('IDENTICAL' as const);
      },
    }),
    mergeBase: t.field({
      type: CommitType,
      nullable: true,
      description:
        'The commit that they have last had in common, one of them if there are several; null when they have none.',
      resolve: async (comparison) => {
        const oid = await comparison.mergeBase();
        return oid === null ? null : commitId({ repo: comparison.served.name, oid });
      },
    }),
    commits: t.connection(
      {
        type: CommitType,
        description:
          'The commits that the head has and the base has not, as `git log base..head` lists them. A page costs one git child. It is paged forwards only.',
        resolve: async ({ served, base, head }, args, context) =>
          await resolveHistory(context, { repo: served.name, oid: head }, args, { exclude: base }),
      },
      CommitHistoryConnection,
    ),
    changedFiles: t.field({
      type: ChangedFilesType,
      description:
        'What the head changed since the merge base; since the base itself when there is none. Costs one git child, and one more for the merge base.',
      resolve: async ({ served, base, head, mergeBase }, _args, context) => {
        const from = (await mergeBase()) ?? base;
        return await readChangeSet(context, served.repository, { from, to: head });
      },
    }),
  }),
});

builder.objectFields(RepoType, (t) => ({
  compare: t.field({
    type: ComparisonType,
    description:
      'Compares two commits, each named by a revision as gitrevisions(7) has it: a branch, a tag, `HEAD~3`, a hash. Costs a git child for each, and one each for the counts and the merge base where they are asked for.',
    args: {
      base: t.arg.string({ required: true, description: 'What to compare with.' }),
      head: t.arg.string({ required: true, description: 'What is compared.' }),
    },
    resolve: async ({ served: { name } }, args, context) => {
      const served = getReadable(context, name);
      const { repository } = served;
      const { git, signal } = context;
      const [base, head] = await Promise.all(
        [args.base, args.head].map(
          async (revision) => await resolveCommit(git, repository, revision, signal),
        ),
      );
      if (base === undefined || head === undefined) throw new Error('two revisions give two ids');
      let divergence: Promise<Divergence> | undefined;
      let mergeBase: Promise<Oid | null> | undefined;
      return {
        served,
        base,
        head,
        divergence: async () =>
          await (divergence ??= countDivergence(git, repository, head, base, signal)),
        mergeBase: async () =>
          await (mergeBase ??= findMergeBase(git, repository, base, head, signal)),
      };
    },
  }),
}));
