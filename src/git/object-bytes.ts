import { open, type FileHandle } from 'node:fs/promises';
import { promisify } from 'node:util';
import { constants, inflate, inflateSync } from 'node:zlib';

const inflateInThread = promisify(inflate);

/**
 * Up to this many bytes are inflated at once on this thread: it takes some ten microseconds,
 * less than the way to zlib's thread and back. Nearly every commit is smaller.
 */
const SYNC_LIMIT = 64 * 1024;

/**
 * Whether the system or zlib said that a file cannot be read; every other error is a bug of ours.
 */
export function isUnreadable(error: unknown): boolean {
  return error instanceof Error && 'errno' in error;
}

/**
 * Opens a file for reading; null when the system refuses (it is not there, or no longer, or not
 * ours to read).
 */
export async function openIfReadable(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r');
  } catch (error) {
    if (isUnreadable(error)) return null;
    throw error;
  }
}

/**
 * Reads up to `length` bytes at `position`; fewer only where the file ends.
 * @throws the system's error when the disk fails.
 */
export async function readAt(file: FileHandle, position: number, length: number): Promise<Buffer> {
  const bytes = Buffer.allocUnsafe(length);
  let filled = 0;
  while (filled < length) {
    const { bytesRead } = await file.read(bytes, filled, length - filled, position + filled);
    if (bytesRead === 0) break;
    filled += bytesRead;
  }
  return bytes.subarray(0, filled);
}

/**
 * The most bytes that deflating `size` bytes can make: zlib's own `deflateBound` for unknown
 * settings. A pack does not say how long the compressed data of an entry is, so this many bytes are
 * read.
 */
export function deflateBound(size: number): number {
  return size + Math.ceil(size / 8) + Math.ceil(size / 64) + 11;
}

/**
 * Inflates `input` to exactly `size` bytes, ignoring what follows the zlib stream.
 * Null when the stream is damaged, is cut short, or holds more or less than `size` bytes;
 * never allocates more than `size` bytes, whatever the stream holds.
 */
export async function inflateExactly(input: Buffer, size: number): Promise<Buffer | null> {
  // maxOutputLength may not be 0, and an output chunk may not be under 64 bytes.
  const limits = {
    maxOutputLength: Math.max(size, 1),
    chunkSize: Math.max(64, Math.min(size, SYNC_LIMIT)),
  };
  try {
    const output =
      size <= SYNC_LIMIT ? inflateSync(input, limits) : await inflateInThread(input, limits);
    return output.length === size ? output : null;
  } catch (error) {
    if (isBadStream(error)) return null;
    throw error;
  }
}

/**
 * Inflates as much as `input`, the first bytes of a zlib stream, gives. Null when it is no zlib
 * stream. Deflate makes at most 1,032 bytes of one, which is the bound here: keep `input` short.
 */
export function inflateStart(input: Buffer): Buffer | null {
  try {
    return inflateSync(input, { finishFlush: constants.Z_SYNC_FLUSH });
  } catch (error) {
    if (isBadStream(error)) return null;
    throw error;
  }
}

function isBadStream(error: unknown): boolean {
  // Passing maxOutputLength throws ERR_BUFFER_TOO_LARGE; Z_DATA_ERROR and its kin have an errno.
  return (
    isUnreadable(error) ||
    (error instanceof RangeError && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE')
  );
}
