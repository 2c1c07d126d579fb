import DataLoader from 'dataloader';
import { setMaxListeners } from 'node:events';
import { requireScope, type Caller } from '../auth/caller.ts';
import { readCommit } from '../git/commit-reader.ts';
import type { Commit } from '../git/commit.ts';
import type { Git } from '../git/git.ts';
import type { Head } from '../git/head.ts';
import type { Oid } from '../git/oid.ts';
import type { Status } from '../git/status.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Plans } from '../jobs/plans.ts';
import type { Repositories, ServedRepository } from '../jobs/repositories.ts';
import type { CopyState, Live } from '../live/live.ts';

/** What the schema's fields ask: one for the whole agent. */
export interface Services {
  readonly git: Git;
  readonly repositories: Repositories;
  readonly jobs: Jobs;
  readonly plans: Plans;
  readonly live: Live;
}

/** Who runs an operation, and how. */
export interface Operation {
  readonly caller: Caller;
  /** Where the client reached the agent, such as `http://127.0.0.1:10000`. */
  readonly baseUrl: string;
  /** Aborted when nobody waits for the answer any more. */
  readonly signal: AbortSignal;
}

/** What the fields of one operation share. */
export interface SchemaContext extends Services, Operation {
  /** A working tree's status, read at most once however many fields ask; null for a bare one. */
  readonly status: { readonly load: (repo: string) => Promise<Status | null> };
  /** Where HEAD stands; the status' own answer where there is one. */
  readonly head: { readonly load: (repo: string) => Promise<Head> };
  /** Forgets what was read, as each event of a subscription must. */
  readonly forget: () => void;
  /** Forgets what was read, and takes a repository's state, or why it has none, from an event that says it. */
  readonly show: (repo: string, state: CopyState | Error) => void;
}

export function createContext(services: Services, operation: Operation): SchemaContext {
  const { live } = services;
  const { signal } = operation;
  // As many reads listen to it as run at once, which is no leak.
  setMaxListeners(0, signal);
  const states = loader(async (name: string) => await live.read(name, signal));
  return {
    ...services,
    ...operation,
    status: { load: async (repo) => (await states.load(repo)).status },
    head: { load: async (repo) => (await states.load(repo)).head },
    forget() {
      states.clearAll();
    },
    show(repo, state) {
      states.clearAll().prime(repo, state);
    },
  };
}

/** The repository, if the caller may read it. @throws AppError NOT_FOUND, UNAUTHENTICATED, FORBIDDEN */
export function getReadable(context: SchemaContext, name: string): ServedRepository {
  requireScope(context.caller, 'read');
  return context.repositories.get(name);
}

/** Reads commits of one repository, several at once. */
export async function loadCommits(
  context: SchemaContext,
  keys: readonly { readonly repo: string; readonly oid: Oid }[],
): Promise<(Commit | Error)[]> {
  const read = keys.map(async ({ repo, oid }) => {
    const { repository } = getReadable(context, repo);
    return await readCommit(context.git, repository, oid, context.signal);
  });
  const settled = await Promise.allSettled(read);
  return settled.map((each) => (each.status === 'fulfilled' ? each.value : toError(each.reason)));
}

/** A loader whose keys are read side by side: `git` itself bounds how many children that starts at once. */
function loader<T>(read: (name: string) => Promise<T>): DataLoader<string, T> {
  return new DataLoader(async (names: readonly string[]) => {
    const settled = await Promise.allSettled(names.map(read));
    return settled.map((each) => (each.status === 'fulfilled' ? each.value : toError(each.reason)));
  });
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
