import { z } from 'zod';
import type { TreeChange } from '../git/diff.ts';
import type { GitPath } from '../git/git-path.ts';
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

/** A file that differs, between HEAD and a working tree or between two commits. */
export interface FileChange {
  readonly path: GitPath;
  readonly previousPath?: GitPath;
  readonly status: FileStatusName;
  /** Only of a working tree. */
  readonly index: FileStatusName | null;
  readonly workTree: FileStatusName | null;
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
export function changesOfStatus(entries: readonly StatusEntry[]): FileChange[] {
  return entries.map((entry) => ({
    ...pathsOf(entry),
    status: overallStatus(entry),
    index: STATUS_OF_LETTER[entry.index],
    workTree: STATUS_OF_LETTER[entry.workTree],
  }));
}

export function changesOfTrees(changes: readonly TreeChange[]): FileChange[] {
  return changes.map((change) => ({
    ...pathsOf(change),
    status: STATUS_OF_LETTER[change.letter] ?? 'MODIFIED',
    index: null,
    workTree: null,
  }));
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
  }),
});

export const ChangedFilesType = builder.objectRef<readonly FileChange[]>('ChangedFiles').implement({
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
    totalCount: t.int({ description: 'How many files differ.', resolve: (files) => files.length }),
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
      resolve: (files, { first }) => files.slice(0, first ?? 1000),
    }),
  }),
});

function pathList(
  t: PothosSchemaTypes.ObjectFieldBuilder<typeof builder.$inferSchemaTypes, readonly FileChange[]>,
  statuses: readonly FileStatusName[],
  description: string,
) {
  return t.stringList({
    description,
    resolve: (files) =>
      files.filter((file) => statuses.includes(file.status)).map((file) => file.path.text),
  });
}
