import { join } from 'node:path';
import { createWake, type Wake } from './follow.ts';
import { leftOutChunk, toChunk, type OutputChunk } from './output-chunk.ts';
import {
  appendToOutput,
  forgetMissing,
  listOutputFiles,
  listStoredOutputs,
  readFileAt,
  removeOutputFiles,
  type OutputFile,
  type StoredOutput,
} from './output-file.ts';
import { createOutputTail } from './output-tail.ts';
import { createOutputWriter } from './output-writer.ts';
import { createPace } from './pace.ts';

export type { OutputChunk } from './output-chunk.ts';

/**
 * What a job printed: an append-only sequence of bytes that is read by offset. Readers keep nothing but
 * their position here, so any number of them, however slow or late, costs the agent nothing.
 */
export interface OutputLog {
  readonly size: number;
  /** No more will come. */
  readonly isEnded: boolean;
  /** How many of its bytes are on the disk: less than `size` when it outgrew the limit. */
  readonly keptBytes: number;
  /** Wakes when there is more, and at the end. */
  readonly changed: Wake;
  /** Resolves when the bytes are in the file; await it, for it is the backpressure on who prints. */
  append(bytes: Buffer): Promise<void>;
  end(): Promise<void>;
  /**
   * Reads from `offset`, a chunk at most. null when nothing is there yet, or only the beginning of a
   * character whose rest has not been printed. Bytes that are not kept any more are one chunk that says so.
   * What was printed last is there at once.
   */
  read(offset: number): OutputChunk | null | Promise<OutputChunk | null>;
}

export interface OutputLogs {
  /** Starts a new job's output. The file appears with the first byte. */
  create(jobId: string): OutputLog;
  /** Opens a finished job's; empty when nothing was printed or it is not kept any more. */
  open(jobId: string): Promise<OutputLog>;
  /** All that lie on the disk, in no order. */
  list(): AsyncIterable<StoredOutput>;
  /** Who reads it gets a chunk that says so, then the end. */
  remove(jobId: string): Promise<void>;
  /** How many bytes have been appended to all of them since the start. */
  readonly appendedBytes: number;
  /** Adds lines below the output of a job whose agent died. Nobody may follow it yet. */
  amend(jobId: string, text: string): Promise<void>;
}

/** Most readers are at the end of a log that grows. What they read is kept in memory, and decoded once. */
const TAIL_BYTES = 256 * 1024;
const RECENT_CHUNKS = 8;
/** Of these only the newest is kept: while a flood prints eight others they would become old, and old garbage stays. */
const LARGE_CHUNK_BYTES = 16 * 1024;
const DEFAULT_LIMIT_BYTES = 256 * 1024 * 1024;

/**
 * @param stateDir outputs lie in `outputs/` below it, see `OutputFile`
 * @param maxChunkBytes most bytes that one `read` gives
 * @param limitBytes most bytes that are kept of one output; of a longer one the middle is cut out
 */
export function createOutputLogs(
  stateDir: string,
  maxChunkBytes: number,
  limitBytes = DEFAULT_LIMIT_BYTES,
): OutputLogs {
  const folder = join(stateDir, 'outputs');
  let appendedBytes = 0;

  function createLiveLog(jobId: string): OutputLog {
    let size = 0;
    let isEnded = false;
    let lastWrite: Promise<void> = Promise.resolve();
    /** What readers at the end have just been given: most of the others are there, too. */
    const recent: OutputChunk[] = [];
    const changed = createWake();
    const pace = createPace(changed);
    const tail = createOutputTail(TAIL_BYTES);
    const writer = createOutputWriter(folder, jobId, limitBytes);

    const write = async (bytes: Buffer): Promise<void> => {
      if (isEnded) await refuseAppend();
      for (let done = 0; done < bytes.length;) {
        const rest = bytes.subarray(done);
        const written = await writer.write(rest);
        // Only now, for what a reader has seen must be there after a crash.
        tail.push(rest.subarray(0, written));
        size += written;
        done += written;
        appendedBytes += written;
        pace.wake();
      }
    };
    return {
      get size() {
        return size;
      },
      get isEnded() {
        return isEnded;
      },
      get keptBytes() {
        return keptBytes(writer.files);
      },
      changed,
      async append(bytes) {
        if (bytes.length === 0) return;
        const turn = lastWrite.then(async () => {
          await write(bytes);
        });
        lastWrite = turn.catch(() => undefined);
        await turn;
      },
      async end() {
        await lastWrite;
        if (isEnded) return;
        isEnded = true;
        recent.length = 0;
        pace.end();
        await writer.close();
      },
      read(offset) {
        const until = Math.min(size, offset + maxChunkBytes);
        const known = recent.find((each) => each.offset === offset && each.end === until);
        if (known !== undefined) return known;
        const bytes = tail.read(offset, until);
        if (bytes === null) {
          return readFrom(jobId, writer.files, offset, () => ({ size, isEnded }));
        }
        const chunk = toChunk(jobId, bytes, offset, isEnded && until === size);
        if (chunk !== null && !isEnded) {
          recent.unshift(chunk);
          recent.splice(chunk.end - chunk.offset > LARGE_CHUNK_BYTES ? 1 : RECENT_CHUNKS);
        }
        return chunk;
      },
    };
  }

  /** @param files what is kept; those that turn out to have gone are taken away */
  async function readFrom(
    jobId: string,
    files: OutputFile[],
    offset: number,
    now: () => { readonly size: number; readonly isEnded: boolean },
  ): Promise<OutputChunk | null> {
    for (;;) {
      const { size } = now();
      const until = Math.min(size, offset + maxChunkBytes);
      if (offset >= until) return null;
      const bytes = await readWithoutGap(files, offset, until);
      if (bytes === null) continue; // A file has gone meanwhile: look again.
      if (bytes.length === 0) {
        if (files.some((file) => has(file, offset))) return null; // Shorter than it was.
        return leftOutChunk(
          jobId,
          offset,
          files.find(({ start }) => start > offset)?.start ?? size,
        );
      }
      const end = offset + bytes.length;
      const isCut = end < size && !files.some((file) => has(file, end));
      return toChunk(jobId, bytes, offset, isCut || (end === size && now().isEnded));
    }
  }

  return {
    create: createLiveLog,
    async amend(jobId, text) {
      await appendToOutput(folder, jobId, text);
    },
    async open(jobId) {
      const files = await listOutputFiles(folder, jobId);
      const last = files.at(-1);
      const size = last === undefined ? 0 : last.start + last.size;
      return {
        size,
        isEnded: true,
        get keptBytes() {
          return keptBytes(files);
        },
        changed: createWake(),
        append: refuseAppend,
        end: async () => undefined,
        read: async (offset) =>
          await readFrom(jobId, files, offset, () => ({ size, isEnded: true })),
      };
    },
    list: () => listStoredOutputs(folder),
    remove: async (jobId) => {
      await removeOutputFiles(folder, jobId);
    },
    get appendedBytes() {
      return appendedBytes;
    },
  };
}

/** What the files have from `from` on, up to `until` or the first gap. null when one of them has gone. */
async function readWithoutGap(
  files: OutputFile[],
  from: number,
  until: number,
): Promise<Buffer | null> {
  const parts: Buffer[] = [];
  let at = from;
  while (at < until) {
    const file = files.find((each) => has(each, at));
    if (file === undefined) break;
    const length = Math.min(until, file.start + file.size) - at;
    const bytes = await readFileAt(file.path, at - file.start, length);
    if (bytes === null) {
      await forgetMissing(files);
      return null;
    }
    parts.push(bytes);
    at += bytes.length;
    if (bytes.length < length) break;
  }
  return parts.length === 1 ? (parts[0] ?? null) : Buffer.concat(parts);
}

function has({ start, size }: OutputFile, offset: number): boolean {
  return start <= offset && offset < start + size;
}

function keptBytes(files: readonly OutputFile[]): number {
  return files.reduce((sum, { size }) => sum + size, 0);
}

async function refuseAppend(): Promise<never> {
  return await Promise.reject(new Error('this output has ended'));
}
