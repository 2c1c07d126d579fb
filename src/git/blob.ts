import { isUtf8 } from 'node:buffer';
import type { ObjectReader } from './object-reader.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** The beginning of a blob, which for nearly all of them is the whole. */
export interface BlobContent {
  /** Of the whole blob. */
  readonly size: number;
  /** At most `MAX_BLOB_BYTES`. Of a text that is cut off, without the part of a character at the end. */
  readonly bytes: Buffer;
  /** Whether more follows. */
  readonly isTruncated: boolean;
  /** What git diff takes for binary: a NUL is among the first 8,000 bytes. */
  readonly isBinary: boolean;
}

/** What of a blob is read at most. */
export const MAX_BLOB_BYTES = 512 * 1024;
/** git's xdiff-interface.c, `FIRST_FEW_BYTES`. */
const LOOKED_AT = 8000;

/**
 * Reads a blob's beginning. One that is larger than `MAX_BLOB_BYTES` costs a git child.
 * @throws as `ObjectReader.readStart`
 */
export async function readBlob(
  objects: ObjectReader,
  repository: Repository,
  id: Oid,
  signal: AbortSignal,
): Promise<BlobContent> {
  const start = await objects.readStart(repository, id, MAX_BLOB_BYTES, signal);
  const { size, body, isTruncated } = start;
  const isBinary = body.subarray(0, LOOKED_AT).includes(0);
  const bytes = isTruncated && !isBinary ? body.subarray(0, wholeCharacters(body)) : body;
  return { size, bytes, isTruncated, isBinary };
}

/** Where the last UTF-8 character ends that is not cut off; the end of what is not UTF-8. */
function wholeCharacters(bytes: Buffer): number {
  for (let length = bytes.length; length > bytes.length - 4 && length > 0; length--) {
    if (isUtf8(bytes.subarray(0, length))) return length;
  }
  return bytes.length;
}

/**
 * Some lines of a text, without their ends, counted from 1; fewer where it has no more. A last line without a
 * newline counts.
 */
export function sliceLines(text: string, start: number, end: number): string[] {
  let from = 0;
  for (let line = 1; line < start; line++) {
    const newline = text.indexOf('\n', from);
    if (newline === -1) return [];
    from = newline + 1;
  }
  const lines: string[] = [];
  while (from < text.length && lines.length <= end - start) {
    const newline = text.indexOf('\n', from);
    const to = newline === -1 ? text.length : newline;
    lines.push(text.slice(from, to));
    from = to + 1;
  }
  return lines;
}
