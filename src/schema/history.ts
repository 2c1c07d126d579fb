import { z } from 'zod';
import { parseTreePath } from '../git/git-path.ts';
import type { HistoryFilter } from '../git/history.ts';
import { AppError } from '../error.ts';
import { builder } from './builder.ts';
import { commitId, commitOrId, CommitType, type CommitKey } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';

const MAX_PAGE = 100;

/** What the arguments of a connection say of its page. */
interface PageArguments {
  readonly first?: number | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
  readonly after?: string | null | undefined;
}

const CommitAuthor = builder.inputType('CommitAuthor', {
  description: 'Whose commits are wanted.',
  fields: (t) => ({
    emails: t.stringList({
      required: true,
      description: "Their author's address is one of these, in upper or lower case; 20 at most.",
      validate: z.array(z.string()).min(1).max(20),
    }),
  }),
});

export const CommitHistoryConnection = builder.connectionObject(
  {
    type: CommitType,
    name: 'CommitHistoryConnection',
    description:
      'A page of a history. How many commits there are is not counted: it would cost a walk over all of them.',
  },
  { name: 'CommitHistoryEdge', description: 'A commit and its place in a history.' },
);

builder.objectFields(CommitType, (t) => ({
  history: t.connection(
    {
      type: CommitType,
      description:
        'This commit and what it was made upon, as `git log` lists them: of the commits that were reached, the youngest first. A page costs one git child at most, also far back, and none where its commits were read lately; with `path`, `author`, `since` or `until` git walks over all commits before the page again. Pages stay what they are while new commits arrive: a cursor knows with which commit its history began. It is paged forwards only.',
      args: {
        path: t.arg.string({
          description:
            'Only commits that changed something at or below this path; history is simplified as `git log -- PATH` does it.',
        }),
        pathRaw: t.arg({
          type: 'Base64',
          description: 'The same as bytes, for a path that is not UTF-8.',
        }),
        author: t.arg({ type: CommitAuthor, description: 'Only commits of this author.' }),
        since: t.arg({
          type: 'DateTime',
          description:
            'Only commits committed at this moment or later. An older commit also hides what comes before it.',
        }),
        until: t.arg({
          type: 'DateTime',
          description: 'Only commits committed at this moment or earlier.',
        }),
        firstParent: t.arg.boolean({
          defaultValue: false,
          description: 'Whether to follow only the first parent of merges.',
        }),
      },
      resolve: async (commit, args, context) =>
        await resolveHistory(context, commit, args, {
          ...pathFilter(args.path, args.pathRaw),
          ...(args.firstParent === true ? { firstParent: true } : {}),
          ...(args.since == null ? {} : { since: args.since }),
          ...(args.until == null ? {} : { until: args.until }),
          ...(args.author == null ? {} : { emails: args.author.emails }),
        }),
    },
    CommitHistoryConnection,
  ),
}));

/**
 * Reads a page. What is asked about its commits costs no child.
 * @throws AppError
 */
export async function resolveHistory(
  context: SchemaContext,
  { repo, oid }: CommitKey,
  args: PageArguments,
  filter: HistoryFilter,
) {
  if (args.last != null || args.before != null) {
    throw new AppError('BAD_USER_INPUT', 'a history is paged forwards: use first and after');
  }
  const { repository } = getReadable(context, repo);
  const page = await context.histories.read(repository, oid, {
    first: readFirst(args.first),
    after: args.after ?? undefined,
    filter,
    signal: context.signal,
  });
  const read = [...page.commits, ...page.parents];
  context.countHistory(read.reduce((sum, { bytes }) => sum + bytes, 0));
  for (const { oid: id, commit } of read) {
    if (commit !== null) context.knownCommits.set(commitId({ repo, oid: id }), { ...commit, repo });
  }
  return {
    edges: page.commits.map((record, index) => ({
      // Only computed where it is asked for.
      get cursor(): string {
        return page.cursorAt(index);
      },
      node: commitOrId(context, { repo, oid: record.oid }),
    })),
    pageInfo: {
      hasNextPage: page.hasNextPage,
      hasPreviousPage: args.after != null,
      get startCursor(): string | null {
        return page.commits.length === 0 ? null : page.cursorAt(0);
      },
      get endCursor(): string | null {
        return page.commits.length === 0 ? null : page.cursorAt(page.commits.length - 1);
      },
    },
  };
}

function readFirst(first: number | null | undefined): number {
  if (first == null) return 20;
  if (first >= 0) return Math.min(first, MAX_PAGE);
  throw new AppError('BAD_USER_INPUT', '"first" must not be negative');
}

/** @throws AppError BAD_USER_INPUT */
export function pathFilter(
  path: string | null | undefined,
  pathRaw: Buffer | null | undefined,
): Pick<HistoryFilter, 'path'> {
  const bytes = readPath(path, pathRaw);
  // The top of the tree: every commit that changed anything, and those that did not.
  return bytes === null || bytes.length === 0 ? {} : { path: bytes };
}

/**
 * A path as a field's two arguments say it; null when neither does.
 * @throws AppError BAD_USER_INPUT
 */
export function readPath(
  path: string | null | undefined,
  pathRaw: Buffer | null | undefined,
): Buffer | null {
  if (path != null && pathRaw != null) {
    throw new AppError('BAD_USER_INPUT', 'give "path" or "pathRaw", not both');
  }
  const given = pathRaw ?? (path == null ? null : Buffer.from(path));
  return given === null ? null : parseTreePath(given);
}
