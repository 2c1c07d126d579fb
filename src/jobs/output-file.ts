import { mkdir, open, opendir, readdir, rm, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';

/**
 * A file with part of a job's output: the first is `JOB.log`. Of an output that outgrew the limit's half,
 * more lie in the folder `JOB.tail`, each called by the offset it begins at, so that the names and sizes
 * say all there is to know. Where no file has the bytes, they are not kept.
 */
export interface OutputFile {
  readonly path: string;
  /** The offset of its first byte. */
  readonly start: number;
  /** How many bytes of it belong to the output. */
  size: number;
}

export function headPath(folder: string, jobId: string): string {
  return join(folder, `${jobId}.log`);
}

export function tailFolder(folder: string, jobId: string): string {
  return join(folder, `${jobId}.tail`);
}

/** Sorts as the offsets do. */
export function tailPath(folder: string, jobId: string, start: number): string {
  return join(tailFolder(folder, jobId), String(start).padStart(15, '0'));
}

/** What is kept of a job's output, in order; empty when nothing is. */
export async function listOutputFiles(folder: string, jobId: string): Promise<OutputFile[]> {
  const tail = tailFolder(folder, jobId);
  const names = await unlessMissing(readdir(tail), []);
  const files = [
    { path: headPath(folder, jobId), start: 0 },
    ...names
      .filter((name) => /^\d{15}$/.test(name))
      .toSorted()
      .map((name) => ({ path: join(tail, name), start: Number(name) })),
  ];
  const sizes = await Promise.all(
    files.map(async ({ path }) => await unlessMissing(sizeOf(path), 0)),
  );
  return files
    .map((file, index) => ({ ...file, size: sizes[index] ?? 0 }))
    .filter(({ size }) => size > 0);
}

/** Takes the files that are not there any more out of the list. */
export async function forgetMissing(files: OutputFile[]): Promise<void> {
  for (const file of files.slice()) {
    if ((await unlessMissing(stat(file.path), null)) !== null) continue;
    const index = files.indexOf(file);
    if (index !== -1) files.splice(index, 1);
  }
}

/** Removes all of a job's output. What has gone already is no error. */
export async function removeOutputFiles(folder: string, jobId: string): Promise<void> {
  await rm(tailFolder(folder, jobId), { recursive: true, force: true });
  await rm(headPath(folder, jobId), { force: true });
}

/** Adds text below what is there, on a line of its own. Nobody else may be writing. */
export async function appendToOutput(folder: string, jobId: string, text: string): Promise<void> {
  await mkdir(folder, { recursive: true, mode: 0o700 });
  const last = (await listOutputFiles(folder, jobId)).at(-1);
  const file = await open(last?.path ?? headPath(folder, jobId), 'a+', 0o600);
  try {
    const { size } = await file.stat();
    const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
    const lead = size === 0 || buffer[0] === 0x0a ? '' : '\n';
    await file.appendFile(`${lead}${text}`);
  } finally {
    await file.close();
  }
}

/** An output that lies in the folder. */
export interface StoredOutput {
  readonly jobId: string;
  readonly bytes: number;
  /** When it was last written to, in milliseconds since 1970. */
  readonly modifiedAt: number;
}

/** All outputs, in no order, one after the other. */
export async function* listStoredOutputs(folder: string): AsyncGenerator<StoredOutput> {
  const entries = await unlessMissing(opendir(folder), null);
  if (entries === null) return;
  for await (const { name } of entries) {
    const [, jobId = '', kind = ''] = /^(.+)\.(log|tail)$/.exec(name) ?? [];
    if (kind === '') continue;
    const path = headPath(folder, jobId);
    const head = await unlessMissing(stat(path), null);
    // A tail without its head is told once, the others with it.
    if (kind === 'tail' && head !== null) continue;
    const files = await listOutputFiles(folder, jobId);
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    yield { jobId: basename(jobId), bytes, modifiedAt: head?.mtimeMs ?? 0 };
  }
}

/** null when the file is not there any more. */
export async function readFileAt(
  path: string,
  offset: number,
  length: number,
): Promise<Buffer | null> {
  if (length <= 0) return Buffer.alloc(0);
  const file = await unlessMissing(open(path, 'r'), null);
  if (file === null) return null;
  try {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function sizeOf(path: string): Promise<number> {
  return (await stat(path)).size;
}

async function unlessMissing<T, U>(promise: Promise<T>, otherwise: U): Promise<T | U> {
  return await promise.catch((error: unknown) => {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return otherwise;
    throw error;
  });
}
