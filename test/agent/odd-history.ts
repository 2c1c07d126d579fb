/**
 * A history in which files do all that git knows: they are edited, renamed, run, linked, replaced by
 * submodules, binary, and called what only bytes can say. First one of each, then at random.
 */
import { git, runGit } from '../support/git-fixture.ts';
import { AUTHORS, type Random } from '../git/random-history.ts';

interface File {
  readonly mode: '100644' | '100755' | '120000' | '160000';
  /** A character for each byte, as all text here. */
  readonly content: string;
}

type Files = Map<string, File>;

/** None is a folder of another one, and git quotes some of them. */
const PATHS = [
  'a.txt', 'lib/b.tar.gz', 'lib/deep/c', 'lib/caf\xe9', 'caf\xe9/\xff.md', 'na\xc3\xafve "quoted"', 'line\nend',
  '-dash', ':(glob)*', '.dot', 'end.', 'tab\tbed',
]; // prettier-ignore

const MESSAGES = [
  'plain\n', 'no newline', '\n\nblank before\n', 'two\nlines\n\nBody\n    indented\n\n    \n', '', 'crlf\r\n\r\nbody\r\n',
  'caf\xe9 in Latin-1\n\ncaf\xe9\n', 'na\xc3\xafve\n', 'trailing  \nspaces \t\n\n\n\nbody\n\n\n',
]; // prettier-ignore

const ZONES = ['+0130', '-0230', '+0000', '-1200', '+1400'];

type Change = (files: Files, random: Random, foreign: string) => unknown;

/** What happens in the first commits, with their parents. The first one makes all files. */
const STEPS: readonly { readonly parents: readonly number[]; readonly change: Change }[] = [
  { parents: [], change: () => undefined },
  { parents: [1], change: editAndShrink },
  { parents: [2], change: changeAll },
  { parents: [3], change: () => undefined },
  { parents: [3], change: (files, random) => edit(files, 'renamed.md', random) },
  { parents: [2], change: (files, random) => edit(files, 'lib/caf\xe9', random) },
  { parents: [4, 5, 6], change: (files, random) => edit(files, 'lib/caf\xe9', random) },
  { parents: [7], change: (files) => rename(files, 'renamed.md', 'caf\xe9/back') },
  { parents: [], change: (files) => files.delete('-dash') },
];

/** What happens in the others, each as likely as another. */
const CHANGES: readonly ((path: string, ...rest: Parameters<Change>) => unknown)[] = [
  (path, files, random) => edit(files, path, random),
  (path, files, random) => edit(files, path, random),
  (path, files, random) => rename(files, path, `moved/${random(3)}`),
  (path, files, random) => rename(files, path, pick(PATHS, random)),
  (path, files) => files.set(path, { ...get(files, path), mode: '100755' }),
  (path, files) => files.set(path, { mode: '120000', content: 'a.txt' }),
  (path, files, _random, foreign) => files.set(path, { mode: '160000', content: foreign }),
  (path, files, random) => files.set(path, { mode: '100644', content: `\0${random(9)}\xff` }),
  (path, files) => files.delete(path),
  (_path, files, random) => files.set(pick(PATHS, random), fresh(random)),
];

/** What is large is not carried along for ever. */
function editAndShrink(files: Files, random: Random): void {
  edit(files, 'caf\xe9/\xff.md', random);
  files.delete('big');
}

function changeAll(files: Files, random: Random, foreign: string): void {
  rename(files, 'caf\xe9/\xff.md', 'renamed.md');
  edit(files, 'renamed.md', random);
  rename(files, 'na\xc3\xafve "quoted"', 'caf\xe9/same');
  files.set('a.txt', { ...get(files, 'a.txt'), mode: '100755' });
  files.set('end.', { mode: '120000', content: 'caf\xe9' });
  files.set('sub', { mode: '100644', content: 'no submodule any more\n' });
  files.set('.dot', { mode: '160000', content: foreign });
  files.set('lib/deep/c', { mode: '100644', content: 'binary\0\xff' });
  files.set('new\xff', fresh(random));
  edit(files, 'bad.txt', random);
  files.delete('tab\tbed');
}

/** The commits, the oldest first, and some of them by what they are. */
export interface OddHistory {
  readonly commits: readonly string[];
  /** The first one, and a child of it. */
  readonly first: string;
  readonly second: string;
  /** All that can happen to a file happens here, and nothing in the next one. */
  readonly busy: string;
  readonly empty: string;
  readonly octopus: string;
  /** Another one without parents. */
  readonly root: string;
}

/** Writes it as `refs/heads/main`, whose last commit reaches all. */
export async function writeOddHistory(
  dir: string,
  random: Random,
  count: number,
): Promise<OddHistory> {
  const foreign = '1'.repeat((await git(dir, 'hash-object', '--stdin')).length);
  const stream: string[] = [];
  const trees: Files[] = [];
  const heads = new Set<number>();
  let clock = 1_700_000_000;
  for (let n = 1; n <= count; n++) {
    const step = STEPS[n - 1];
    const parents =
      step?.parents ?? (n === count ? [...heads].toReversed() : drawParents(n, random));
    const files = new Map(
      parents[0] === undefined ? firstFiles(random, foreign) : trees[parents[0] - 1],
    );
    if (step !== undefined) step.change(files, random, foreign);
    else for (let k = random(4); k > 0; k--) pick(CHANGES, random)(pick([...files.keys()], random), files, random, foreign); // prettier-ignore
    trees.push(files);
    for (const parent of parents) heads.delete(parent);
    heads.add(n);
    clock += random(60);
    // Clocks go wrong now and then: a child that is older than its parents.
    const time = clock - (random(8) === 0 ? 7200 : 0);
    const message = `${n === 1 ? '' : n}${pick(MESSAGES, random)}`;
    const isLatin1 = message.includes('\xe9') && random(2) === 0;
    const [from, ...merged] = parents;
    stream.push(
      `reset refs/heads/main\ncommit refs/heads/main\nmark :${n}\n`,
      `author ${pick(AUTHORS, random)} ${time - 100} ${pick(ZONES, random)}\n`,
      `committer Charles <charles@example.com> ${time} ${pick(ZONES, random)}\n`,
      isLatin1 ? 'encoding ISO-8859-1\n' : '',
      `data ${message.length}\n${message}\n`,
      from === undefined ? '' : `from :${from}\n`,
      ...merged.map((parent) => `merge :${parent}\n`),
      'deleteall\n',
      ...Array.from(files, ([path, file]) => formatFile(path, file)),
    );
  }
  for (let n = 1; n <= count; n++) stream.push(`get-mark :${n}\n`);
  const input = Buffer.from(stream.join(''), 'latin1');
  const printed = await runGit(dir, ['fast-import', '--quiet', '--force'], { input });
  const commits = printed.toString().trim().split('\n');
  const [first = '', second = '', busy = '', empty = '', , , octopus = '', , root = ''] = commits;
  return { commits, first, second, busy, empty, octopus, root };
}

/** Mostly one, and mostly young ones, so that lines run side by side. */
function drawParents(n: number, random: Random): number[] {
  const parents = new Set<number>();
  for (let k = pick([1, 1, 1, 2, 2, 3], random); k > 0; k--) {
    parents.add(Math.max(1, n - 1 - random(5)));
  }
  return [...parents];
}

/** All paths, each with lines of its own; one of them large, one empty, and one that lies. */
function firstFiles(random: Random, foreign: string): Files {
  const files: Files = new Map(PATHS.map((path) => [path, fresh(random)]));
  files.set('big', { mode: '100644', content: '0123456789abcde\n'.repeat(33_000) });
  files.set('.empty', { mode: '100644', content: '' });
  files.set('late-nul', { mode: '100644', content: `${'x'.repeat(8000)}\0` });
  files.set('sub', { mode: '160000', content: foreign });
  files.set('bad.txt', { mode: '100644', content: 'caf\xe9\nline\n' });
  return files;
}

function fresh(random: Random): File {
  const name = random(1_000_000);
  const lines = Array.from({ length: 12 + random(12) }, (_, n) => `${name} line ${n}\n`);
  return { mode: '100644', content: lines.join('') };
}

function edit(files: Files, path: string, random: Random): void {
  const file = get(files, path);
  if (file.mode === '160000') return;
  const lines = file.content.split('\n');
  lines.splice(random(lines.length), random(3), `edited ${random(1000)}`);
  files.set(path, { ...file, content: lines.join('\n') });
}

function rename(files: Files, from: string, to: string): void {
  const file = get(files, from);
  files.delete(from);
  files.set(to, file);
}

function get(files: Files, path: string): File {
  const file = files.get(path);
  if (file === undefined) throw new Error(`the history has no ${path}`);
  return file;
}

export function pick<T>(list: readonly T[], random: Random): T {
  const found = list[random(list.length)];
  if (found === undefined) throw new Error('nothing to pick from');
  return found;
}

/** git-fast-import(1): a path in C style, where any byte can be said in octal. */
function formatFile(path: string, { mode, content }: File): string {
  const octal = Array.from(path, (byte) => `\\${byte.charCodeAt(0).toString(8).padStart(3, '0')}`);
  const name = `"${octal.join('')}"`;
  if (mode === '160000') return `M ${mode} ${content} ${name}\n`;
  return `M ${mode} inline ${name}\ndata ${content.length}\n${content}\n`;
}
