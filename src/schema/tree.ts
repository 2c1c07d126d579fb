import { z } from 'zod';
import { AppError } from '../error.ts';
import { gitPath, type GitPath } from '../git/git-path.ts';
import type { Oid } from '../git/oid.ts';
import { findEntry, joinPath } from '../git/tree-path.ts';
import { SUBMODULE_MODE, type TreeEntry } from '../git/tree.ts';
import { builder } from './builder.ts';
import { commitId, CommitType } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { GitObjectType } from './git-object.ts';
import { loadBlob, loadTree, type TreeView } from './load-object.ts';
import { objectId, parseObjectId } from './object-key.ts';

interface EntryView extends TreeEntry {
  readonly tree: TreeView;
}

const MAX_ENTRIES = 1000;
/** PATH_MAX. */
const MAX_PATH_BYTES = 4096;

export const TreeType = builder.objectRef<TreeView>('Tree');
const TreeEntryType = builder.objectRef<EntryView>('TreeEntry');

builder.node(TreeType, {
  description: 'A folder as git stores it: names, and what lies under each.',
  interfaces: [GitObjectType],
  id: {
    resolve: (tree) => objectId(tree),
    description: 'Identifies this tree in this repository; give it to `node`.',
  },
  loadOne: async (id, context) => await loadTree(context, parseObjectId(id)),
  isTypeOf: (value) =>
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tree',
  fields: (t) => ({
    entries: t.field({
      type: [TreeEntryType],
      description: `Its entries, in git's order. Reading a tree costs no git child of its own.`,
      args: {
        first: t.arg.int({
          defaultValue: MAX_ENTRIES,
          description: `At most so many; ${MAX_ENTRIES} at most.`,
          validate: z.int().min(0).max(MAX_ENTRIES),
        }),
        skip: t.arg.int({
          defaultValue: 0,
          description: 'Leaves out so many from the beginning. A tree never changes.',
          validate: z.int().min(0),
        }),
      },
      resolve: async (tree, { first, skip }, context) => {
        const from = skip ?? 0;
        const entries = await context.tree.load(tree);
        return entries
          .slice(from, from + (first ?? MAX_ENTRIES))
          .map((entry) => ({ ...entry, tree }));
      },
    }),
    entryCount: t.int({
      description: 'How many entries it has.',
      resolve: async (tree, _args, context) => (await context.tree.load(tree)).length,
    }),
  }),
});

TreeEntryType.implement({
  description: 'A name in a tree, and what lies under it.',
  fields: (t) => ({
    name: t.string({
      description: 'Its name; U+FFFD stands where it is not UTF-8.',
      resolve: ({ name }) => name.text,
    }),
    nameRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: "The name's bytes when they are not UTF-8, else null.",
      resolve: ({ name }) => name.raw ?? null,
    }),
    path: t.string({
      description:
        'Its path from the top of the commit that was asked for, or from the tree when that was asked for by its id; U+FFFD stands where it is not UTF-8.',
      resolve: (entry) => pathOf(entry).text,
    }),
    pathRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: "The path's bytes when they are not UTF-8, else null.",
      resolve: (entry) => pathOf(entry).raw ?? null,
    }),
    extension: t.string({
      nullable: true,
      description: "The name's end from its last dot, such as `.md`; null when it has none.",
      resolve: ({ name }) => /[^.](\.[^.]+)$/.exec(name.text)?.[1] ?? null,
    }),
    mode: t.exposeInt('mode', {
      description:
        'The mode as a number: 33188 (octal 100644) a file, 33261 (100755) one to be run, 40960 (120000) a symbolic link, 16384 (040000) a tree, 57344 (160000) a submodule.',
    }),
    type: t.exposeString('type', {
      description: '`blob`, `tree`, or `commit` for a submodule.',
    }),
    size: t.field({
      type: 'ByteOffset',
      nullable: true,
      description: "The blob's size in bytes; null when it is no blob.",
      resolve: async ({ type, oid, tree }, _args, context) =>
        type === 'blob' ? (await context.objectInfo.load({ repo: tree.repo, oid })).size : null,
    }),
    oid: t.exposeString('oid', {
      description: "The object's id; of a submodule, its commit in its own repository.",
    }),
    isSubmodule: t.boolean({
      description: 'Whether another repository belongs here.',
      resolve: ({ mode }) => mode === SUBMODULE_MODE,
    }),
    object: t.field({
      type: GitObjectType,
      nullable: true,
      description: 'The object itself; null for a submodule, which lies in another repository.',
      resolve: async (entry, _args, context) => await loadEntry(context, entry),
    }),
    lastCommit: t.field({
      type: CommitType,
      nullable: true,
      description:
        'The last commit that changed it, as `git log -1` tells it; null when its tree was asked for by id and so is of no commit. Costs one git child for all entries of a folder, which walks back until each is known.',
      resolve: async ({ tree, name }, _args, context) => {
        const { repo, commit, path } = tree;
        if (commit === null) return null;
        const last = await context.lastCommit.load({ repo, commit, folder: path, name });
        return last === null ? null : commitId({ repo, oid: last });
      },
    }),
  }),
});

builder.objectFields(CommitType, (t) => ({
  tree: t.field({
    type: TreeType,
    description: 'The files as they were.',
    resolve: ({ repo, oid, treeOid }) => treeOf(repo, oid, treeOid),
  }),
  file: t.field({
    type: TreeEntryType,
    nullable: true,
    description:
      'What lay at a path, file or folder; null when nothing did. Symbolic links are not followed. Costs a look-up for each folder.',
    args: {
      path: t.arg.string({
        description: 'From the top, such as `src/main.ts`.',
        validate: z.string().max(MAX_PATH_BYTES),
      }),
      pathRaw: t.arg({
        type: 'Base64',
        description: 'Its bytes instead, for a path that is not UTF-8.',
      }),
    },
    resolve: async ({ repo, oid, treeOid }, { path, pathRaw }, context) =>
      await findFile(context, treeOf(repo, oid, treeOid), readPath(path, pathRaw)),
  }),
}));

/** The tree at the top of a commit. */
export function treeOf(repo: string, commit: Oid, treeOid: Oid): TreeView {
  return { kind: 'tree', repo, oid: treeOid, commit, path: null };
}

/** Finds what lies at a path below a tree. @throws AppError as `readTree` does */
export async function findFile(
  context: SchemaContext,
  tree: TreeView,
  path: GitPath,
): Promise<EntryView | null> {
  const { objects, signal } = context;
  const { repository } = getReadable(context, tree.repo);
  const entry = await findEntry(objects, repository, tree.oid, path, signal);
  if (entry === null) return null;
  // A slash too many at the end is not part of it.
  const bytes = (path.raw ?? Buffer.from(path.text)).toString('latin1').replace(/\/$/, '');
  const slash = bytes.lastIndexOf('/');
  const folder = slash === -1 ? null : gitPath(Buffer.from(bytes.slice(0, slash), 'latin1'));
  return { ...entry, tree: { ...tree, path: folder } };
}

/** The object under a name; null for a submodule. */
export async function loadEntry(context: SchemaContext, entry: EntryView) {
  const { type, oid, tree } = entry;
  if (type === 'commit') return null;
  const key = { repo: tree.repo, oid };
  if (type === 'blob') return await loadBlob(context, key);
  const { commit } = tree;
  return { kind: 'tree', ...key, commit, path: pathOf(entry) } satisfies TreeView;
}

function pathOf({ tree, name }: EntryView): GitPath {
  return joinPath(tree.path, name);
}

function readPath(text: string | null | undefined, raw: Buffer | null | undefined): GitPath {
  if ((text == null) === (raw == null)) {
    throw new AppError('BAD_USER_INPUT', 'give either "path" or "pathRaw"');
  }
  const bytes = raw ?? Buffer.from(text ?? '');
  if (bytes.length > MAX_PATH_BYTES) {
    throw new AppError('BAD_USER_INPUT', `a path has at most ${MAX_PATH_BYTES} bytes`);
  }
  return gitPath(bytes);
}
