import { mkdir, open, rm, type FileHandle } from 'node:fs/promises';
import { headPath, tailFolder, tailPath, type OutputFile } from './output-file.ts';

/** Writes one output into files, so that no more than so many bytes of it are on the disk at any time. */
export interface OutputWriter {
  /** What is kept, in order. Changes as it is written to. */
  readonly files: OutputFile[];
  /**
   * Resolves when some of the bytes, from the first on, are in a file, with how many. One at a time. What
   * is left of a write that failed is no part of the output.
   */
  write(bytes: Buffer): Promise<number>;
  close(): Promise<void>;
}

/** Into so many files the half of the limit is cut that the end is kept in; the oldest goes for a new one. */
const TAIL_FILES = 8;

/**
 * The first half of what the limit allows is kept in one file, the beginning. What follows goes into small
 * ones, of which the last few are kept. So what is cut out lies in the middle, and an output within the limit is whole.
 * A crash at any moment leaves files whose names and sizes tell what is kept.
 */
export function createOutputWriter(
  folder: string,
  jobId: string,
  limitBytes: number,
): OutputWriter {
  const headBytes = Math.ceil(limitBytes / 2);
  const tailBytes = Math.ceil(limitBytes / 2 / TAIL_FILES);
  const files: OutputFile[] = [];
  let current: { file: OutputFile; handle: FileHandle; room: number } | undefined;
  /** A write stopped half-way, so the file may be longer than its `size`. */
  let isTorn = false;

  /** The file that the next byte goes into. */
  async function next(): Promise<NonNullable<typeof current>> {
    if (current !== undefined && current.room > 0) return current;
    const start = current === undefined ? 0 : current.file.start + current.file.size;
    if (current === undefined) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
    } else {
      await mkdir(tailFolder(folder, jobId), { recursive: true, mode: 0o700 });
      // Before the new one is made, or there would be more than is allowed for a moment.
      if (files.length > TAIL_FILES) {
        const [oldest] = files.splice(1, 1);
        if (oldest !== undefined) await rm(oldest.path, { force: true });
      }
    }
    const path = current === undefined ? headPath(folder, jobId) : tailPath(folder, jobId, start);
    const handle = await open(path, 'wx', 0o600);
    const filled = current;
    current = { file: { path, start, size: 0 }, handle, room: start === 0 ? headBytes : tailBytes };
    files.push(current.file);
    await filled?.handle.close();
    return current;
  }

  return {
    files,
    async write(bytes) {
      const { file, handle, room } = await next();
      const part = bytes.subarray(0, room);
      // At its offset, not at the file's end: when the disk was full for a while, part of a failed write
      // may stand there.
      isTorn = true;
      await writeAt(handle, part, file.size);
      isTorn = false;
      file.size += part.length;
      if (current !== undefined) current.room -= part.length;
      return part.length;
    },
    async close() {
      const { handle, file } = current ?? {};
      try {
        if (isTorn) await handle?.truncate(file?.size);
      } finally {
        await handle?.close();
      }
    },
  };
}

async function writeAt(handle: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await handle.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}
