import { watchOutputDocument, watchRepoJobsDocument } from './documents.ts';
import type { WatchOutputSubscription } from './generated/graphql.ts';
import type { GitAgentClient } from './client.ts';

/** A piece of a job's output. */
export type OutputChunk = WatchOutputSubscription['output'];

export interface FollowOutputOptions {
  /** The job's `id` or `key`. */
  readonly job?: string;
  /** Instead of a job: the one that runs in this repository, or the next one to run there. */
  readonly repo?: string;
  /** The `cursor` of the last chunk that is known already. It names the job too. */
  readonly after?: string;
  readonly signal?: AbortSignal;
}

/**
 * What a job prints, from the beginning or behind `after`, over any number of connections: each byte
 * once, in order. Ends with the job.
 */
export function followOutput(
  client: Pick<GitAgentClient, 'subscribe'>,
  options: FollowOutputOptions,
): AsyncIterableIterator<OutputChunk, undefined> {
  const left = new AbortController();
  const chunks = readChunks(client, options, left.signal);
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      try {
        const result = await chunks.next();
        return result.done === true ? { done: true, value: undefined } : result;
      } catch (error) {
        if (left.signal.aborted) return { done: true, value: undefined };
        throw error;
      }
    },
    async return() {
      // First: a generator's return() waits for its pending next().
      left.abort();
      await chunks.return(undefined).catch(() => undefined);
      return { done: true, value: undefined };
    },
  };
}

async function* readChunks(
  client: Pick<GitAgentClient, 'subscribe'>,
  { job, repo, after, signal }: FollowOutputOptions,
  left: AbortSignal,
): AsyncGenerator<OutputChunk, undefined> {
  const options = { signal: signal === undefined ? left : AbortSignal.any([left, signal]) };
  if ((job ?? repo ?? after) === undefined) throw new TypeError('give a job, a repo or a cursor');
  let named = job;
  if (after === undefined && repo !== undefined) named ??= await findJob(client, repo, options);
  const variables = {
    ...(named !== undefined && { job: named }),
    ...(after !== undefined && { after }),
  };
  const results = client.subscribe(watchOutputDocument, variables, {
    ...options,
    resume: ({ output }) => ({ after: output.cursor }),
  });
  for await (const { output } of results) yield output;
  return undefined;
}

/**
 * The job that runs in a repository, or the next one. The agent could wait for it itself, but when the
 * connection breaks meanwhile, and the job begins and ends, that would wait for the one after it.
 */
async function findJob(
  client: Pick<GitAgentClient, 'subscribe'>,
  repo: string,
  options: { readonly signal: AbortSignal },
): Promise<string> {
  let newest: string | undefined;
  for await (const { busy } of client.subscribe(watchRepoJobsDocument, { repo }, options)) {
    const jobs = busy.jobs.nodes;
    const open = jobs.findLast(({ state }) => state === 'RUNNING' || state === 'QUEUED');
    if (open !== undefined) return open.key;
    if (newest !== undefined) {
      const known = jobs.findIndex(({ key }) => key === newest);
      const next = (known === -1 ? jobs : jobs.slice(0, known)).at(-1);
      if (next !== undefined) return next.key;
    }
    newest ??= jobs[0]?.key ?? '';
  }
  // The client was closed.
  throw new DOMException('the client was closed', 'AbortError');
}
