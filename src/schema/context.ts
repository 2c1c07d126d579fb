import DataLoader from 'dataloader';
import { setMaxListeners } from 'node:events';
import { requireScope, type Caller } from '../auth/caller.ts';
import { readCommit } from '../git/commit-reader.ts';
import type { Commit } from '../git/commit.ts';
import type { Git } from '../git/git.ts';
import { readHead, type Head } from '../git/head.ts';
import type { ObjectReader } from '../git/object-reader.ts';
import type { Oid } from '../git/oid.ts';
import { readStatus, type Status } from '../git/status.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Repositories, ServedRepository } from '../jobs/repositories.ts';

/** What the schema's fields ask: one for the whole agent. */
export interface Services {
  readonly git: Git;
  readonly objects: ObjectReader;
  readonly repositories: Repositories;
  readonly jobs: Jobs;
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
  /** A working tree's status by repository name, one `git status` however many fields ask; null for a bare one. */
  readonly status: DataLoader<string, Status | null>;
  /** Where HEAD stands, by repository name; the status' own answer where there is one. */
  readonly head: DataLoader<string, Head>;
  /** Forgets what was read, as each event of a subscription must. */
  readonly forget: () => void;
}

export function createContext(services: Services, operation: Operation): SchemaContext {
  const { git, repositories } = services;
  const { signal } = operation;
  // As many reads listen to it as run at once, which is no leak.
  setMaxListeners(0, signal);
  const status = loader(async (name: string): Promise<Status | null> => {
    const { repository } = repositories.get(name);
    return repository.workTree === null ? null : await readStatus(git, repository, signal);
  });
  const head = loader(async (name: string): Promise<Head> => {
    const known = await status.load(name);
    if (known !== null) return { branch: known.branch, oid: known.head };
    return await readHead(git, repositories.get(name).repository, signal);
  });
  return {
    ...services,
    ...operation,
    status,
    head,
    forget() {
      status.clearAll();
      head.clearAll();
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
    return await readCommit(context.objects, repository, oid, context.signal);
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
