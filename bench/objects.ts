/**
 * How fast objects are read through the loader of one request, against simple-git's call for each object; and how
 * long a folder's listing with the last commit of each entry takes, against the one `git log` it needs.
 *
 *     npm run bench objects                               repositories made for it
 *     node bench/objects.ts --repo PATH                   a repository of yours, read only
 */
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { realpath } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { simpleGit } from 'simple-git';
import { createGit } from '../src/git/git.ts';
import { findLastCommits } from '../src/git/last-commit.ts';
import { createObjectReader } from '../src/git/object-reader.ts';
import { oid as toOid, type Oid } from '../src/git/oid.ts';
import { openRepository, type Repository } from '../src/git/repository.ts';
import { readTree } from '../src/git/tree-path.ts';
import { readCommit } from '../src/git/commit-reader.ts';
import { createFixture, initRepository } from '../test/support/git-fixture.ts';
import { median, printRows, type Row } from './support/row.ts';

const ROUNDS = 3;
const READS = 20_000;
/** simple-git starts a process for each, so fewer are enough. */
const SIMPLE_READS = 100;
const FILES = 4800;
const FOLDERS = 80;
const COMMITS = 20_000;
const signal = new AbortController().signal;
const host = { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' };

async function time(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

function git(dir: string, ...args: string[]): string {
  return execFileSync('git', args, { cwd: dir, encoding: 'utf8', maxBuffer: 2 ** 30 }).trim();
}

/** 80 folders of 60 files; each commit changes one, most of them in a few folders, as in real sources. */
async function fill(dir: string): Promise<void> {
  const child = spawn('git', ['-C', dir, 'fast-import', '--quiet'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(child, 'exit');
  const write = async (text: string): Promise<void> => {
    if (!child.stdin.write(text)) await once(child.stdin, 'drain');
  };
  const change = (file: number, text: string): string =>
    `M 100644 inline dir-${file % FOLDERS}/file-${file}.txt\ndata ${text.length}\n${text}\n`;
  for (let n = 0; n < COMMITS; n++) {
    const message = `Change ${n}\n\nBecause it had to be.\n`;
    await write(
      `commit refs/heads/main\ncommitter A <a@example.com> ${1_500_000_000 + n * 60} +0000\ndata ${message.length}\n${message}`,
    );
    if (n === 0) for (let file = 0; file < FILES; file++) await write(change(file, `file ${file}`));
    // The last folders change rarely: the walk has to go far for them.
    const folder = Math.floor(FOLDERS * (((n * 7919) % 10_007) / 10_007) ** 4);
    await write(change(folder + FOLDERS * (n % 60), `commit ${n}\n${'line\n'.repeat(n % 40)}`));
  }
  child.stdin.end();
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`git fast-import: ${code}`);
  git(dir, 'repack', '-adq');
}

async function measureReads(repository: Repository): Promise<Row[]> {
  const commits = git(repository.path, 'rev-list', '--all', `--max-count=${READS}`)
    .split('\n')
    .map(toOid);
  // In an order of no help to anybody's cache.
  const ids = commits.map((_, n) => commits[(n * 7919) % commits.length] ?? toOid(''));
  const objects: number[] = [];
  const single: number[] = [];
  const simple: number[] = [];
  const inWaves: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const door = createGit({ host, maxChildren: 4 });
    await using reader = createObjectReader({ git: door, maxChildren: 4, cacheBytes: 0 });
    const read = async (id: Oid): Promise<unknown> =>
      await readCommit(reader, repository, id, signal);
    await Promise.all(ids.slice(0, 100).map(read));
    const all = await time(async () => await Promise.all(ids.map(read)));
    objects.push((ids.length / all) * 1000);
    const waves = await time(async () => {
      for (let at = 0; at < ids.length; at += 100) {
        await Promise.all(ids.slice(at, at + 100).map(read));
      }
    });
    inWaves.push((ids.length / waves) * 1000);
    const few = ids.slice(0, 1000);
    const alone = await time(async () => {
      for (const id of few) await read(id);
    });
    single.push((few.length / alone) * 1000);
    const instance = simpleGit(repository.path);
    const slow = await time(async () => {
      for (const id of ids.slice(0, SIMPLE_READS)) await instance.catFile(['commit', id]);
    });
    simple.push((Math.min(SIMPLE_READS, ids.length) / slow) * 1000);
  }
  const against = { what: "simple-git's catFile", value: median(simple) };
  const unit = 'reads/s';
  return [
    { what: `commits, ${ids.length} at once`, value: median(objects), unit, against },
    { what: 'commits, in waves of 100', value: median(inWaves), unit, against },
    { what: 'commits, one after the other', value: median(single), unit, against },
  ];
}

async function measureLastCommits(repository: Repository): Promise<Row> {
  const commit = toOid(git(repository.path, 'rev-parse', 'HEAD'));
  const ours: number[] = [];
  const theirs: number[] = [];
  let count = 0;
  for (let round = 0; round < ROUNDS; round++) {
    const door = createGit({ host, maxChildren: 4 });
    await using objects = createObjectReader({ git: door, maxChildren: 4, cacheBytes: 0 });
    const { treeOid } = await readCommit(objects, repository, commit, signal);
    const names = (await readTree(objects, repository, treeOid, signal)).map(({ name }) => name);
    const deps = { git: door, objects, repository, signal };
    let found = new Map<string, Oid>();
    ours.push(await time(async () => (found = await findLastCommits(deps, commit, null, names))));
    count = found.size;
    // The walk that is needed: down to the oldest of them, saying what each commit changed.
    const format = ['log', '--format=%H', '--name-only', '--no-renames', commit];
    const walked = git(repository.path, 'log', '--format=%H', commit).split('\n');
    const depth = Math.max(...[...found.values()].map((id) => walked.indexOf(id))) + 1;
    theirs.push(
      await time(async () => {
        const child = spawn('git', [...format, `--max-count=${depth}`], {
          cwd: repository.path,
          stdio: ['ignore', 'pipe', 'inherit'],
        });
        child.stdout.resume();
        await once(child, 'close');
      }),
    );
  }
  return {
    what: `last commits of ${count} entries`,
    value: median(ours),
    unit: 'ms',
    against: { what: 'the git log it needs', value: median(theirs) },
  };
}

const { values } = parseArgs({ options: { repo: { type: 'string' } } });
await using fixture = await createFixture();
let path = values.repo;
if (path === undefined) {
  path = await initRepository(fixture.path('files.git'), { bare: true });
  await fill(path);
}
const repository = await openRepository(await realpath(path));
const files = git(repository.path, 'ls-tree', '-r', '--name-only', 'HEAD').split('\n').length;
const commits = git(repository.path, 'rev-list', '--count', 'HEAD');
console.log(
  `  measured on ${values.repo ?? 'a repository made for it'}: ${commits} commits, ${files} files`,
);
printRows([...(await measureReads(repository)), await measureLastCommits(repository)]);
