/**
 * Real repositories for tests. Everything is made by the real git, with no configuration but its own
 * and the same people at the same times, so that the same calls give the same object ids.
 *
 *     await using fixture = await createFixture();
 *     const origin = await initRepository(fixture.path('origin.git'), { bare: true });
 *     await writeCommit(origin, { files: { 'a.txt': 'one\n' }, message: 'first' });
 *     const copy = await cloneRepository(origin, fixture.path('copy'));
 */
import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import { lstat, mkdtemp, readdir, readFile, readlink, realpath, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { oid, type Oid } from '../../src/git/oid.ts';
import { listLooseRefs, readLooseTip } from './loose-git.ts';

/** A temporary folder, removed by `await using`. */
export interface Fixture extends AsyncDisposable {
  readonly dir: string;
  /** A path below it. */
  path(...names: string[]): string;
}

export async function createFixture(): Promise<Fixture> {
  // git prints resolved paths, and macOS's temporary folder is a link.
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'gitagent-git-')));
  return {
    dir,
    path: (...names) => join(dir, ...names),
    [Symbol.asyncDispose]: async () => {
      await rm(dir, { recursive: true, force: true, maxRetries: 3 });
    },
  };
}

const EPOCH = 1_700_000_000;

/** What every git child of a test is started with. */
export const GIT_ENVIRONMENT: Readonly<Record<string, string>> = {
  PATH: process.env['PATH'] ?? '',
  HOME: '/nonexistent',
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_TERMINAL_PROMPT: '0',
  GIT_EDITOR: ':',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_AUTHOR_DATE: `${EPOCH} +0100`,
  GIT_COMMITTER_NAME: 'Charles',
  GIT_COMMITTER_EMAIL: 'charles@example.com',
  GIT_COMMITTER_DATE: `${EPOCH} +0100`,
  // No housekeeping after a fetch: a test's repository is too small for it, and only looking costs a child.
  GIT_CONFIG_COUNT: '1',
  GIT_CONFIG_KEY_0: 'maintenance.auto',
  GIT_CONFIG_VALUE_0: 'false',
};

export interface RunGitOptions {
  readonly input?: string | Buffer;
  /** Exit codes that do not throw. Default: 0. */
  readonly exitCodes?: readonly number[];
  /** Added to `GIT_ENVIRONMENT`. */
  readonly env?: Readonly<Record<string, string>>;
}

/** Runs git in a folder and gives what it printed, byte for byte. Throws when git fails. */
export async function runGit(
  dir: string,
  args: readonly string[],
  options: RunGitOptions = {},
): Promise<Buffer> {
  const running = promisify(execFile)('git', args, {
    cwd: dir,
    env: { ...GIT_ENVIRONMENT, ...options.env },
    encoding: 'buffer',
    maxBuffer: 2 ** 28,
  });
  running.child.stdin?.on('error', () => undefined); // EPIPE: git did not want all of it.
  running.child.stdin?.end(options.input);
  try {
    return (await running).stdout;
  } catch (error) {
    const { code, stdout } = error as { code?: number | string; stdout: Buffer };
    if (typeof code === 'number' && options.exitCodes?.includes(code) === true) return stdout;
    throw error;
  }
}

/** Runs another program and gives what it printed. */
export async function runProgram(program: string, ...args: string[]): Promise<string> {
  return (await promisify(execFile)(program, args, { env: { ...GIT_ENVIRONMENT } })).stdout;
}

/** Runs git in a folder and gives what it printed as text, without the last newline. Throws when git fails. */
export async function git(dir: string, ...args: string[]): Promise<string> {
  return (await runGit(dir, args)).toString('utf8').replace(/\n$/, '');
}

export interface InitOptions {
  readonly bare?: boolean;
  /** Default: sha1. */
  readonly objectFormat?: 'sha1' | 'sha256';
  /** The unborn branch that HEAD names. Default: main. */
  readonly branch?: string;
}

/** Makes an empty repository and gives its folder. */
export async function initRepository(dir: string, options: InitOptions = {}): Promise<string> {
  await runGit('/', [
    'init',
    '--quiet',
    '--template=',
    `--initial-branch=${options.branch ?? 'main'}`,
    `--object-format=${options.objectFormat ?? 'sha1'}`,
    ...(options.bare === true ? ['--bare'] : []),
    dir,
  ]);
  return dir;
}

/** Clones with the real git and gives the clone's folder. */
export async function cloneRepository(
  origin: string,
  dir: string,
  ...options: string[]
): Promise<string> {
  await runGit('/', ['clone', '--quiet', '--template=', ...options, '--', origin, dir]);
  return dir;
}

/** A file of a commit: an ordinary one, one with a mode of its own (a `160000` entry's content is an oid), or `null` for none. */
export type FileContent =
  | string
  | Buffer
  | {
      readonly mode: '100644' | '100755' | '120000' | '160000';
      readonly content: string | Buffer;
    }
  | null;

type FileList = readonly (readonly [name: string | Buffer, content: FileContent])[];

export interface CommitSpec {
  /** Made, or moved wherever it stood. Default: main. */
  readonly branch?: string;
  /** Object ids or ref names. Default: the branch's tip, if there is one. */
  readonly parents?: readonly string[];
  /** What differs from the first parent's tree. Entries of a list have names that need not be UTF-8. */
  readonly files?: Readonly<Record<string, FileContent>> | FileList;
  readonly message?: string | Buffer;
  /** As in `Ada <ada@example.com>`. */
  readonly author?: string;
  /** Seconds since 1970, for author and committer. Default: a minute after the youngest parent. */
  readonly date?: number;
}

/**
 * Writes a commit with `git fast-import`, so without a working tree or index: those of a repository
 * that has `branch` checked out stay as they were.
 */
export async function writeCommit(repository: string, spec: CommitSpec = {}): Promise<Oid> {
  const ref = `refs/heads/${spec.branch ?? 'main'}`;
  const parents = await readParents(repository, spec.parents ?? null, ref);
  const [first, ...others] = parents.map(({ id }) => id);
  const date = spec.date ?? Math.max(EPOCH, ...parents.map(({ time }) => time + 60));
  const files = spec.files ?? [];
  const stream = [
    Buffer.from(`commit ${ref}\nmark :1\n`),
    Buffer.from(`author ${spec.author ?? 'Ada <ada@example.com>'} ${date} +0100\n`),
    Buffer.from(`committer Charles <charles@example.com> ${date} +0100\n`),
    counted(spec.message ?? 'a commit\n'),
    Buffer.from(first === undefined ? '' : `from ${first}\n`),
    Buffer.from(others.map((id) => `merge ${id}\n`).join('')),
    ...(isList(files) ? files : Object.entries(files)).map(([name, content]) =>
      fileChange(name, content),
    ),
    Buffer.from('\nget-mark :1\n'),
  ];
  // Without `from` a branch begins anew, as a root commit does.
  const reset = first === undefined ? [Buffer.from(`reset ${ref}\n`)] : [];
  const printed = await runGit(repository, ['fast-import', '--quiet', '--force'], {
    input: Buffer.concat([...reset, ...stream]),
  });
  return oid(printed.toString().trim());
}

async function readParents(
  repository: string,
  wanted: readonly string[] | null,
  ref: string,
): Promise<{ time: number; id: string }[]> {
  if (wanted?.length === 0) return [];
  if (wanted === null) {
    const tip = await readLooseTip(repository, ref);
    if (tip !== null) return tip === undefined ? [] : [tip];
  }
  // Without a commit to start from, rev-list prints its usage and exits with 129.
  const byDefault = wanted === null ? { exitCodes: [129] } : {};
  const revisions = wanted ?? ['--ignore-missing', ref];
  const printed = await runGit(
    repository,
    ['rev-list', '--no-walk=unsorted', '--timestamp', ...revisions],
    byDefault,
  );
  const lines = printed.toString().matchAll(/^(\d+) ([0-9a-f]+)$/gm);
  return Array.from(lines, ([, time, id = '']) => ({ time: Number(time), id }));
}

function isList(files: Readonly<Record<string, FileContent>> | FileList): files is FileList {
  return Array.isArray(files);
}

function fileChange(name: string | Buffer, content: FileContent): Buffer {
  if (content === null) return Buffer.concat([Buffer.from('D '), quoted(name), Buffer.from('\n')]);
  const { mode, content: bytes } =
    typeof content === 'string' || Buffer.isBuffer(content) ? { mode: '100644', content } : content;
  if (mode === '160000') {
    return Buffer.concat([
      Buffer.from(`M ${mode} ${bytes.toString()} `),
      quoted(name),
      Buffer.from('\n'),
    ]);
  }
  return Buffer.concat([
    Buffer.from(`M ${mode} inline `),
    quoted(name),
    Buffer.from('\n'),
    counted(bytes),
  ]);
}

/** git-fast-import(1): a path in C style, where any byte can be said in octal. */
function quoted(name: string | Buffer): Buffer {
  const bytes = [...Buffer.from(name)].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`);
  return Buffer.from(`"${bytes.join('')}"`);
}

function counted(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([Buffer.from(`data ${bytes.length}\n`), bytes, Buffer.from('\n')]);
}

/** What a refused operation must leave as it was. */
export interface TreeState {
  /** The bytes of `$GIT_DIR/HEAD`. */
  readonly head: string;
  /** A digest of the index file's bytes; null when there is none. */
  readonly index: string | null;
  /** Mode and digest of every file outside `.git`; in names and links a character is a byte. */
  readonly files: Readonly<Record<string, string>>;
  /** Of all branches, the stash and what GitAgent saved: `OID REF`. */
  readonly refs: string;
  /** The traces of an unfinished merge, rebase and so on. */
  readonly unfinished: readonly string[];
}

const UNFINISHED =
  /^(?:MERGE_|CHERRY_PICK_HEAD|REVERT_HEAD|REBASE_HEAD|rebase-|sequencer|BISECT_|.*\.lock$)/;

const REFS = ['refs/gitagent', 'refs/heads', 'refs/stash'];

/** Reads HEAD, index bytes, working tree and branches; compare two with `assert.deepEqual`. Changes nothing. */
export async function treeState(dir: string): Promise<TreeState> {
  const dotGit = await stat(join(dir, '.git')).catch(() => null);
  const gitDir =
    dotGit?.isDirectory() === true
      ? join(dir, '.git')
      : await git(dir, 'rev-parse', '--absolute-git-dir');
  const format = '--format=%(objectname) %(refname) %(symref)';
  const files: Record<string, string> = {};
  if (gitDir !== dir) await readTree(Buffer.from(dir), Buffer.alloc(0), files);
  return {
    head: await readFile(join(gitDir, 'HEAD'), 'utf8'),
    index: await readFile(join(gitDir, 'index')).then(digest, () => null),
    files,
    refs: (await listLooseRefs(dir, REFS)) ?? (await git(dir, 'for-each-ref', format, ...REFS)),
    unfinished: (await readdir(gitDir)).filter((name) => UNFINISHED.test(name)).toSorted(),
  };
}

async function readTree(dir: Buffer, prefix: Buffer, files: Record<string, string>): Promise<void> {
  const slash = Buffer.from('/');
  const names = await readdir(dir, { encoding: 'buffer' });
  for (const name of names.toSorted((a, b) => Buffer.compare(a, b))) {
    if (prefix.length === 0 && name.toString() === '.git') continue;
    const path = Buffer.concat([dir, slash, name]);
    const shown = Buffer.concat([prefix, name]);
    const info = await lstat(path);
    if (info.isDirectory()) {
      await readTree(path, Buffer.concat([shown, slash]), files);
    } else {
      const content = info.isSymbolicLink()
        ? (await readlink(path, { encoding: 'buffer' })).toString('latin1')
        : digest(await readFile(path));
      files[shown.toString('latin1')] = `${info.mode.toString(8)} ${content}`;
    }
  }
}

function digest(bytes: Buffer): string {
  return createHash('sha256').update(bytes).digest('hex').slice(0, 16);
}

/** Whether something exists at a path. */
export async function exists(path: string): Promise<boolean> {
  return (await stat(path).catch(() => null)) !== null;
}
