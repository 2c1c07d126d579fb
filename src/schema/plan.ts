import { resolveOffsetConnection } from '@pothos/plugin-relay';
import { requireScope } from '../auth/caller.ts';
import { parseBranchName } from '../git/branch-name.ts';
import { listTreeChanges } from '../git/diff.ts';
import { parseAbbreviatedOid } from '../git/oid.ts';
import type { MoveKind } from '../git/pull-move.ts';
import type { UncommittedFile } from '../git/pull-plan.ts';
import { listCommitsBetween } from '../git/revision.ts';
import type { Plan } from '../jobs/plans.ts';
import { builder } from './builder.ts';
import { ChangedFilesType, changesOfTrees } from './changed-files.ts';
import { CommitConnection, commitId, CommitType } from './commit.ts';
import { getReadable } from './context.ts';
import { JobErrorType } from './job.ts';
import { planArguments } from './pull.ts';
import { CommandType, RepoType } from './repo.ts';

const PullKind = builder.enumType('PullKind', {
  description: 'How a pull goes where it goes.',
  values: {
    UP_TO_DATE: { description: 'It is there already.' },
    FAST_FORWARD: { description: 'The checked-out branch is advanced; it has nothing of its own.' },
    SWITCH: { description: 'Another branch is checked out, and advanced where it is behind.' },
    CREATE_BRANCH: { description: 'A branch that only the remote has is made and checked out.' },
    MERGE: { description: 'The upstream is merged into the branch.' },
    REBASE: { description: "The branch's own commits are put on top of the upstream." },
    RESET: { description: 'All is made what the upstream is; what that discards is saved first.' },
    DETACH: { description: 'HEAD is detached at the commit that was asked for.' },
  } as const satisfies Record<MoveKind, unknown>,
});

const UncommittedFileType = builder.objectRef<UncommittedFile>('UncommittedFile').implement({
  description: 'A file of the working tree that is not committed as it is.',
  fields: (t) => ({
    path: t.string({
      description:
        'Its path; U+FFFD stands where it is not UTF-8. That of a repository inside the working tree ends with a slash.',
      resolve: ({ path }) => path.text,
    }),
    pathRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: "The path's bytes when they are not UTF-8, else null.",
      resolve: ({ path }) => path.raw ?? null,
    }),
    tracked: t.exposeBoolean('isTracked', {
      description: 'Whether git tracks it, and it has changes; else it is untracked or ignored.',
    }),
  }),
});

/** Longer lists are of no use to anybody. */
const MAX_FILES = 1000;

const PullPlanType = builder.objectRef<Plan>('PullPlan').implement({
  description: 'What a pull would do, found out without touching HEAD, index or working tree.',
  fields: (t) => ({
    repo: t.field({
      type: RepoType,
      description: 'The repository.',
      resolve: ({ served }) => ({ served }),
    }),
    kind: t.field({
      type: PullKind,
      nullable: true,
      description: 'How it would go there; null when it was refused before that was known.',
      resolve: ({ move }) => move?.kind ?? null,
    }),
    fastForward: t.boolean({
      nullable: true,
      description:
        'Whether the target has all commits that the branch has here, or HEAD where it is not here; null while there is no target.',
      resolve: ({ goal }) => goal && goal.ahead === 0,
    }),
    currentBranch: t.string({
      nullable: true,
      description: 'What is checked out now; null when HEAD is detached.',
      resolve: ({ head }) => head.branch,
    }),
    before: t.field({
      type: CommitType,
      nullable: true,
      description: "HEAD's commit now; null before the first.",
      resolve: ({ served, head: { oid } }) =>
        oid === null ? null : commitId({ repo: served.name, oid }),
    }),
    branch: t.string({
      nullable: true,
      description: 'What would be checked out; null when HEAD would be detached, or it is not known.',
      resolve: ({ goal }) => goal?.branch?.name ?? null,
    }),
    upstream: t.string({
      nullable: true,
      description: 'What that branch follows, such as `origin/main`; null when there is no branch.',
      resolve: ({ goal }) => goal?.branch?.upstream ?? null,
    }),
    target: t.field({
      type: CommitType,
      nullable: true,
      description:
        "The upstream's commit as the remote has it now, or the one that was asked for; null when it was not found.",
      resolve: ({ served, goal }) =>
        goal && commitId({ repo: served.name, oid: goal.target }),
    }),
    after: t.field({
      type: CommitType,
      nullable: true,
      description:
        "HEAD's commit after the pull; null when a merge or rebase would make it, or it is not known.",
      resolve: ({ served, move }) =>
        move?.tip == null ? null : commitId({ repo: served.name, oid: move.tip }),
    }),
    ahead: t.int({
      nullable: true,
      description:
        'Commits that the branch has here, or HEAD where it is not here, and the target has not; null while there is no target.',
      resolve: ({ goal }) => goal?.ahead ?? null,
    }),
    behind: t.int({
      nullable: true,
      description: 'The other way round: how many would come.',
      resolve: ({ goal }) => goal?.behind ?? null,
    }),
    commits: t.connection(
      {
        type: CommitType,
        nodeNullable: true,
        description: 'The commits that would come, newest first. Each page costs one git child.',
        resolve: async ({ served, goal }, args, { git, signal }) =>
          await resolveOffsetConnection({ args }, async ({ offset, limit }) => {
            if (goal === null) return [];
            const { base: from, target: to } = goal;
            const page = { skip: offset, limit };
            const oids = await listCommitsBetween(git, served.repository, { from, to }, page, signal);
            return oids.map((oid) => commitId({ repo: served.name, oid }));
          }),
      },
      CommitConnection,
    ),
    changedFiles: t.field({
      type: ChangedFilesType,
      nullable: true,
      description:
        'What would change in HEAD: of a rebase, and of a merge that conflicts, what the upstream has changed. null when it is not known. Costs one git child.',
      resolve: async ({ served, move }, _args, { git, signal }) => {
        if (move === null) return null;
        const { from, to } = move.changes;
        const options = { findRenames: true };
        return changesOfTrees(
          await listTreeChanges(git, served.repository, from, to, signal, options),
          { git, signal },
          served.repository,
          { from, to },
        );
      },
    }),
    inTheWay: fileList(t, 'inTheWay', 'Files that are not committed and for which it would be refused.'),
    discarded: fileList(t, 'discarded', 'Files that are not committed, which a reset would save and then discard.'),
    command: t.field({
      type: CommandType,
      nullable: true,
      description: 'What would run after it; null when nothing would.',
      resolve: ({ command }) => command,
    }),
    error: t.expose('error', {
      type: JobErrorType,
      nullable: true,
      description:
        'Why it would be refused, or could not fetch: what the `error` of its job would be. null when nothing is known to be in its way.',
    }),
    token: t.exposeString('token', {
      nullable: true,
      description:
        'Give it to `pull` as `planToken`. It stands for HEAD, what is staged, the target, and what was asked for. null when the target is not known.',
    }),
  }),
}); // prettier-ignore

type PlanFields = PothosSchemaTypes.ObjectFieldBuilder<typeof builder.$inferSchemaTypes, Plan>;

function fileList(t: PlanFields, name: 'inTheWay' | 'discarded', description: string) {
  return t.field({
    type: [UncommittedFileType],
    description: `${description} At most ${MAX_FILES}.`,
    resolve: ({ move }) => move?.[name].slice(0, MAX_FILES) ?? [],
  });
}

const PlanPullInput = builder.inputType('PlanPullInput', {
  description: 'What to plan: what `pull` would be given.',
  fields: planArguments,
});

const PlanPullPayload = builder.objectRef<{ plan: Plan }>('PlanPullPayload').implement({
  description: 'What `planPull` answers.',
  fields: (t) => ({ plan: t.expose('plan', { type: PullPlanType, description: 'The plan.' }) }),
});

builder.mutationFields((t) => ({
  planPull: t.field({
    type: PlanPullPayload,
    description:
      'Finds out what a pull would do. It fetches, into refs of its own, so it takes as long as that; HEAD, index, working tree, branches and remote-tracking refs stay as they are. It takes no lock and is no job: beside one it says how things are in that moment.',
    args: { input: t.arg({ type: PlanPullInput, required: true, description: 'What to plan.' }) },
    resolve: async (_root, { input }, context) => {
      const { config } = getReadable(context, input.repo);
      requireScope(context.caller, 'pull');
      const branch = input.branch ?? config.branch ?? null;
      const request = {
        repo: input.repo,
        branch: branch === null ? null : parseBranchName(branch),
        hash: input.hash == null ? null : parseAbbreviatedOid(input.hash),
        strategy: input.strategy ?? config.strategy,
        command: input.command ?? null,
      };
      return { plan: await context.plans.plan(request, context.signal) };
    },
  }),
}));
