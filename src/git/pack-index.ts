import type { FileHandle } from 'node:fs/promises';
import { openIfReadable, readAt } from './object-bytes.ts';

/** `\377tOc` and version 2; a version 1 index begins with its fan-out table. */
const MAGIC = Buffer.from([0xff, 0x74, 0x4f, 0x63, 0, 0, 0, 2]);
const FANOUT_END = MAGIC.length + 256 * 4;

/**
 * Ids are read this many at once (40 KiB of SHA-1): in most packs, fewer begin with the same byte.
 */
const IDS_AT_ONCE = 2048;

/**
 * Where in its pack the object with this id (20 or 32 bytes) begins, as the pack's `.idx` file
 * says. The layout is gitformat-pack's "Version 2 pack-*.idx files": magic, fan-out, sorted ids, a
 * CRC-32 each, a 4-byte offset each, 8-byte offsets. Only the fan-out and the ids around the one
 * looked for are ever in memory.
 *
 * Null when the pack does not hold the object, there is no such index, it is damaged, or it is not
 * of version 2 (git writes no other since 2007).
 * @throws the system's error when the disk fails.
 */
export async function findPackOffset(indexPath: string, id: Buffer): Promise<number | null> {
  await using file = await openIfReadable(indexPath);
  if (file === null) return null;

  const start = await readAt(file, 0, FANOUT_END);
  if (start.length < FANOUT_END || !start.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const fanout = start.subarray(MAGIC.length);
  const firstByte = id.readUInt8(0);
  const total = fanout.readUInt32BE(255 * 4);
  const from = firstByte === 0 ? 0 : fanout.readUInt32BE((firstByte - 1) * 4);
  const to = fanout.readUInt32BE(firstByte * 4);
  if (from > to || to > total) return null;

  const position = await findId(file, id, from, to);
  if (position === null) return null;
  // Awaited, as the file is closed on return.
  return await readOffset(file, FANOUT_END + total * (id.length + 4), total, position);
}

/** The position of `id` among all sorted ids, when it is one of those number `from` to `to`. */
async function findId(
  file: FileHandle,
  id: Buffer,
  from: number,
  to: number,
): Promise<number | null> {
  let low = from;
  let high = to;
  while (high - low > IDS_AT_ONCE) {
    const middle = Math.floor((low + high) / 2);
    const candidate = await readAt(file, FANOUT_END + middle * id.length, id.length);
    if (candidate.length < id.length) return null;
    if (candidate.compare(id) <= 0) low = middle;
    else high = middle;
  }

  const first = low;
  const ids = await readAt(file, FANOUT_END + first * id.length, (high - first) * id.length);
  if (ids.length < (high - first) * id.length) return null;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const at = (middle - first) * id.length;
    const order = id.compare(ids, at, at + id.length);
    if (order === 0) return middle;
    if (order > 0) low = middle + 1;
    else high = middle;
  }
  return null;
}

/**
 * Reads the offset number `position` from the table that begins at `table` and has `total` entries.
 */
async function readOffset(
  file: FileHandle,
  table: number,
  total: number,
  position: number,
): Promise<number | null> {
  const entry = await readAt(file, table + position * 4, 4);
  if (entry.length < 4) return null;
  const offset = entry.readUInt32BE();
  if (offset < 0x8000_0000) return offset;

  // "Large offsets are encoded as an index into the next table with the msbit set."
  const large = await readAt(file, table + total * 4 + (offset - 0x8000_0000) * 8, 8);
  if (large.length < 8) return null;
  const wide = Number(large.readBigUInt64BE());
  return Number.isSafeInteger(wide) ? wide : null;
}
