import { execFile, execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { mkdtemp, readdir, realpath, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { type Oid, oid } from '../../src/git/oid.ts';

export type ObjectFormat = 'sha1' | 'sha256';

/**
 * A bare repository in a temporary folder, read and written by the real git; removed by `await
 * using`.
 */
export interface ScratchRepository extends AsyncDisposable {
  readonly dir: string;
  readonly objectsDir: string;
  /** Runs git here and gives what it prints, byte for byte. */
  git(args: readonly string[], input?: string | Buffer): Buffer;
  /** The same without waiting in place, for what must happen while the test does something else. */
  gitInBackground(args: readonly string[]): Promise<void>;
  /** The paths of the packs, without their endings. */
  listPacks(): Promise<string[]>;
}

const AT = '1700000000 +0100';

/** No configuration but git's own, and always the same people at the same time. */
const ENVIRONMENT = {
  PATH: process.env['PATH'],
  LC_ALL: 'C',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'Ada',
  GIT_AUTHOR_EMAIL: 'ada@example.com',
  GIT_AUTHOR_DATE: AT,
  GIT_COMMITTER_NAME: 'Charles',
  GIT_COMMITTER_EMAIL: 'charles@example.com',
  GIT_COMMITTER_DATE: AT,
};

/** Makes an empty repository; `from` clones another one, which it then borrows its objects from. */
export async function createScratchRepository(
  options: { format?: ObjectFormat; from?: ScratchRepository } = {},
): Promise<ScratchRepository> {
  // git writes resolved paths into info/alternates, and macOS's temporary folder is a link.
  const dir = await realpath(await mkdtemp(join(tmpdir(), 'gitagent-objects-')));
  const objectsDir = join(dir, 'objects');
  const settings = { cwd: dir, env: ENVIRONMENT, maxBuffer: 2 ** 28 };
  const git = (args: readonly string[], input: string | Buffer = '') =>
    execFileSync('git', args, { ...settings, input, stdio: ['pipe', 'pipe', 'pipe'] });

  if (options.from) git(['clone', '--quiet', '--bare', '--shared', options.from.dir, '.']);
  else git(['init', '--quiet', '--bare', `--object-format=${options.format ?? 'sha1'}`]);

  return {
    dir,
    objectsDir,
    git,
    gitInBackground: async (args) => void (await promisify(execFile)('git', args, settings)),
    listPacks: async () => {
      const folder = join(objectsDir, 'pack');
      const names = (await readdir(folder)).filter((name) => name.endsWith('.pack'));
      return names.map((name) => join(folder, name.slice(0, -'.pack'.length)));
    },
    [Symbol.asyncDispose]: () => rm(dir, { recursive: true, force: true }),
  };
}

/**
 * Writes a history of `count` commits in one pack: a file that changes a little each time (long
 * chains of deltas), folders, merges, tags, an empty blob, and blobs larger than every buffer the
 * reader begins with.
 */
export function writeHistory(repository: ScratchRepository, count: number): void {
  const lines = Array.from({ length: 300 }, (_, i) => `line ${i}: ${'word '.repeat(i % 13)}`);
  // Deflate cannot shorten these, so that the compressed data is as long as it may be.
  let noise = '';
  for (let state = 1; noise.length < 200_000; state = (state * 48271) % 0x7fffffff) {
    noise += String.fromCharCode(33 + (state % 90));
  }
  const stream = [
    formatBranch('noise', noise),
    formatBranch('zeros', '0'.repeat(300_000)),
    formatBranch('empty', ''),
  ];
  for (let n = 1; n <= count; n++) {
    lines[(n * 37) % lines.length] = `changed by commit ${n}`;
    const merge = n > 20 && n % 25 === 0 ? [`merge :${n - 15}`] : [];
    const message = `commit ${n}\n\n${'Because it had to be. '.repeat(n % 40)}`;
    stream.push(
      [
        `commit refs/heads/main`,
        `mark :${n}`,
        `author Ada <ada@example.com> ${1_700_000_000 + n} +0100`,
      ].join('\n'),
      [
        `committer Charles <charles@example.com> ${1_700_000_000 + n} -0230`,
        exact(message),
        ...merge,
      ].join('\n'),
      `M 100644 inline src/file.txt\n${exact(lines.join('\n'))}`,
      `M 100644 inline docs/${n % 30}/page.md\n${exact(`page of ${n}`)}`,
    );
    if (n % 50 === 0)
      stream.push(`tag v${n}\nfrom :${n}\ntagger Ada <ada@example.com> ${AT}\n${exact(`v${n}`)}`);
  }
  repository.git(['fast-import', '--quiet'], `${stream.join('\n')}\ndone\n`);
}

/** A commit of one file on a branch of its own. */
function formatBranch(name: string, content: string): string {
  return [
    `commit refs/heads/${name}\ncommitter Ada <ada@example.com> ${AT}\n${exact(name)}`,
    `M 100644 inline ${name}\n${exact(content)}`,
  ].join('\n');
}

/** fast-import's counted data; everything here is ASCII. */
function exact(content: string): string {
  return `data ${content.length}\n${content}`;
}

/** Every object of the repository as git prints it, borrowed ones too. */
export function readAllWithGit(
  repository: ScratchRepository,
): Map<Oid, { type: string; body: Buffer }> {
  const printed = repository.git(['cat-file', '--batch-all-objects', '--batch']);
  const objects = new Map<Oid, { type: string; body: Buffer }>();
  for (let at = 0; at < printed.length;) {
    const end = printed.indexOf('\n', at);
    const [id = '', type = '', size = ''] = printed.toString('latin1', at, end).split(' ');
    const next = end + 1 + Number(size);
    objects.set(oid(id), { type, body: printed.subarray(end + 1, next) });
    at = next + 1;
  }
  return objects;
}

/** Writes a loose blob. */
export function writeBlob(repository: ScratchRepository, content: string | Buffer): Oid {
  return oid(repository.git(['hash-object', '-w', '--stdin'], content).toString().trim());
}

/** Where a loose object lies. */
export function loosePath(repository: ScratchRepository, id: Oid): string {
  return join(repository.objectsDir, id.slice(0, 2), id.slice(2));
}

/** Only Linux lists them; elsewhere the number is always 0. */
export function countOpenFiles(): number {
  return existsSync('/proc/self/fd') ? readdirSync('/proc/self/fd').length : 0;
}
