import type { FileHandle } from 'node:fs/promises';
import { deflateBound, inflateExactly, openIfReadable, readAt } from './object-bytes.ts';
import { applyDelta } from './pack-delta.ts';
import { type PackEntry, parsePackEntry } from './pack-entry.ts';
import { findPackOffset } from './pack-index.ts';
import type { ObjectType, StoredObject } from './stored-object.ts';

/** The longest chain of deltas git itself makes (`pack.depth`, "the maximum value is 4095"). */
const MAX_CHAIN = 4095;

/**
 * A chain may rebuild this many times `maxBytes` in all: a hostile pack costs time otherwise, 4,095
 * times over.
 */
const MAX_WORK_FACTOR = 64;

/**
 * Holds the header of an entry and, almost always, the whole of a commit: one read for each entry.
 */
const FIRST_READ = 4096;

/** An entry with the first bytes of its compressed data. */
interface ReadEntry extends PackEntry {
  readonly dataOffset: number;
  readonly data: Buffer;
  /** Whether the pack ends within `data`, so that there is no more to read. */
  readonly dataEnds: boolean;
}

/**
 * Reads the object with this id (20 or 32 bytes) from the pack `path` (`.../pack-HASH`, without an
 * ending), rebuilding it from its chain of deltas (gitformat-pack). A base that is named by id is
 * looked for in the same pack only: "when stored on disk the pack should be self contained".
 *
 * Null when the pack does not hold it or is not there, the object, a base or a delta is larger than
 * `maxBytes`, the chain is too long, or something is damaged. The hash is not checked here. Memory
 * stays within three times `maxBytes`, and `FIRST_READ` for each link of the chain.
 * @throws the system's error when the disk fails.
 */
export async function readPackedObject(
  path: string,
  id: Buffer,
  maxBytes: number,
): Promise<StoredObject | null> {
  const offset = await findPackOffset(`${path}.idx`, id);
  if (offset === null) return null;
  await using pack = await openIfReadable(`${path}.pack`);
  if (pack === null) return null;

  // First down to the base, reading headers; then up again, one delta in memory at a time.
  const deltas: ReadEntry[] = [];
  let entry = await readEntry(pack, offset, id.length, maxBytes);
  while (entry !== null && entry.base !== null) {
    if (deltas.push(entry) > MAX_CHAIN) return null;
    const base =
      typeof entry.base === 'number' ? entry.base : await findPackOffset(`${path}.idx`, entry.base);
    entry = base === null ? null : await readEntry(pack, base, id.length, maxBytes);
  }
  if (entry === null || entry.type === null) return null;

  const type: ObjectType = entry.type;
  let body = await inflateEntry(pack, entry);
  let work = 0;
  for (const delta of deltas.toReversed()) {
    if (body === null) return null;
    work += body.length;
    if (work > maxBytes * MAX_WORK_FACTOR) return null;
    const instructions = await inflateEntry(pack, delta);
    body = instructions && applyDelta(body, instructions, maxBytes);
  }
  return body && { type, body };
}

async function readEntry(
  pack: FileHandle,
  offset: number,
  idLength: number,
  maxBytes: number,
): Promise<ReadEntry | null> {
  const bytes = await readAt(pack, offset, FIRST_READ);
  const entry = parsePackEntry(bytes, offset, idLength);
  if (entry === null || entry.size > maxBytes) return null;
  return {
    ...entry,
    dataOffset: offset + entry.headerLength,
    data: bytes.subarray(entry.headerLength),
    dataEnds: bytes.length < FIRST_READ,
  };
}

async function inflateEntry(pack: FileHandle, entry: ReadEntry): Promise<Buffer | null> {
  const length = deflateBound(entry.size);
  const enough = entry.dataEnds || entry.data.length >= length;
  const compressed = enough ? entry.data : await readAt(pack, entry.dataOffset, length);
  return inflateExactly(compressed, entry.size);
}
