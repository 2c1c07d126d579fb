import { isUtf8 } from 'node:buffer';
import { mkdir, open, stat, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import { createWake, type Wake } from './follow.ts';

/**
 * Part of a job's output. Offsets count bytes from its start, so the end of one chunk is where the
 * next begins.
 */
export interface OutputChunk {
  readonly offset: number;
  readonly end: number;
  /** What UTF-8 makes of the bytes, U+FFFD where it cannot; never cut inside a character. */
  readonly text: string;
  /** The bytes, exactly when `text` cannot say them. */
  readonly raw?: Buffer;
}

/**
 * What a job printed: an append-only file that is read by offset. Readers keep nothing but their
 * position here, so any number of them, however slow or late, costs the agent nothing.
 */
export interface OutputLog {
  readonly size: number;
  /** No more will come. */
  readonly isEnded: boolean;
  /** Wakes when there is more, and at the end. */
  readonly changed: Wake;
  /** Resolves when the bytes are in the file; await it, for it is the backpressure on who prints. */
  append(bytes: Buffer): Promise<void>;
  end(): Promise<void>;
  /**
   * Reads from `offset`, a chunk at most. null when nothing is there yet, or only the beginning of a
   * character whose rest has not been printed.
   */
  read(offset: number): Promise<OutputChunk | null>;
}

export interface OutputLogs {
  /** Starts a new job's output. The file appears with the first byte. */
  create(jobId: string): OutputLog;
  /** Opens a finished job's; empty when nothing was printed or it is not kept any more. */
  open(jobId: string): Promise<OutputLog>;
  /** Adds lines below the output of a job whose agent died. Nobody may follow it yet. */
  amend(jobId: string, text: string): Promise<void>;
}

/** Most readers are at the end of a log that grows. What they read is kept in memory, and decoded once. */
const TAIL_BYTES = 256 * 1024;

/**
 * @param stateDir outputs lie in `outputs/` below it, a file for each job
 * @param maxChunkBytes most bytes that one `read` gives
 */
export function createOutputLogs(stateDir: string, maxChunkBytes: number): OutputLogs {
  const folder = join(stateDir, 'outputs');
  const pathOf = (jobId: string): string => join(folder, `${jobId}.log`);
  return {
    create: (jobId) => createLiveLog(folder, pathOf(jobId), maxChunkBytes),
    async amend(jobId, text) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      const file = await open(pathOf(jobId), 'a+', 0o600);
      try {
        const { size } = await file.stat();
        const { buffer } = await file.read(Buffer.alloc(1), 0, 1, Math.max(0, size - 1));
        const lead = size === 0 || buffer[0] === 0x0a ? '' : '\n';
        await file.appendFile(`${lead}${text}`);
      } finally {
        await file.close();
      }
    },
    async open(jobId) {
      const path = pathOf(jobId);
      const size = await stat(path).then(
        (file) => file.size,
        (error: unknown) => {
          if (isMissing(error)) return 0;
          throw error;
        },
      );
      return {
        size,
        isEnded: true,
        changed: createWake(),
        append: refuseAppend,
        end: async () => undefined,
        read: async (offset) => {
          const bytes = await readFileAt(path, offset, Math.min(maxChunkBytes, size - offset));
          return toChunk(bytes, offset, offset + bytes.length === size);
        },
      };
    },
  };
}

function createLiveLog(folder: string, path: string, maxChunkBytes: number): OutputLog {
  let file: FileHandle | undefined;
  let size = 0;
  let isEnded = false;
  /** A write stopped half-way, so the file may be longer than `size`. */
  let isTorn = false;
  let lastWrite: Promise<void> = Promise.resolve();
  let lastChunk: OutputChunk | null = null;
  const changed = createWake();
  const tail = createTail(TAIL_BYTES);

  const write = async (bytes: Buffer): Promise<void> => {
    if (isEnded) await refuseAppend();
    if (file === undefined) {
      await mkdir(folder, { recursive: true, mode: 0o700 });
      file = await open(path, 'wx', 0o600);
    }
    // At its offset, not at the file's end: when the disk was full for a while, part of a failed write
    // may stand there.
    isTorn = true;
    await writeFileAt(file, bytes, size);
    isTorn = false;
    // Only now, for what a reader has seen must be there after a crash.
    tail.push(bytes);
    size += bytes.length;
    changed.wake();
  };
  return {
    get size() {
      return size;
    },
    get isEnded() {
      return isEnded;
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
      isEnded = true;
      lastChunk = null;
      changed.wake();
      try {
        if (isTorn) await file?.truncate(size);
      } finally {
        await file?.close();
      }
    },
    async read(offset) {
      const until = Math.min(size, offset + maxChunkBytes);
      if (lastChunk?.offset === offset && lastChunk.end === until) return lastChunk;
      const isFinal = isEnded && until === size;
      const bytes = tail.read(offset, until) ?? (await readFileAt(path, offset, until - offset));
      const chunk = toChunk(bytes, offset, isFinal);
      if (chunk !== null && chunk.end === size) lastChunk = chunk;
      return chunk;
    },
  };
}

async function refuseAppend(): Promise<never> {
  return await Promise.reject(new Error('this output has ended'));
}

function isMissing(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ENOENT';
}

async function readFileAt(path: string, offset: number, length: number): Promise<Buffer> {
  if (length <= 0) return Buffer.alloc(0);
  const file = await open(path, 'r');
  try {
    const buffer = Buffer.allocUnsafe(length);
    const { bytesRead } = await file.read(buffer, 0, length, offset);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}

async function writeFileAt(file: FileHandle, bytes: Buffer, offset: number): Promise<void> {
  for (let done = 0; done < bytes.length;) {
    const { bytesWritten } = await file.write(bytes, done, bytes.length - done, offset + done);
    done += bytesWritten;
  }
}

function toChunk(bytes: Buffer, offset: number, isFinal: boolean): OutputChunk | null {
  const whole = isFinal ? bytes : bytes.subarray(0, bytes.length - unfinishedLength(bytes));
  if (whole.length === 0) return null;
  const chunk = { offset, end: offset + whole.length, text: whole.toString('utf8') };
  return isUtf8(whole) ? chunk : { ...chunk, raw: whole };
}

/** How many bytes at the end are the beginning of a UTF-8 character whose rest is missing (RFC 3629, section 3). */
function unfinishedLength(bytes: Buffer): number {
  for (let length = 1; length <= Math.min(3, bytes.length); length++) {
    const byte = bytes[bytes.length - length] ?? 0;
    if (byte < 0x80) return 0;
    if (byte >= 0xc0) {
      // 0xc0, 0xc1 and what follows 0xf4 never begin one: nothing is to be waited for.
      const needed = byte > 0xf4 ? 0 : byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : byte >= 0xc2 ? 2 : 0;
      return needed > length ? length : 0;
    }
  }
  return 0;
}

/** The last bytes of a stream that grows, in a ring. */
function createTail(capacity: number): {
  push(bytes: Buffer): void;
  /** null when `from` has left the ring. */
  read(from: number, until: number): Buffer | null;
} {
  let ring: Buffer | undefined;
  let end = 0;
  return {
    push(bytes) {
      ring ??= Buffer.allocUnsafeSlow(capacity);
      const kept = bytes.subarray(-capacity);
      const at = (end + bytes.length - kept.length) % capacity;
      const copied = kept.copy(ring, at);
      kept.copy(ring, 0, copied);
      end += bytes.length;
    },
    read(from, until) {
      if (ring === undefined || from < end - capacity || until > end || from > until) return null;
      const at = from % capacity;
      const first = ring.subarray(at, Math.min(capacity, at + until - from));
      return Buffer.concat([first, ring.subarray(0, until - from - first.length)]);
    },
  };
}
