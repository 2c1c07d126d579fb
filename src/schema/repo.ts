import { resolveArrayConnection } from '@pothos/plugin-relay';
import { z } from 'zod';
import type { CommandConfig } from '../config.ts';
import { isDirty, type Upstream } from '../git/status.ts';
import { readOperation, type Operation } from '../git/operation.ts';
import type { Job } from '../jobs/job.ts';
import type { ServedRepository } from '../jobs/repositories.ts';
import { builder } from './builder.ts';
import { ChangedFilesType, changesOfStatus } from './changed-files.ts';
import { commitId, CommitType } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { AppError } from '../error.ts';

/** A repository, as it is now; or, in an event, with what the event says of it. */
export interface RepoView {
  readonly served: ServedRepository;
  /** Set in the events of `busy` and `repo`, where now may be later than the event. */
  readonly busy?: boolean;
  /** Set in the events of `repo`, as what follows is. */
  readonly job?: Job | null;
  readonly operation?: Operation | null;
}

const MAX_PATHS = 100_000;

const RepoOperation = builder.enumType('RepoOperation', {
  description: 'An operation that somebody started in the working tree and has not finished.',
  values: {
    MERGE: { description: '`git merge` stopped at a conflict.' },
    REBASE: { description: '`git rebase` stopped.' },
    APPLY_MAILBOX: { description: '`git am` stopped.' },
    CHERRY_PICK: { description: '`git cherry-pick` stopped.' },
    REVERT: { description: '`git revert` stopped.' },
    BISECT: { description: '`git bisect` is looking for a commit.' },
  } as const,
});

const UpstreamType = builder.objectRef<Upstream>('Upstream').implement({
  description: 'The branch that the checked-out branch follows.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'Its short name, such as `origin/main`.' }),
    ahead: t.exposeInt('ahead', {
      nullable: true,
      description: 'How many commits HEAD has that it has not; null when it is gone.',
    }),
    behind: t.exposeInt('behind', {
      nullable: true,
      description:
        'How many commits it has that HEAD has not, as of the last fetch; null when it is gone.',
    }),
  }),
});

export const CommandType = builder.objectRef<CommandConfig>('Command').implement({
  description: 'A command that the configuration names for a repository.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'What `pull` and `run` take as `command`.' }),
    description: t.exposeString('description', {
      nullable: true,
      description: 'What it is for; null when the configuration does not say.',
    }),
    line: t.string({
      nullable: true,
      description:
        'What runs, as the configuration says it; null for callers without the scope `run`.',
      resolve: (command, _args, { caller }) =>
        caller.scopes.includes('run') ? command.line : null,
    }),
    timeoutSeconds: t.exposeFloat('timeoutSeconds', {
      nullable: true,
      description: 'Seconds after which it is ended; null when it may take as long as it needs.',
    }),
  }),
});

export const RepoType = builder.objectRef<RepoView>('Repo');

builder.node(RepoType, {
  description: 'A configured repository: bare, or with a working tree.',
  id: {
    resolve: ({ served }) => served.name,
    description: 'Identifies this repository; give it to `node`.',
  },
  loadOne: (name, context) => findReadable(context, name),
  isTypeOf: (value) => typeof value === 'object' && value !== null && 'served' in value,
  fields: (t) => ({
    name: t.string({
      description: 'Its name in the configuration.',
      resolve: ({ served }) => served.name,
    }),
    bare: t.boolean({
      description: 'Whether it has no working tree.',
      resolve: ({ served }) => served.repository.workTree === null,
    }),
    cloneUrl: t.string({
      description: 'What `git clone` takes, under the name by which the agent was asked.',
      resolve: ({ served }, _args, { baseUrl }) =>
        `${baseUrl}/${served.name.split('/').map(encodeURIComponent).join('/')}.git`,
    }),
    branch: t.string({
      nullable: true,
      description: 'The checked-out branch, without `refs/heads/`; null when HEAD is detached.',
      resolve: async ({ served }, _args, context) => (await context.head.load(served.name)).branch,
    }),
    head: t.field({
      type: CommitType,
      nullable: true,
      description: "HEAD's commit; null before the first commit.",
      resolve: async ({ served }, _args, context) => {
        const { oid } = await context.head.load(served.name);
        return oid === null ? null : commitId({ repo: served.name, oid });
      },
    }),
    busy: t.boolean({
      description: 'Whether a job has been accepted and has not ended.',
      resolve: ({ served, busy }, _args, { jobs }) => busy ?? jobs.isBusy(served.name),
    }),
    dirty: t.boolean({
      description:
        'Whether a tracked file differs from HEAD, staged or not. Costs one `git status`, shared with the other fields that need it, and nothing where the repository is watched and has not changed. false for a bare repository.',
      resolve: async ({ served }, _args, context) => {
        const status = await context.status.load(served.name);
        return status !== null && isDirty(status);
      },
    }),
    changedFiles: t.field({
      type: ChangedFilesType,
      description: 'Tracked files that differ from HEAD, staged or not. Costs as `dirty` does.',
      resolve: async ({ served }, _args, context) =>
        changesOfStatus((await context.status.load(served.name))?.entries ?? []),
    }),
    untrackedFiles: t.stringList({
      description:
        'Files that are neither tracked nor ignored; U+FFFD stands where a path is not UTF-8. Costs as `dirty` does.',
      args: { first: t.arg.int(firstArg) },
      resolve: async ({ served }, { first }, context) =>
        (await listUntracked(context, served, first)).map((path) => path.text),
    }),
    untrackedFilesRaw: t.field({
      type: ['Base64'],
      description: 'The same paths in the same order, as bytes.',
      args: { first: t.arg.int(firstArg) },
      resolve: async ({ served }, { first }, context) =>
        (await listUntracked(context, served, first)).map(
          (path) => path.raw ?? Buffer.from(path.text),
        ),
    }),
    upstream: t.field({
      type: UpstreamType,
      nullable: true,
      description:
        'What the checked-out branch follows; null when it follows nothing. Costs as `dirty` does.',
      resolve: async ({ served }, _args, context) =>
        (await context.status.load(served.name))?.upstream ?? null,
    }),
    operation: t.field({
      type: RepoOperation,
      nullable: true,
      description: 'What is in progress; null when nothing is.',
      resolve: async ({ served, operation }) =>
        operation === undefined ? await readOperation(served.repository) : operation,
    }),
    commands: t.field({
      type: [CommandType],
      description: 'The commands that may be run here, in the order of the configuration.',
      resolve: ({ served }) => [...served.config.commands.values()],
    }),
  }),
});

const firstArg = {
  defaultValue: 1000,
  description: `At most so many, from the beginning; ${MAX_PATHS} at most.`,
  validate: z.int().min(0).max(MAX_PATHS),
};

async function listUntracked(
  context: SchemaContext,
  served: ServedRepository,
  first: number | null | undefined,
): Promise<readonly { readonly text: string; readonly raw?: Buffer }[]> {
  const status = await context.status.load(served.name);
  return status?.untracked.slice(0, first ?? undefined) ?? [];
}

function findReadable(context: SchemaContext, name: string): RepoView | null {
  try {
    return { served: getReadable(context, name) };
  } catch (error) {
    if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
    throw error;
  }
}

builder.queryFields((t) => ({
  repo: t.field({
    type: RepoType,
    nullable: true,
    description: 'Finds a repository by its name; null when there is none.',
    args: { name: t.arg.string({ required: true, description: 'Its name in the configuration.' }) },
    resolve: (_root, { name }, context) => findReadable(context, name),
  }),
  repos: t.connection(
    {
      type: RepoType,
      description: "All repositories, in the configuration's order.",
      args: {
        name: t.arg.string({ description: 'Only those whose name contains this text.' }),
      },
      resolve: (_root, args, context) => {
        const views = context.repositories
          .list()
          .filter(({ name }) => args.name == null || name.includes(args.name))
          .map(({ name }) => ({ served: getReadable(context, name) }));
        return resolveArrayConnection({ args: { ...args, first: pageSize(args) } }, views);
      },
    },
    { name: 'RepoConnection' },
    { name: 'RepoEdge' },
  ),
}));

/** What the arguments of a connection bound its page to. */
function pageSize(args: {
  readonly first?: number | null | undefined;
  readonly last?: number | null | undefined;
}): number | null {
  return args.first ?? (args.last == null ? 20 : null);
}

builder.subscriptionFields((t) => ({
  busy: t.field({
    type: RepoType,
    description:
      'A repository now, then at each change of `busy`; of all of them when none is named.',
    args: { repo: t.arg.string({ description: "The repository's name." }) },
    subscribe: (_root, { repo }, context) => {
      const names =
        repo == null
          ? context.repositories.list().map(({ name }) => getReadable(context, name).name)
          : [getReadable(context, repo).name];
      return context.jobs.followBusy(names);
    },
    resolve: ({ repo, busy }, _args, context) => {
      context.forget();
      return { served: getReadable(context, repo), busy };
    },
  }),
}));
