import { readBlame, type BlameRange } from '../git/blame.ts';
import { gitPath } from '../git/git-path.ts';
import { AppError } from '../error.ts';
import { builder } from './builder.ts';
import { commitId, CommitType } from './commit.ts';
import { getReadable } from './context.ts';
import { readPath } from './history.ts';

const BlameRangeType = builder
  .objectRef<BlameRange & { readonly repo: string }>('BlameRange')
  .implement({
    description: 'Lines one after the other that came with one commit.',
    fields: (t) => ({
      startingLine: t.exposeInt('startingLine', { description: 'The first line, counted from 1.' }),
      endingLine: t.exposeInt('endingLine', { description: 'The last line; it counts.' }),
      commit: t.field({
        type: CommitType,
        description: 'The commit that brought them.',
        resolve: ({ repo, commit }) => commitId({ repo, oid: commit }),
      }),
      originalLine: t.exposeInt('originalLine', {
        description: 'Where the first of them stood in that commit, counted from 1.',
      }),
      originalPath: t.string({
        description: 'The path that the file had in that commit; U+FFFD stands where it is not UTF-8.', // prettier-ignore
        resolve: ({ originalPath }) => originalPath.toString('utf8'),
      }),
      originalPathRaw: t.field({
        type: 'Base64',
        nullable: true,
        description: "That path's bytes when they are not UTF-8, else null.",
        resolve: ({ originalPath }) => gitPath(originalPath).raw ?? null,
      }),
    }),
  });

const BlameType = builder
  .objectRef<{ readonly repo: string; readonly ranges: readonly BlameRange[] }>('Blame')
  .implement({
    description: 'Where the lines of a file come from.',
    fields: (t) => ({
      ranges: t.field({
        type: [BlameRangeType],
        description: "All of its lines, in the file's order; none for an empty file.",
        resolve: ({ repo, ranges }) => ranges.map((range) => ({ ...range, repo })),
      }),
    }),
  });

builder.objectFields(CommitType, (t) => ({
  blame: t.field({
    type: BlameType,
    description:
      "Which commit each line of a file comes from. Costs two git children, and the second one walks over the file's whole history. Files up to 8 MiB.",
    args: {
      path: t.arg.string({ description: 'The file.' }),
      pathRaw: t.arg({
        type: 'Base64',
        description: 'The same as bytes. A path that is not UTF-8 is refused.',
      }),
    },
    resolve: async ({ repo, oid }, args, context) => {
      const { repository } = getReadable(context, repo);
      const path = readPath(args.path, args.pathRaw);
      if (path === null) throw new AppError('BAD_USER_INPUT', 'give "path", the file to look at');
      const ranges = await readBlame(context.git, repository, oid, path, context.signal);
      return { repo, ranges };
    },
  }),
}));
