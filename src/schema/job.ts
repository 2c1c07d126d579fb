import { resolveCursorConnection, type ResolveCursorConnectionArgs } from '@pothos/plugin-relay';
import { requireScope } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import { listTreeChanges } from '../git/diff.ts';
import { GitCommandError } from '../git/git-command-error.ts';
import type { Progress } from '../git/progress.ts';
import type { Job, JobError, JobKind as Kind, JobState } from '../jobs/job.ts';
import { builder } from './builder.ts';
import { ChangedFilesType, changesOfTrees } from './changed-files.ts';
import { commitId, CommitType } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { PullStrategyType } from './pull-strategy.ts';
import { RepoType } from './repo.ts';

const KIND_DESCRIPTIONS = {
  PULL: { description: 'Brings a working copy up to date, and may run a command after it.' },
  RUN: { description: 'Only runs a command.' },
  PUSH: { description: 'A push by git that changes the checked-out branch and the working tree.' },
} as const satisfies Record<Kind, unknown>;

const STATE_DESCRIPTIONS = {
  QUEUED: { description: 'Accepted; other jobs of its repository come first.' },
  RUNNING: { description: 'It holds the lock and works.' },
  SUCCEEDED: { description: 'All of it is done.' },
  FAILED: { description: 'It was refused, or something went wrong: see `error`.' },
  CANCELLED: { description: 'Somebody cancelled it; no process of it is left.' },
  INTERRUPTED: { description: 'The agent ended while it had not.' },
} as const satisfies Record<JobState, unknown>;

const JobKind = builder.enumType('JobKind', {
  description: 'What a job does.',
  values: KIND_DESCRIPTIONS,
});

export const JobStateType = builder.enumType('JobState', {
  description: 'How far a job is. The last four are final.',
  values: STATE_DESCRIPTIONS,
});

const ProgressType = builder.objectRef<Progress>('Progress').implement({
  description: 'How far git has come, from its own progress display.',
  fields: (t) => ({
    phase: t.exposeString('phase', {
      description:
        "git's words, such as `Receiving objects`; `remote: ` stands before what the server does.",
    }),
    current: t.exposeInt('current', { description: 'How many are done.' }),
    total: t.exposeInt('total', { description: 'How many there are.' }),
    percent: t.exposeInt('percent', { description: '0 to 100.' }),
  }),
});

export const JobErrorType = builder.objectRef<JobError>('JobError').implement({
  description: 'Why a job did not succeed.',
  fields: (t) => ({
    code: t.exposeString('code', {
      description:
        'One of the codes that errors have (`CONFLICT`, `NOT_FOUND`, `BAD_USER_INPUT`, ...), `COMMAND_FAILED` when git or the command failed, `CANCELLED`, `INTERRUPTED`, or `INTERNAL`.',
    }),
    message: t.exposeString('message', {
      description: 'What went wrong and what to do, for people.',
    }),
    detail: t.string({
      nullable: true,
      description:
        'The facts behind it as a JSON object, such as the files in the way; null when there are none.',
      resolve: ({ detail }) => (detail === null ? null : JSON.stringify(detail)),
    }),
  }),
});

export const JobType = builder.objectRef<Job>('Job');

builder.node(JobType, {
  description: 'One operation on a repository that takes its lock. Jobs are remembered.',
  id: { resolve: (job) => job.id, description: 'Identifies this job; give it to `node` or `job`.' },
  loadOne: (id, context) => findJob(context, id),
  isTypeOf: (value) => typeof value === 'object' && value !== null && 'queuedAt' in value,
  fields: (t) => ({
    key: t.exposeString('id', {
      description: 'The id that REST addresses, the journal and `GITAGENT_JOB` use.',
    }),
    repo: t.field({
      type: RepoType,
      nullable: true,
      description: 'Its repository; null when that is not configured any more.',
      resolve: (job, _args, { repositories }) => {
        const served = repositories.list().find(({ name }) => name === job.repo);
        return served === undefined ? null : { served };
      },
    }),
    kind: t.expose('kind', { type: JobKind, description: 'What it does.' }),
    state: t.expose('state', { type: JobStateType, description: 'How far it is.' }),
    caller: t.exposeString('caller', { description: 'Who asked for it.' }),
    trigger: t.exposeString('trigger', { description: 'Through what: `graphql`, `rest`, `git`.' }),
    branch: t.exposeString('branch', {
      nullable: true,
      description:
        'The branch that is or was pulled; null when HEAD is detached, or while it is not known.',
    }),
    hash: t.exposeString('hash', {
      nullable: true,
      description: 'The commit that was asked for, as it was written; null when none was.',
    }),
    strategy: t.expose('strategy', {
      type: PullStrategyType,
      nullable: true,
      description:
        'What it does where the branch and its upstream have diverged: what was asked for, else what was configured then. null when it is no pull.',
    }),
    before: commitField(
      t,
      'before',
      "HEAD's commit when it began; null before the first commit, or while it is not known.",
    ),
    after: commitField(t, 'after', "HEAD's commit after the pull; null while it is not known."),
    changedFiles: t.field({
      type: ChangedFilesType,
      nullable: true,
      description:
        'What differs between `before` and `after`; null while they are not known, or when the commits are gone. Costs one git child.',
      resolve: async (job, _args, context) => await readChanges(job, context),
    }),
    command: t.exposeString('command', {
      nullable: true,
      description: "The configured command's name; null when none runs.",
    }),
    progress: t.expose('progress', {
      type: ProgressType,
      nullable: true,
      description: 'null before git says something, and when the job has ended.',
    }),
    exitCode: t.exposeInt('exitCode', {
      nullable: true,
      description: 'Of the command; null while it has not ended, or when a signal ended it.',
    }),
    signal: t.exposeString('signal', {
      nullable: true,
      description: 'The signal that ended the command, such as `SIGTERM`; null when none did.',
    }),
    error: t.expose('error', {
      type: JobErrorType,
      nullable: true,
      description: 'Why it did not succeed; null while it runs and when it did.',
    }),
    queuedAt: t.field({
      type: 'DateTime',
      description: 'When it was accepted.',
      resolve: (job) => new Date(job.queuedAt),
    }),
    startedAt: timeField(t, 'startedAt', 'When it got the lock; null while it waits.'),
    finishedAt: timeField(t, 'finishedAt', 'When it ended; null while it has not.'),
  }),
});

type JobFields = PothosSchemaTypes.ObjectFieldBuilder<typeof builder.$inferSchemaTypes, Job>;

function commitField(t: JobFields, name: 'before' | 'after', description: string) {
  return t.field({
    type: CommitType,
    nullable: true,
    description,
    resolve: (job) => {
      const oid = job[name];
      return oid === null ? null : commitId({ repo: job.repo, oid });
    },
  });
}

function timeField(t: JobFields, name: 'startedAt' | 'finishedAt', description: string) {
  return t.field({
    type: 'DateTime',
    nullable: true,
    description,
    resolve: (job) => {
      const time = job[name];
      return time === null ? null : new Date(time);
    },
  });
}

async function readChanges(
  job: Job,
  context: SchemaContext,
): Promise<ReturnType<typeof changesOfTrees> | null> {
  const { before, after } = job;
  if (after === null) return null;
  const { repository } = getReadable(context, job.repo);
  try {
    const options = { findRenames: true };
    const { git, signal } = context;
    const changes = await listTreeChanges(git, repository, before, after, signal, options);
    return changesOfTrees(changes, context, repository, { from: before, to: after });
  } catch (error) {
    if (error instanceof GitCommandError && error.exitCode === 128) return null;
    throw error;
  }
}

const JOB_ID = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/;

/** Takes both of a job's ids: its `key`, and its global id. */
export function parseJobId(id: string): string {
  if (JOB_ID.test(id)) return id;
  const [type, key] = Buffer.from(id, 'base64').toString('utf8').split(':');
  if (type === 'Job' && key !== undefined && JOB_ID.test(key)) return key;
  throw new AppError('BAD_USER_INPUT', `${JSON.stringify(id.slice(0, 80))} is not a job's id`);
}

/** null when there is none, or it is of a repository that the caller may not read. */
export function findJob(context: SchemaContext, id: string): Job | null {
  requireScope(context.caller, 'read');
  return context.jobs.find(id);
}

interface PageArguments {
  readonly first?: number | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
  readonly after?: string | null | undefined;
}

/** A page of jobs, newest first; the cursor is the sequence number, so new jobs do not shift it. */
function listJobs(
  context: SchemaContext,
  filter: { readonly repo?: string | undefined; readonly states?: readonly JobState[] | undefined },
  args: PageArguments,
) {
  requireScope(context.caller, 'read');
  return resolveCursorConnection(
    { args, defaultSize: 20, maxSize: 100, toCursor: (job: Job) => String(job.sequence) },
    ({ before, after, limit, inverted }: ResolveCursorConnectionArgs) => {
      if (inverted || before !== undefined) {
        throw new AppError('BAD_USER_INPUT', 'jobs are paged forwards: use first and after');
      }
      return context.jobs.list({ ...filter, before: parseSequence(after), limit });
    },
  );
}

function parseSequence(cursor: string | undefined): number | undefined {
  if (cursor === undefined) return undefined;
  const sequence = Number(cursor);
  if (Number.isSafeInteger(sequence) && sequence >= 0) return sequence;
  throw new AppError('BAD_USER_INPUT', `${JSON.stringify(cursor)} is not a cursor of jobs`);
}

const JobConnection = builder.connectionObject(
  { type: JobType, name: 'JobConnection' },
  { name: 'JobEdge' },
);

builder.objectFields(RepoType, (t) => ({
  currentJob: t.field({
    type: JobType,
    nullable: true,
    description: 'The job that holds the lock; null when none does.',
    resolve: ({ served, job }, _args, { jobs }) =>
      job === undefined ? jobs.current(served.name) : job,
  }),
  jobs: t.connection(
    {
      type: JobType,
      description: 'Its jobs, newest first.',
      resolve: ({ served }, args, context) => listJobs(context, { repo: served.name }, args),
    },
    JobConnection,
  ),
}));

builder.queryFields((t) => ({
  job: t.field({
    type: JobType,
    nullable: true,
    description: 'Finds a job by its `id` or its `key`; null when there is none.',
    args: { id: t.arg.id({ required: true, description: "The job's `id` or `key`." }) },
    resolve: (_root, { id }, context) => findJob(context, parseJobId(id)),
  }),
  jobs: t.connection(
    {
      type: JobType,
      description: 'Jobs of all repositories, newest first.',
      args: {
        repo: t.arg.string({ description: 'Only those of this repository.' }),
        state: t.arg({
          type: [JobStateType],
          description: 'Only those in one of these states.',
        }),
      },
      resolve: (_root, { repo, state, ...args }, context) =>
        listJobs(context, { repo: repo ?? undefined, states: state ?? undefined }, args),
    },
    JobConnection,
  ),
}));

builder.subscriptionFields((t) => ({
  job: t.field({
    type: JobType,
    description:
      'A job now, then at each change of its state or progress. Completes when it has ended.',
    args: { id: t.arg.id({ required: true, description: "The job's `id` or `key`." }) },
    subscribe: (_root, { id }, context) => {
      requireScope(context.caller, 'read');
      return context.jobs.follow(parseJobId(id));
    },
    resolve: (job, _args, context) => {
      context.forget();
      return job;
    },
  }),
}));
