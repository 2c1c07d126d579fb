import { join } from 'node:path';
import {
  deflateBound,
  inflateExactly,
  inflateStart,
  openIfReadable,
  readAt,
} from './object-bytes.ts';
import type { Oid } from './oid.ts';
import type { ObjectType, StoredObject } from './stored-object.ts';

/** Holds a commit whole, almost always: one read, and one more only for larger objects. */
const FIRST_READ = 4096;

/**
 * Enough compressed bytes for the header to come out: before its first byte, deflate may spend
 * some 300 on the tables of its code. It also caps what this can blow up to (half a megabyte).
 */
const HEADER_INPUT = 512;

/** `type size\0`; fifteen digits stay within JavaScript's exact integers. */
const HEADER = /^(commit|tree|blob|tag) (0|[1-9][0-9]{0,14})\0/;

/**
 * Reads `objects/ab/cdef...`: one zlib stream of `type size\0body` (gitglossary "loose object",
 * gitrepository-layout "objects/[0-9a-f][0-9a-f]").
 *
 * Null when there is no such file, its body is larger than `maxBytes`, or it is damaged.
 * The hash is not checked here.
 * @throws the system's error when the disk fails.
 */
export async function readLooseObject(
  objectsDir: string,
  id: Oid,
  maxBytes: number,
): Promise<StoredObject | null> {
  await using file = await openIfReadable(join(objectsDir, id.slice(0, 2), id.slice(2)));
  if (file === null) return null;

  // The size is looked at first, so that a small file that inflates to gigabytes costs nothing.
  const first = await readAt(file, 0, FIRST_READ);
  const start = inflateStart(first.subarray(0, HEADER_INPUT));
  const header = start && parseHeader(start);
  if (!start || !header || header.size > maxBytes) return null;

  const end = header.length + header.size;
  if (start.length > end) return null;
  if (start.length === end) return { type: header.type, body: start.subarray(header.length) };

  const compressed = first.length < FIRST_READ ? first : await readAt(file, 0, deflateBound(end));
  const content = await inflateExactly(compressed, end);
  return content && { type: header.type, body: content.subarray(header.length) };
}

function parseHeader(start: Buffer): { type: ObjectType; size: number; length: number } | null {
  const match = HEADER.exec(start.toString('latin1', 0, 32));
  if (match === null) return null;
  // The expression lets only the four types through, and has two groups.
  const type = match[1] as ObjectType;
  return { type, size: Number(match[2]), length: match[0].length };
}
