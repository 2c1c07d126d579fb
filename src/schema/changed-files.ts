import DataLoader from 'dataloader';
import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import type { TreeChange, TreePair } from '../git/diff.ts';
import type { Git } from '../git/git.ts';
import { pathBytes, type GitPath } from '../git/git-path.ts';
import { countLines, type LineCount } from '../git/line-count.ts';
import { readPatches, type Patch } from '../git/patch.ts';
import type { Repository } from '../git/repository.ts';
import type { StatusEntry, StatusLetter } from '../git/status.ts';
import { builder } from './builder.ts';

const FileStatus = builder.enumType('FileStatus', {
  description: "How a file differs; the names are those of GitHub's `PatchStatus`.",
  values: {
    ADDED: { description: 'It was not there before.' },
    DELETED: { description: 'It is not there any more.' },
    MODIFIED: { description: 'Its content or mode is another.' },
    CHANGED: { description: 'Its type is another, for example a symbolic link instead of a file.' },
    RENAMED: { description: 'It had another name before.' },
    COPIED: { description: 'It was made from another file that is still there.' },
    UNMERGED: { description: 'A merge left it to be resolved.' },
  } as const,
});

type FileStatusName = typeof FileStatus.$inferType;

/** The files that differ, and how to find out more about them. */
export interface ChangeSet {
  readonly files: readonly FileChange[];
  /** Only between commits. */
  readonly contents: Contents | null;
}

/** What takes a git child to know. Each reads once, whatever number of fields ask. */
interface Contents {
  lines(): Promise<ReadonlyMap<string, LineCount>>;
  patch(change: FileChange, maxBytes: number): Promise<Patch | null>;
}

/** A file that differs, between HEAD and a working tree or between two commits. */
export interface FileChange {
  readonly path: GitPath;
  readonly previousPath?: GitPath;
  readonly status: FileStatusName;
  /** Only of a working tree. */
  readonly index: FileStatusName | null;
  readonly workTree: FileStatusName | null;
  readonly contents: Contents | null;
}

const STATUS_OF_LETTER: Readonly<Record<StatusLetter, FileStatusName | null>> = {
  '.': null,
  A: 'ADDED',
  D: 'DELETED',
  M: 'MODIFIED',
  T: 'CHANGED',
  R: 'RENAMED',
  C: 'COPIED',
  U: 'UNMERGED',
};

/** What differs between HEAD and the working tree, staged or not. */
export function changesOfStatus(entries: readonly StatusEntry[]): ChangeSet {
  const files = entries.map((entry) => ({
    ...pathsOf(entry),
    status: overallStatus(entry),
    index: STATUS_OF_LETTER[entry.index],
    workTree: STATUS_OF_LETTER[entry.workTree],
    contents: null,
  }));
  return { files, contents: null };
}

/** What differs between two commits; `pair` says where their contents are read. */
export function changesOfTrees(
  changes: readonly TreeChange[],
  { git, signal }: { readonly git: Git; readonly signal: AbortSignal },
  repository: Repository,
  pair: TreePair,
): ChangeSet {
  let lines: Promise<ReadonlyMap<string, LineCount>> | undefined;
  const patches = new DataLoader<{ change: FileChange; maxBytes: number }, Patch | null>(
    async (keys) => {
      const maxBytes = Math.max(...keys.map((key) => key.maxBytes));
      const files = keys.map((key) => key.change);
      const read = await readPatches(git, repository, pair, files, maxBytes, signal);
      return keys.map((key) => cutPatch(read.get(keyOf(key.change.path)) ?? null, key.maxBytes));
    },
    { cache: false },
  );
  const contents: Contents = {
    lines: async () => await (lines ??= countLines(git, repository, pair, signal)),
    patch: async (change, maxBytes) => await patches.load({ change, maxBytes }),
  };
  const files = changes.map((change) => ({
    ...pathsOf(change),
    status: STATUS_OF_LETTER[change.letter] ?? 'MODIFIED',
    index: null,
    workTree: null,
    contents,
  }));
  return { files, contents };
}

/** The patches of one request may be wanted in different lengths, and are read in the greatest one. */
function cutPatch(patch: Patch | null, maxBytes: number): Patch | null {
  if (patch === null || patch.bytes.length <= maxBytes) return patch;
  const end = patch.bytes.lastIndexOf(0x0a, maxBytes - 1) + 1;
  return { bytes: patch.bytes.subarray(0, end), isTruncated: true };
}

function keyOf(path: GitPath): string {
  return pathBytes(path).toString('latin1');
}

/** null when the file is binary, and in a working tree. */
async function lineCount(change: FileChange): Promise<LineCount> {
  return (await change.contents?.lines())?.get(keyOf(change.path)) ?? null;
}

async function sumLines(set: ChangeSet, which: 'additions' | 'deletions'): Promise<number | null> {
  if (set.contents === null) return null;
  const counts = await set.contents.lines();
  return set.files.reduce((total, { path }) => total + (counts.get(keyOf(path))?.[which] ?? 0), 0);
}

function pathsOf(change: Pick<FileChange, 'path' | 'previousPath'>): typeof change {
  const { path, previousPath } = change;
  return previousPath === undefined ? { path } : { path, previousPath };
}

/** Against HEAD: what the working tree lost is deleted whatever the index says; else the index knows more. */
function overallStatus(entry: StatusEntry): FileStatusName {
  if (entry.isUnmerged) return 'UNMERGED';
  if (entry.workTree === 'D') return 'DELETED';
  const letter = entry.index === '.' ? entry.workTree : entry.index;
  return STATUS_OF_LETTER[letter] ?? 'MODIFIED';
}

const PatchType = builder.objectRef<Patch>('Patch').implement({
  description: 'How a file differs, as `git diff` prints it.',
  fields: (t) => ({
    text: t.string({
      description: 'The patch, from its `diff --git` line on; U+FFFD stands where it is not UTF-8.',
      resolve: ({ bytes }) => bytes.toString('utf8'),
    }),
    textRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: "The patch's bytes when they are not UTF-8, else null.",
      resolve: ({ bytes }) => (isUtf8(bytes) ? null : bytes),
    }),
    isTruncated: t.exposeBoolean('isTruncated', {
      description:
        'Whether lines at its end were left out: it is longer than `maxBytes`, or the patches asked for are longer than 4 MiB together.',
    }),
  }),
});

const DEFAULT_PATCH_BYTES = 65_536;
const MAX_PATCH_BYTES = 1_048_576;

const FileChangeType = builder.objectRef<FileChange>('FileChange').implement({
  description: 'A file that differs. Paths are relative to the top of the working tree.',
  fields: (t) => ({
    path: t.string({
      description: 'Its path; U+FFFD stands where it is not UTF-8.',
      resolve: (change) => change.path.text,
    }),
    pathRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: "The path's bytes when they are not UTF-8, else null.",
      resolve: (change) => change.path.raw ?? null,
    }),
    previousPath: t.string({
      nullable: true,
      description: 'Where it was renamed or copied from; null when it was not.',
      resolve: (change) => change.previousPath?.text ?? null,
    }),
    previousPathRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: "The previous path's bytes when they are not UTF-8, else null.",
      resolve: (change) => change.previousPath?.raw ?? null,
    }),
    status: t.expose('status', {
      type: FileStatus,
      description: 'How it differs, taken together.',
    }),
    index: t.expose('index', {
      type: FileStatus,
      nullable: true,
      description:
        'How the index differs from HEAD: what is staged. null when it does not, and between commits.',
    }),
    workTree: t.expose('workTree', {
      type: FileStatus,
      nullable: true,
      description:
        'How the working tree differs from the index: what is not staged. null when it does not, and between commits.',
    }),
    additions: t.int({
      nullable: true,
      description:
        'How many lines were added; null when it is binary, and in a working tree. Costs one git child, shared with `deletions`, `isBinary` and the other files.',
      resolve: async (change) => (await lineCount(change))?.additions ?? null,
    }),
    deletions: t.int({
      nullable: true,
      description:
        'How many lines were deleted; null when it is binary, and in a working tree. Costs as `additions` does.',
      resolve: async (change) => (await lineCount(change))?.deletions ?? null,
    }),
    isBinary: t.boolean({
      nullable: true,
      description:
        'Whether git takes it for binary, before or afterwards; null in a working tree. Costs as `additions` does.',
      resolve: async (change) => {
        if (change.contents === null) return null;
        return (await change.contents.lines()).get(keyOf(change.path)) === null;
      },
    }),
    patch: t.field({
      type: PatchType,
      nullable: true,
      description:
        'How its lines differ; null in a working tree. The patches of all files of a list are read by one git child.',
      args: {
        maxBytes: t.arg.int({
          defaultValue: DEFAULT_PATCH_BYTES,
          description: `At most so many bytes, in whole lines; ${MAX_PATCH_BYTES} at most.`,
          validate: z.int().min(0).max(MAX_PATCH_BYTES),
        }),
      },
      resolve: async (change, { maxBytes }) =>
        (await change.contents?.patch(change, maxBytes ?? DEFAULT_PATCH_BYTES)) ?? null,
    }),
  }),
});

export const ChangedFilesType = builder.objectRef<ChangeSet>('ChangedFiles').implement({
  description: "The files that differ, in git's order.",
  fields: (t) => ({
    added: pathList(t, ['ADDED', 'COPIED'], 'Paths of files that are new, or copies.'),
    deleted: pathList(t, ['DELETED'], 'Paths of files that are gone.'),
    modified: pathList(
      t,
      ['MODIFIED', 'CHANGED', 'UNMERGED'],
      'Paths of files with another content, mode or type, and of unmerged ones.',
    ),
    renamed: pathList(t, ['RENAMED'], 'New paths of files that were renamed.'),
    totalCount: t.int({
      description: 'How many files differ.',
      resolve: ({ files }) => files.length,
    }),
    additions: t.int({
      nullable: true,
      description:
        'How many lines were added in all; null in a working tree. Costs one git child, shared with `deletions` and with those of the files.',
      resolve: async (set) => await sumLines(set, 'additions'),
    }),
    deletions: t.int({
      nullable: true,
      description:
        'How many lines were deleted in all; null in a working tree. Costs as `additions` does.',
      resolve: async (set) => await sumLines(set, 'deletions'),
    }),
    files: t.field({
      type: [FileChangeType],
      description: 'Each file, with what happened to it.',
      args: {
        first: t.arg.int({
          defaultValue: 1000,
          description: 'At most so many, from the beginning.',
          validate: z.int().min(0),
        }),
      },
      resolve: ({ files }, { first }) => files.slice(0, first ?? 1000),
    }),
  }),
});

function pathList(
  t: PothosSchemaTypes.ObjectFieldBuilder<typeof builder.$inferSchemaTypes, ChangeSet>,
  statuses: readonly FileStatusName[],
  description: string,
) {
  return t.stringList({
    description,
    resolve: ({ files }) =>
      files.filter((file) => statuses.includes(file.status)).map((file) => file.path.text),
  });
}
