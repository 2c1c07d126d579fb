import type { ObjectType } from './stored-object.ts';

/** The header of one entry of a pack. */
export interface PackEntry {
  /** The object's type; null for a delta, which has its base's. */
  readonly type: ObjectType | null;
  /** How many bytes the entry inflates to: the object, or for a delta its instructions. */
  readonly size: number;
  /**
   * What a delta builds on: the offset of an entry of the same pack, or an id (20 or 32 bytes);
   * null for an object.
   */
  readonly base: number | Buffer | null;
  /** Where the compressed data begins, counted from the entry's first byte. */
  readonly headerLength: number;
}

/** gitformat-pack, "Object types"; 0 is invalid and 5 is reserved. */
const TYPES: readonly (ObjectType | undefined)[] = [undefined, 'commit', 'tree', 'blob', 'tag'];
const OFS_DELTA = 6;
const REF_DELTA = 7;

/** `PACK`, the version and the count: no entry lies before. */
const PACK_HEADER = 12;

/**
 * Parses the header of the entry at `offset` of a pack: `bytes` begins there.
 * Null when it is cut short or is no such header.
 */
export function parsePackEntry(bytes: Buffer, offset: number, idLength: number): PackEntry | null {
  const first = bytes[0];
  if (first === undefined) return null;

  // "3-bit type, (n-1)*7+4-bit length", the least significant bits first.
  let size = first & 0x0f;
  let scale = 16;
  let at = 1;
  for (let byte = first; byte & 0x80; at++, scale *= 128) {
    const next = bytes[at];
    if (next === undefined) return null;
    byte = next;
    size += (byte & 0x7f) * scale;
    if (!Number.isSafeInteger(size)) return null;
  }

  const kind = (first >> 4) & 7;
  if (kind === OFS_DELTA) {
    const distance = parseDistance(bytes, at);
    if (distance === null) return null;
    // Always backwards, so that offsets alone cannot make a circle.
    const base = offset - distance.value;
    if (distance.value === 0 || base < PACK_HEADER) return null;
    return { type: null, size, base, headerLength: distance.end };
  }
  if (kind === REF_DELTA) {
    const end = at + idLength;
    return end > bytes.length
      ? null
      : { type: null, size, base: bytes.subarray(at, end), headerLength: end };
  }
  const type = TYPES[kind];
  return type === undefined ? null : { type, size, base: null, headerLength: at };
}

/**
 * "Offset encoding": seven bits to the byte, the most significant first, one added for each byte
 * after the first.
 */
function parseDistance(bytes: Buffer, start: number): { value: number; end: number } | null {
  let value = -1;
  for (let at = start; ; at++) {
    const byte = bytes[at];
    if (byte === undefined) return null;
    value = (value + 1) * 128 + (byte & 0x7f);
    if (!Number.isSafeInteger(value)) return null;
    if (!(byte & 0x80)) return { value, end: at + 1 };
  }
}
