import { z } from 'zod';
import { requireScope } from '../auth/caller.ts';
import { parseBranchName } from '../git/branch-name.ts';
import { parseAbbreviatedOid } from '../git/oid.ts';
import { IDEMPOTENCY_KEY, type Job, type JobRequest } from '../jobs/job.ts';
import { builder } from './builder.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { JobType, parseJobId } from './job.ts';
import { PullStrategyType } from './pull-strategy.ts';

const IfBusy = builder.enumType('IfBusy', {
  description: 'What to do when another job holds the repository.',
  values: {
    REJECT: { description: 'Answer with an error whose code is `BUSY`.' },
    WAIT: { description: 'Wait for its turn.' },
  } as const,
});

const name = z.string().min(1).max(255);

/** What every input has that starts a job. */
const ifBusy = {
  type: IfBusy,
  defaultValue: 'REJECT',
  description: 'When it is busy.',
} as const;
const idempotencyKey = {
  validate: z.string().regex(IDEMPOTENCY_KEY, 'must be 1 to 255 printable ASCII characters'),
  description:
    'Makes it safe to send this again: a request of the same caller with the same key is given the job that the first has started, as long as that is remembered. With the same key and something else asked for it is refused.',
} as const;
const wait = {
  defaultValue: false,
  description: 'Answer when the job has ended, instead of when it was accepted.',
} as const;

type InputFields = PothosSchemaTypes.InputFieldBuilder<
  typeof builder.$inferSchemaTypes,
  'InputObject'
>;

/** What is pulled, or planned. */
export function planArguments(t: InputFields) {
  return {
    repo: t.string({ required: true, validate: name, description: "The repository's name." }),
    branch: t.string({
      description:
        "The branch to check out and bring up to date; made when only the remote has it. When left out: the configuration's, else the default branch, which is what the remote's HEAD points to here, else the checked-out one.",
    }),
    hash: t.string({
      description:
        "A commit to detach HEAD at, full or abbreviated, instead of the branch's tip. It must exist once the remote has been fetched.",
    }),
    command: t.string({ validate: name, description: 'The configured command to run afterwards.' }),
    strategy: t.field({
      type: PullStrategyType,
      description: "When left out: the configuration's, which is FF_ONLY unless it says otherwise.",
    }),
  };
}

const PullInput = builder.inputType('PullInput', {
  description: 'What to pull.',
  fields: (t) => ({
    ...planArguments(t),
    planToken: t.string({
      validate: z.string().min(1).max(16_384),
      description:
        'The `token` of a plan: the pull goes exactly where that said, whatever the remote has by now, or its job fails with `CONFLICT` because HEAD, what is staged or the branch has moved since. branch, hash, strategy and command are then those of the plan, and may be left out.',
    }),
    idempotencyKey: t.string(idempotencyKey),
    ifBusy: t.field(ifBusy),
    wait: t.boolean(wait),
  }),
});

const RunInput = builder.inputType('RunInput', {
  description: 'What to run.',
  fields: (t) => ({
    repo: t.string({ required: true, validate: name, description: "The repository's name." }),
    command: t.string({
      required: true,
      validate: name,
      description: "The configured command's name.",
    }),
    idempotencyKey: t.string(idempotencyKey),
    ifBusy: t.field(ifBusy),
    wait: t.boolean(wait),
  }),
});

const CancelInput = builder.inputType('CancelInput', {
  description: 'What to cancel.',
  fields: (t) => ({
    job: t.id({ required: true, description: "The job's `id` or `key`." }),
    wait: t.boolean({
      defaultValue: false,
      description: 'Answer when it has ended, instead of when it was told to.',
    }),
  }),
});

function payload(typeName: string, description: string) {
  return builder.objectRef<{ job: Job }>(typeName).implement({
    description,
    fields: (t) => ({ job: t.expose('job', { type: JobType, description: 'The job.' }) }),
  });
}

const PullPayload = payload('PullPayload', 'What `pull` answers.');
const RunPayload = payload('RunPayload', 'What `run` answers.');
const CancelPayload = payload('CancelPayload', 'What `cancel` answers.');

interface Options {
  readonly idempotencyKey?: string | null | undefined;
  readonly ifBusy?: 'REJECT' | 'WAIT' | null | undefined;
  readonly wait?: boolean | null | undefined;
}

async function submit(
  context: SchemaContext,
  request: Pick<
    JobRequest,
    'repo' | 'kind' | 'branch' | 'hash' | 'strategy' | 'command' | 'planned'
  >,
  asked: object,
  { ifBusy, wait, idempotencyKey: key }: Options,
): Promise<{ job: Job }> {
  if (request.kind === 'PULL') requireScope(context.caller, 'pull');
  if (request.command !== null) requireScope(context.caller, 'run');
  const accepted = context.jobs.submit(
    {
      ...request,
      caller: context.caller.name,
      trigger: 'graphql',
      ...(key != null && { idempotency: { key, asked } }),
    },
    ifBusy ?? 'REJECT',
  );
  if (wait !== true) return { job: accepted };
  const job = await context.jobs.wait(accepted.id, context.signal);
  context.forget();
  return { job };
}

builder.mutationFields((t) => ({
  pull: t.field({
    type: PullPayload,
    description:
      'Fetches, brings the working copy to a branch or commit, then runs a command. What is refused is refused before HEAD, index or working tree are touched; a refusal that is found after the fetch is the `error` of the job.',
    args: { input: t.arg({ type: PullInput, required: true, description: 'What to pull.' }) },
    resolve: async (_root, { input }, context) => {
      const { config } = getReadable(context, input.repo);
      const { ifBusy: _how, wait: _when, idempotencyKey: _key, ...asked } = input;
      const hash = input.hash == null ? null : parseAbbreviatedOid(input.hash);
      if (input.planToken != null) {
        const planned = context.plans.resume(input.planToken, { ...input, hash });
        return await submit(context, { ...planned, kind: 'PULL' }, asked, input);
      }
      const branch = input.branch ?? config.branch ?? null;
      const request = {
        repo: input.repo,
        kind: 'PULL' as const,
        branch: branch === null ? null : parseBranchName(branch),
        hash,
        strategy: input.strategy ?? config.strategy,
        command: input.command ?? null,
      };
      return await submit(context, request, asked, input);
    },
  }),
  run: t.field({
    type: RunPayload,
    description: 'Runs a configured command in the repository, under its lock, without pulling.',
    args: { input: t.arg({ type: RunInput, required: true, description: 'What to run.' }) },
    resolve: async (_root, { input }, context) => {
      const { repo, command } = input;
      getReadable(context, repo);
      const request = {
        repo,
        command,
        kind: 'RUN',
        branch: null,
        hash: null,
        strategy: null,
      } as const;
      return await submit(context, request, { repo, command }, input);
    },
  }),
  cancel: t.field({
    type: CancelPayload,
    description:
      'Ends a job with all processes it started. One that has ended already stays as it is.',
    args: { input: t.arg({ type: CancelInput, required: true, description: 'What to cancel.' }) },
    resolve: async (_root, { input }, context) => {
      requireScope(context.caller, 'run');
      const job = context.jobs.cancel(parseJobId(input.job));
      if (input.wait !== true) return { job };
      return { job: await context.jobs.wait(job.id, context.signal) };
    },
  }),
}));
