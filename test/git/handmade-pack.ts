import { crc32, deflateSync } from 'node:zlib';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Oid } from '../../src/git/oid.ts';

/** An entry of a pack that git would never write. */
export interface HandmadeEntry {
  /** The id under which the index lists it, true or not. */
  readonly id: Oid;
  /** gitformat-pack's number: 1 to 4, or 7 for a delta whose base is named by id. */
  readonly kind: 1 | 2 | 3 | 4 | 7;
  readonly base?: Oid;
  readonly content: Buffer;
  /** The size that the header claims; default: the true one. */
  readonly size?: number;
}

/**
 * Writes a SHA-1 pack and its index of version 2, as gitformat-pack says but for what the entries
 * lie about.
 */
export async function writeHandmadePack(
  objectsDir: string,
  entries: readonly HandmadeEntry[],
): Promise<void> {
  const header = Buffer.from('PACK\0\0\0\x02\0\0\0\0', 'latin1');
  header.writeUInt32BE(entries.length, 8);
  const parts = [header];
  let offset = header.length;
  const listed: { id: Oid; offset: number; crc: number }[] = [];
  for (const { id, kind, base, content, size = content.length } of entries) {
    const bytes = Buffer.concat([
      formatSize(kind, size),
      Buffer.from(base ?? '', 'hex'),
      deflateSync(content),
    ]);
    listed.push({ id, offset, crc: crc32(bytes) });
    parts.push(bytes);
    offset += bytes.length;
  }
  listed.sort((a, b) => (a.id < b.id ? -1 : 1));
  const fanout = Array.from(
    { length: 256 },
    (_, byte) => listed.filter(({ id }) => parseInt(id.slice(0, 2), 16) <= byte).length,
  );
  const index = Buffer.concat([
    Buffer.from([0xff, 0x74, 0x4f, 0x63, 0, 0, 0, 2]),
    ...fanout.map(uint32),
    ...listed.map(({ id }) => Buffer.from(id, 'hex')),
    ...listed.map(({ crc }) => uint32(crc)),
    ...listed.map((entry) => uint32(entry.offset)),
    Buffer.alloc(40),
  ]);
  const pack = Buffer.concat([...parts, Buffer.alloc(20)]);
  const folder = join(objectsDir, 'pack');
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, 'pack-handmade.pack'), pack);
  await writeFile(join(folder, 'pack-handmade.idx'), index);
}

/**
 * A delta that says it turns `baseSize` bytes into `resultSize`, and then does what `instructions`
 * say.
 */
export function formatDelta(
  baseSize: number,
  resultSize: number,
  instructions: readonly number[],
): Buffer {
  return Buffer.from([...varint(baseSize), ...varint(resultSize), ...instructions]);
}

function formatSize(kind: number, size: number): Buffer {
  const first = (kind << 4) | (size & 15);
  return size < 16
    ? Buffer.from([first])
    : Buffer.from([first | 0x80, ...varint(Math.floor(size / 16))]);
}

function varint(value: number): number[] {
  return value < 128 ? [value] : [(value % 128) | 0x80, ...varint(Math.floor(value / 128))];
}

function uint32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}
