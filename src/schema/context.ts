import DataLoader from 'dataloader';
import { setMaxListeners } from 'node:events';
import { requireScope, type Caller } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import { readCommit } from '../git/commit-reader.ts';
import type { Commit } from '../git/commit.ts';
import type { Git } from '../git/git.ts';
import { pathBytes, type GitPath } from '../git/git-path.ts';
import type { Head } from '../git/head.ts';
import { findLastCommits } from '../git/last-commit.ts';
import type { HistoryReader } from '../git/history.ts';
import type { ObjectInfo, ObjectReader } from '../git/object-reader.ts';
import type { Oid } from '../git/oid.ts';
import { findListedRefs, type ListedRef } from '../git/ref-list.ts';
import type { RefName } from '../git/ref-name.ts';
import type { Repository } from '../git/repository.ts';
import type { Status } from '../git/status.ts';
import { readTree } from '../git/tree-path.ts';
import type { TreeEntry } from '../git/tree.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { Plans } from '../jobs/plans.ts';
import type { Repositories, ServedRepository } from '../jobs/repositories.ts';
import type { CopyState, Live } from '../live/live.ts';
import { objectId, type ObjectKey } from './object-key.ts';

/** What the schema's fields ask: one for the whole agent. */
export interface Services {
  readonly git: Git;
  readonly objects: ObjectReader;
  readonly histories: HistoryReader;
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
  /** An object's type and size. */
  readonly objectInfo: DataLoader<ObjectKey, ObjectInfo, string>;
  /** A tree's entries. */
  readonly tree: DataLoader<ObjectKey, readonly TreeEntry[], string>;
  /** The last commits of names in folders, one walk for each folder of a commit; null when it is not there. */
  readonly lastCommit: DataLoader<PlaceKey, Oid | null, string>;
  /** What pages of history have brought along, by global id: no loader need be waited for. */
  readonly knownCommits: Map<string, RepoCommit>;
  /** Counts what a page of history holds. @throws AppError LIMIT_EXCEEDED when the pages are too much together */
  readonly countHistory: (bytes: number) => void;
  /** Refs by their full names, one git child for each repository; null when there is none. */
  readonly ref: DataLoader<RefKey, ListedRef | null, string>;
  /** Forgets what was read, as each event of a subscription must. */
  readonly forget: () => void;
  /** Forgets what was read, and takes a repository's state, or why it has none, from an event that says it. */
  readonly show: (repo: string, state: CopyState | Error) => void;
}

/** A commit, and the repository it was read from. */
export interface RepoCommit extends Commit {
  readonly repo: string;
}

/** Bytes of trees that one operation may read. */
const MAX_TREE_BYTES = 32 * 1024 * 1024;
/** Bytes of commits that the histories of one operation may hold: each page may have 16 MiB, and there can be 200. */
const MAX_HISTORY_BYTES = 32 * 1024 * 1024;

/** A name in a folder of a commit. */
export interface PlaceKey {
  readonly repo: string;
  readonly commit: Oid;
  /** null at the top. */
  readonly folder: GitPath | null;
  readonly name: GitPath;
}

export interface RefKey {
  readonly repo: string;
  readonly name: RefName;
}

export function createContext(services: Services, operation: Operation): SchemaContext {
  const { git, live, objects, repositories } = services;
  const { signal } = operation;
  // As many reads listen to it as run at once, which is no leak.
  setMaxListeners(0, signal);
  const states = loader(async (name: string) => await live.read(name, signal));
  const repositoryOf = (name: string): Repository =>
    getReadable({ ...operation, repositories }, name).repository;
  const objectInfo = keyedLoader(
    objectId,
    async ({ repo, oid }) => await objects.info(repositoryOf(repo), oid, signal),
  );
  const trees = createBudget(MAX_TREE_BYTES, 'trees');
  const commits = createBudget(MAX_HISTORY_BYTES, 'commits in the histories');
  const tree = keyedLoader(objectId, async ({ repo, oid }) => {
    const { size } = await objectInfo.load({ repo, oid });
    // A small repository can hold large trees by the thousand, and the answer holds them all.
    trees.take(size);
    return await readTree(objects, repositoryOf(repo), oid, signal);
  });
  const lastCommit = groupedLoader(
    ({ repo, commit, folder }: PlaceKey) => JSON.stringify([repo, commit, folder && keyOf(folder)]),
    ({ name }) => keyOf(name),
    async ([first, ...others]): Promise<Map<string, Oid>> => {
      const { repo, commit, folder } = first;
      const names = [first, ...others].map(({ name }) => name);
      const deps = { git, objects, repository: repositoryOf(repo), signal };
      return await findLastCommits(deps, commit, folder, names);
    },
  );
  const knownCommits = new Map<string, RepoCommit>();
  const ref = groupedLoader(
    ({ repo }: RefKey) => repo,
    ({ name }) => name,
    async ([first, ...others]): Promise<Map<string, ListedRef>> => {
      const names = [first, ...others].map(({ name }) => name);
      return await findListedRefs(git, repositoryOf(first.repo), names, signal);
    },
  );
  return {
    ...services,
    ...operation,
    status: { load: async (repo) => (await states.load(repo)).status },
    head: { load: async (repo) => (await states.load(repo)).head },
    objectInfo,
    tree,
    lastCommit,
    knownCommits,
    countHistory(bytes) {
      commits.take(bytes);
    },
    ref,
    forget() {
      states.clearAll();
      ref.clearAll();
      // These stay true, but a subscription would gather them for ever.
      objectInfo.clearAll();
      tree.clearAll();
      lastCommit.clearAll();
      knownCommits.clear();
      trees.reset();
      commits.reset();
    },
    show(repo, state) {
      states.clearAll().prime(repo, state);
    },
  };
}

/** What one operation may hold of something. */
function createBudget(
  maxBytes: number,
  what: string,
): {
  /** @throws AppError LIMIT_EXCEEDED when it is too much together */
  take(bytes: number): void;
  reset(): void;
} {
  let taken = 0;
  return {
    take(bytes) {
      taken += bytes;
      if (taken <= maxBytes) return;
      throw new AppError(
        'LIMIT_EXCEEDED',
        `the ${what} of this query have more than ${maxBytes} bytes; ask for fewer of them`,
      );
    },
    reset() {
      taken = 0;
    },
  };
}

/** The repository, if the caller may read it. @throws AppError NOT_FOUND, UNAUTHENTICATED, FORBIDDEN */
export function getReadable(
  context: Pick<SchemaContext, 'caller' | 'repositories'>,
  name: string,
): ServedRepository {
  requireScope(context.caller, 'read');
  return context.repositories.get(name);
}

/** Reads commits of one repository, several at once. */
export async function loadCommits(
  context: SchemaContext,
  keys: readonly { readonly repo: string; readonly oid: Oid }[],
): Promise<(RepoCommit | Error)[]> {
  const read = keys.map(async ({ repo, oid }) => {
    const { repository } = getReadable(context, repo);
    return { ...(await readCommit(context.objects, repository, oid, context.signal)), repo };
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

/** The same for keys that are not text. */
function keyedLoader<K, T>(
  keyOf: (key: K) => string,
  read: (key: K) => Promise<T>,
): DataLoader<K, T, string> {
  return new DataLoader(
    async (keys: readonly K[]) => {
      const settled = await Promise.allSettled(keys.map(read));
      return settled.map((each) =>
        each.status === 'fulfilled' ? each.value : toError(each.reason),
      );
    },
    { cacheKeyFn: keyOf },
  );
}

/** A loader whose keys are read by groups, each at once; null for what is not found. */
function groupedLoader<K, T>(
  groupOf: (key: K) => string,
  nameOf: (key: K) => string,
  read: (keys: [K, ...K[]]) => Promise<ReadonlyMap<string, T>>,
): DataLoader<K, T | null, string> {
  return new DataLoader(
    async (keys: readonly K[]) => {
      const groups = new Map<string, [K, ...K[]]>();
      for (const key of keys) {
        const group = groups.get(groupOf(key));
        if (group === undefined) groups.set(groupOf(key), [key]);
        else group.push(key);
      }
      const found = new Map<string, Promise<ReadonlyMap<string, T>>>();
      for (const [name, group] of groups) found.set(name, read(group));
      const settled = await Promise.allSettled(
        keys.map(async (key) => (await found.get(groupOf(key)))?.get(nameOf(key)) ?? null),
      );
      return settled.map((each) =>
        each.status === 'fulfilled' ? each.value : toError(each.reason),
      );
    },
    { cacheKeyFn: (key) => `${groupOf(key)} ${nameOf(key)}` },
  );
}

/** A path or name by its bytes. */
function keyOf(path: GitPath): string {
  return pathBytes(path).toString('latin1');
}

function toError(reason: unknown): Error {
  return reason instanceof Error ? reason : new Error(String(reason));
}
