/** Repositories to measure with, made once by `git fast-import` and kept in a folder. */
import { execFileSync, spawn } from 'node:child_process';
import { createCipheriv } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, renameSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Bytes that do not compress, the same in each run. */
function createNoise(): (bytes: number) => Buffer {
  const cipher = createCipheriv('aes-128-ctr', Buffer.alloc(16), Buffer.alloc(16));
  return (bytes) => cipher.update(Buffer.alloc(bytes));
}

async function fastImport(dir: string, write: () => Iterable<Buffer | string>): Promise<void> {
  execFileSync('git', ['init', '-q', '--bare', '--initial-branch=main', dir]);
  const child = spawn('git', ['-C', dir, 'fast-import', '--quiet'], {
    stdio: ['pipe', 'inherit', 'inherit'],
  });
  const ended = once(child, 'exit');
  for (const piece of write()) if (!child.stdin.write(piece)) await once(child.stdin, 'drain');
  child.stdin.end();
  const [code] = (await ended) as [number | null];
  if (code !== 0) throw new Error(`git fast-import: ${code}`);
}

/** Makes a repository unless it is there already. */
async function make(dir: string, build: (dir: string) => Promise<void>): Promise<string> {
  if (existsSync(dir)) return dir;
  console.error(`making ${dir}`);
  const unfinished = `${dir}.unfinished`;
  execFileSync('rm', ['-rf', unfinished]);
  await build(unfinished);
  renameSync(unfinished, dir);
  return dir;
}

const COMMITS = 120_000;
const FILES = 4_000;

/** A long history of many small files: 120,000 commits, some 300 MB, packed as a server keeps it. */
export async function longHistory(folder: string): Promise<string> {
  return await make(join(folder, 'long.git'), async (dir) => {
    const noise = createNoise();
    const texts = Array.from({ length: FILES }, () => text(noise(600)));
    await fastImport(dir, function* () {
      for (let n = 0; n < COMMITS; n++) {
        const file = (n * 7919) % FILES;
        // Most of the file stays, so that git finds deltas as in real sources.
        const old = texts[file] ?? '';
        const cut = (n * 31) % Math.max(1, old.length - 200);
        const changed = `${old.slice(0, cut)}${text(noise(330))}${old.slice(cut + 180, 6_000)}`;
        texts[file] = changed;
        yield `commit refs/heads/main\ncommitter A <a@example.com> ${1_500_000_000 + n * 60} +0000\n`;
        const message = `Change ${n}\n\n${text(noise(30))}`;
        yield `data ${message.length}\n${message}\n`;
        yield `M 100644 inline src/${file % 61}/${file % 17}/file-${file}.txt\n`;
        yield `data ${changed.length}\n${changed}\n`;
      }
    });
    execFileSync('git', ['-C', dir, 'repack', '-q', '-a', '-d', '-b', '--window=4'], {
      stdio: 'inherit',
    });
  });
}

/** A gigabyte that does not compress, in blobs of 8 MB. */
export async function incompressible(folder: string, megabytes = 1024): Promise<string> {
  return await make(join(folder, `noise-${megabytes}.git`), async (dir) => {
    const noise = createNoise();
    await fastImport(dir, function* () {
      yield 'commit refs/heads/main\ncommitter A <a@example.com> 1500000000 +0000\ndata 1\nx\n';
      for (let n = 0; n < megabytes / 8; n++) {
        const bytes = noise(8 * 1024 * 1024);
        yield `M 100644 inline noise-${n}\ndata ${bytes.length}\n`;
        yield bytes;
        yield '\n';
      }
    });
  });
}

/** One commit and 10,000 refs. */
export async function manyRefs(folder: string): Promise<string> {
  return await make(join(folder, 'refs.git'), async (dir) => {
    await fastImport(dir, () => [
      'commit refs/heads/main\ncommitter A <a@example.com> 1500000000 +0000\ndata 1\nx\nM 100644 inline a\ndata 1\na\n',
    ]);
    const oid = execFileSync('git', ['-C', dir, 'rev-parse', 'main'], { encoding: 'utf8' }).trim();
    const lines = Array.from({ length: 9_999 }, (_, n) => `${oid} refs/tags/t${n}\n`);
    writeFileSync(join(dir, 'packed-refs'), lines.toSorted().join(''));
  });
}

function text(bytes: Buffer): string {
  return bytes.toString('base64').replaceAll(/(.{60})/g, '$1\n');
}
