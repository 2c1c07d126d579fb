import { AppError } from '../error.ts';
import { isOid, type Oid } from '../git/oid.ts';
import { parseRevisionExpression, peeled } from '../git/revision-expression.ts';
import { builder } from './builder.ts';
import { CommitType } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { GitObjectType } from './git-object.ts';
import { loadObject, viewOf, type TreeView } from './load-object.ts';
import { objectId } from './object-key.ts';
import { RepoType } from './repo.ts';
import { findFile, loadEntry, treeOf } from './tree.ts';

builder.interfaceField(GitObjectType, 'repository', (t) =>
  t.field({
    type: RepoType,
    description: 'The repository that it was read from.',
    resolve: ({ repo }, _args, context) => ({ served: getReadable(context, repo) }),
  }),
);

builder.objectField(RepoType, 'object', (t) =>
  t.field({
    type: GitObjectType,
    nullable: true,
    description:
      'Finds a commit, tree, blob or tag; null when there is none, and for a submodule. Costs no git child of its own.',
    args: {
      expression: t.arg.string({
        description:
          'A revision as git knows it, such as `main`, `HEAD~3`, `v1.0^{tree}` or an id, and `:PATH` behind it for what lies in it: `main:src`. Searches (`:/TEXT`, `^{/TEXT}`) and the reflog (`@{1}`) are refused.',
      }),
      oid: t.arg.string({ description: 'A full object id instead.' }),
    },
    resolve: async ({ served }, { expression, oid }, context) => {
      if ((expression == null) === (oid == null)) {
        throw new AppError('BAD_USER_INPUT', 'give either "expression" or "oid"');
      }
      const found = (async () =>
        expression == null
          ? await findByOid(context, served.name, oid ?? '')
          : await findByExpression(context, served.name, expression))();
      return await found.catch((error: unknown) => {
        if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
        throw error;
      });
    },
  }),
);

async function findByOid(context: SchemaContext, repo: string, oid: string) {
  const id = oid.toLowerCase();
  if (isOid(id)) return await loadObject(context, { repo, oid: id });
  throw new AppError(
    'BAD_USER_INPUT',
    `${JSON.stringify(oid.slice(0, 80))} is not a full object id: give all its digits, or an "expression"`,
  );
}

async function findByExpression(context: SchemaContext, repo: string, expression: string) {
  const { objects, signal } = context;
  const { repository } = getReadable(context, repo);
  const { revision, path } = parseRevisionExpression(expression);
  if (path === null) {
    const info = await objects.resolve(repository, revision, signal);
    return info === null ? null : await viewOf(context, repo, info);
  }
  // Asked together, and so of the same moment: what it names may be a commit, or only a tree.
  const [commit, tree] = await Promise.all([
    objects.resolve(repository, peeled(revision, 'commit'), signal),
    objects.resolve(repository, peeled(revision, 'tree'), signal),
  ]);
  const top = await topOf(context, repo, commit?.oid, tree?.oid);
  if (top === null || path.text === '') return top;
  const entry = await findFile(context, top, path);
  return entry === null ? null : await loadEntry(context, entry);
}

async function topOf(
  context: SchemaContext,
  repo: string,
  commit: Oid | undefined,
  tree: Oid | undefined,
): Promise<TreeView | null> {
  if (commit !== undefined) {
    const { treeOid } = await CommitType.getDataloader(context).load(
      objectId({ repo, oid: commit }),
    );
    return treeOf(repo, commit, treeOid);
  }
  return tree === undefined ? null : { kind: 'tree', repo, oid: tree, commit: null, path: null };
}
