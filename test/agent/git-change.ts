/** What git itself prints of what differs, in the words of the schema. */
import assert from 'node:assert/strict';
import { raw, text, type Answer } from './git-answer.ts';
import { printed } from './git-batch.ts';

/** `FileStatus` by git's letters. */
export const STATUSES: Readonly<Record<string, string>> = {
  A: 'ADDED',
  C: 'COPIED',
  D: 'DELETED',
  M: 'MODIFIED',
  R: 'RENAMED',
  T: 'CHANGED',
};

export interface Changes {
  /** `ChangedFiles` without its files. */
  readonly totals: Answer;
  /** Each `FileChange` but its patch. */
  readonly files: readonly Answer[];
  /** All patches one after the other. */
  readonly patches: string;
}

/** Two commits; `from` null for what git compares a commit without parents with. */
export interface Pair {
  readonly from: string | null;
  readonly to: string;
}

/** What `diff-tree` prints of each pair, renames found. */
export async function readChanges(dir: string, pairs: readonly Pair[]): Promise<Changes[]> {
  const diff = ['diff-tree', '--stdin', '--root', '--always', '-r', '--find-renames', '-l1000'];
  // The commits behind the first one stand for its parents.
  const input = pairs.map(({ from, to }) => `${to}${from === null ? '' : ` ${from}`}\n`).join('');
  const listed = await printed(dir, [...diff, '-z', '--raw', '--numstat'], input);
  const patches = await printed(dir, [...diff, '--patch'], input);
  const fields = listed.split('\0').values();
  const each = patches.split(/(?<![^\n])[0-9a-f]{40,64}\n/).slice(1);
  let field = fields.next();
  const next = (): string => {
    const { value = '' } = field;
    field = fields.next();
    return value;
  };
  return pairs.map(({ to }, n) => {
    assert.equal(next(), to);
    const found: { status: string; previous: string | null; path: string }[] = [];
    while (field.value?.startsWith(':') === true) {
      const letter = next().split(' ').at(-1) ?? '';
      const previous = /^[RC]/.test(letter) ? next() : null;
      found.push({ status: STATUSES[letter.charAt(0)] ?? letter, previous, path: next() });
    }
    const files = found.map(({ status, previous, path }) => {
      const [, added = '', deleted = '', name] = /^([^\t]+)\t([^\t]+)\t(.*)$/s.exec(next()) ?? [];
      // Two names follow, as above.
      for (let k = name === '' ? 2 : 0; k > 0; k--) next();
      const isBinary = added === '-';
      return {
        path: text(path),
        pathRaw: raw(path),
        previousPath: previous === null ? null : text(previous),
        previousPathRaw: previous === null ? null : raw(previous),
        status,
        index: null,
        workTree: null,
        additions: isBinary ? null : Number(added),
        deletions: isBinary ? null : Number(deleted),
        isBinary,
      };
    });
    return { totals: totalsOf(files), files, patches: each[n] ?? '' };
  });
}

/** `ChangedFiles`, from its files. */
export function totalsOf(files: readonly Answer[]): Answer {
  const paths = (...statuses: string[]): unknown[] =>
    files.flatMap(({ status, path }) => (statuses.includes(String(status)) ? [path] : []));
  const sum = (field: string): number => files.reduce((total, file) => total + Number(file[field]), 0); // prettier-ignore
  return {
    totalCount: files.length,
    added: paths('ADDED', 'COPIED'),
    deleted: paths('DELETED'),
    modified: paths('MODIFIED', 'CHANGED'),
    renamed: paths('RENAMED'),
    additions: sum('additions'),
    deletions: sum('deletions'),
  };
}

/** `BlameRange`s, a line each: the line, its commit, and where it stood there. */
export async function readBlame(dir: string, commit: string, path: string): Promise<Answer[]> {
  const output = await printed(dir, ['blame', '--line-porcelain', commit, '--', path]);
  // Lines of the file itself begin with a tab.
  const pattern = /^([0-9a-f]{40,64}) (\d+) (\d+).*\n(?:[^\t\n][^\n]*\n)*?filename (.*)\n/gm;
  return Array.from(output.matchAll(pattern), ([, oid, original, line, name = '']) => {
    const originalPath = unquote(name);
    return {
      line: Number(line),
      commit: { oid },
      originalLine: Number(original),
      originalPath: text(originalPath),
      originalPathRaw: raw(originalPath),
    };
  });
}

/** What git writes in C quotes where it must. */
function unquote(name: string): string {
  if (!name.startsWith('"')) return name;
  const letters: Readonly<Record<string, string>> = { n: '\n', t: '\t', '"': '"', '\\': '\\' };
  return name.slice(1, -1).replace(
    /\\(?:([0-7]{3})|(.))/g,
    (_, octal: string | undefined, letter: string) =>
      octal === undefined ? (letters[letter] ?? letter) : String.fromCharCode(Number.parseInt(octal, 8)), // prettier-ignore
  );
}

/** The blobs of a commit that git diff takes for binary. */
export async function findBinaries(dir: string, commit: string): Promise<Set<string>> {
  const empty = await printed(dir, ['hash-object', '-t', 'tree', '--stdin'], '');
  const numbers = await printed(dir, ['diff-tree', '-r', '-z', '--raw', '--numstat', empty.trim(), commit]); // prettier-ignore
  const fields = numbers.split('\0').slice(0, -1);
  const oids = new Map<string, string>();
  const binaries = new Set<string>();
  for (let at = 0; at < fields.length; at++) {
    const field = fields[at] ?? '';
    if (field.startsWith(':')) oids.set(fields[++at] ?? '', field.split(' ')[3] ?? '');
    else if (field.startsWith('-\t-\t')) binaries.add(oids.get(field.slice(4)) ?? '');
  }
  return binaries;
}
