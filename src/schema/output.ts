import { requireScope } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import type { Following } from '../jobs/follow.ts';
import type { Job } from '../jobs/job.ts';
import type { OutputChunk } from '../jobs/output-chunk.ts';
import { checkOffset, formatCursor, parseCursor } from '../jobs/output-cursor.ts';
import { builder } from './builder.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { findJob, JobType, parseJobId } from './job.ts';

const OutputChunkType = builder.objectRef<OutputChunk>('OutputChunk').implement({
  description:
    'Part of what a job printed, stdout and stderr in the order they came, colours included. It never ends inside a character.',
  fields: (t) => ({
    job: t.field({
      type: JobType,
      description: 'The job that printed it.',
      resolve: ({ jobId }, _args, context) => getJob(context, jobId),
    }),
    offset: t.expose('offset', {
      type: 'ByteOffset',
      description: "Where it begins, in bytes from the beginning of the job's output.",
    }),
    cursor: t.string({
      description: 'Give it as `after` to go on behind this chunk.',
      resolve: ({ jobId, end }) => formatCursor(jobId, end),
    }),
    text: t.exposeString('text', {
      description: 'What it says; U+FFFD stands for bytes that are not UTF-8.',
    }),
    textRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: 'Its bytes when they are not UTF-8, else null.',
      resolve: ({ raw }) => raw ?? null,
    }),
    leftOut: t.expose('leftOut', {
      type: 'ByteOffset',
      nullable: true,
      description:
        'How many bytes are not kept here: of an output beyond `limits.output_bytes` the middle is cut out, and `text` is a line that says so. null elsewhere.',
    }),
  }),
});

const DEFAULT_CHUNKS = 20;
const MAX_CHUNKS = 100;

builder.objectFields(JobType, (t) => ({
  isOutputKept: t.boolean({
    description:
      'Whether what it printed can still be read; false when it was removed for its age, or for room (`retention` in the configuration), and `output` is empty then.',
    resolve: (job, _args, { jobs }) => !jobs.isOutputRemoved(job.id),
  }),
  output: t.connection(
    {
      type: OutputChunkType,
      description:
        'What it has printed so far, in chunks of 64 KiB at most. `hasNextPage` says whether there is more now; subscribe to `output` to wait for what comes.',
      resolve: async (job, { first, after, last, before }, context) => {
        if (last != null || before != null) {
          throw new AppError('BAD_USER_INPUT', 'output is paged forwards: use first and after');
        }
        if (first != null && first < 0) {
          throw new AppError('BAD_USER_INPUT', 'first must not be negative');
        }
        const log = await context.jobs.openOutput(job.id);
        const wanted = Math.min(first ?? DEFAULT_CHUNKS, MAX_CHUNKS);
        const chunks: OutputChunk[] = [];
        let offset = after == null ? 0 : parseCursor(after, job.id);
        while (chunks.length < wanted) {
          const chunk = offset < log.size ? await log.read(offset) : null;
          if (chunk === null) break;
          chunks.push(chunk);
          offset = chunk.end;
        }
        const edges = chunks.map((node) => ({ node, cursor: formatCursor(job.id, node.end) }));
        return {
          edges,
          pageInfo: {
            hasNextPage: offset < log.size,
            hasPreviousPage: (chunks[0]?.offset ?? offset) > 0,
            startCursor: edges.at(0)?.cursor ?? null,
            endCursor: edges.at(-1)?.cursor ?? null,
          },
        };
      },
    },
    { name: 'OutputConnection' },
    { name: 'OutputEdge' },
  ),
}));

builder.subscriptionFields((t) => ({
  output: t.field({
    type: OutputChunkType,
    description:
      'What a job prints: first what it has printed already, then what comes, complete and in order. Ends with the job. A slow reader gets longer chunks.',
    args: {
      job: t.arg.id({ description: "The job's `id` or `key`." }),
      repo: t.arg.string({
        description:
          'Instead of a job: the one that runs in this repository, or the next one to run there.',
      }),
      after: t.arg.string({
        description: 'Only what follows this cursor, which names the job too.',
      }),
    },
    subscribe: async (_root, args, context) => {
      requireScope(context.caller, 'read');
      const chosen = chooseJob(args, context);
      if ('id' in chosen) {
        const { id } = chosen;
        const offset = args.after == null ? 0 : parseCursor(args.after, id);
        if (context.jobs.isOutputRemoved(id)) {
          throw new AppError('NOT_FOUND', `the output of job ${id} is not kept any more`);
        }
        checkOffset(offset, (await context.jobs.openOutput(id)).size);
        return await context.jobs.followOutput(id, offset);
      }
      return openLater(async (signal) => {
        const { id } = await context.jobs.waitForJob(chosen.repo, signal);
        return await context.jobs.followOutput(id, 0);
      });
    },
    resolve: (chunk, _args, context) => {
      context.forget();
      return chunk;
    },
  }),
}));

/** Checks the arguments, and finds the job, or the repository whose next one is meant. */
function chooseJob(
  args: {
    readonly job?: string | null | undefined;
    readonly repo?: string | null | undefined;
    readonly after?: string | null | undefined;
  },
  context: SchemaContext,
): { readonly id: string } | { readonly repo: string } {
  if (args.job != null && args.repo != null) {
    throw new AppError('BAD_USER_INPUT', 'give either a job or a repo');
  }
  const named = args.job ?? args.after?.split(':')[0];
  if (named !== undefined) {
    return { id: getJob(context, parseJobId(named)).id };
  }
  if (args.repo == null) throw new AppError('BAD_USER_INPUT', 'give a job or a repo');
  return { repo: getReadable(context, args.repo).name };
}

/** Follows what takes time to open; whoever leaves meanwhile ends that too. */
function openLater<T>(open: (signal: AbortSignal) => Promise<Following<T>>): Following<T> {
  const left = new AbortController();
  let source: Promise<Following<T>> | undefined;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        source ??= open(left.signal);
        return await (await source).next();
      } catch (error) {
        if (left.signal.aborted) return { done: true, value: undefined };
        throw error;
      }
    },
    each(take, end) {
      source ??= open(left.signal);
      source.then(
        (opened) => {
          opened.each(take, end);
        },
        (error: unknown) => {
          end(left.signal.aborted ? undefined : (error as Error));
        },
      );
    },
    async return() {
      left.abort();
      const opened = await source?.catch(() => undefined);
      await opened?.return();
      return { done: true, value: undefined };
    },
  };
}

function getJob(context: SchemaContext, id: string): Job {
  const job = findJob(context, id);
  if (job === null) throw new AppError('NOT_FOUND', `there is no job ${id}`);
  return job;
}
