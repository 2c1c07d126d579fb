/**
 * Rebuilds an object from its base and a delta (gitformat-pack, "Deltified representation").
 * Null when the delta was not made for this base, is damaged, or its result would pass `maxBytes`.
 * What comes back may still be wrong where the delta is: check the hash.
 */
export function applyDelta(base: Buffer, delta: Buffer, maxBytes: number): Buffer | null {
  const baseSize = readSize(delta, 0);
  const resultSize = baseSize && readSize(delta, baseSize.end);
  if (!baseSize || !resultSize) return null;
  if (baseSize.value !== base.length || resultSize.value > maxBytes) return null;

  // Not zeroed: the last line answers only when every byte was written.
  const result = Buffer.allocUnsafe(resultSize.value);
  let written = 0;
  let at = resultSize.end;
  while (at < delta.length) {
    const instruction = delta.readUInt8(at++);
    if (instruction & 0x80) {
      // Copy from the base: bits 0 to 3 say which bytes of the offset follow, 4 to 6 of the size.
      if (at + bitCount(instruction & 0x7f) > delta.length) return null;
      let offset = 0;
      let size = 0;
      for (let i = 0; i < 4; i++)
        if (instruction & (1 << i)) offset += delta.readUInt8(at++) * 2 ** (8 * i);
      for (let i = 0; i < 3; i++)
        if (instruction & (16 << i)) size += delta.readUInt8(at++) * 2 ** (8 * i);
      // "Size zero is automatically converted to 0x10000."
      if (size === 0) size = 0x10000;
      if (offset + size > base.length || written + size > result.length) return null;
      base.copy(result, written, offset, offset + size);
      written += size;
    } else {
      // Add new data; an instruction of 0 is "reserved for future expansion".
      const size = instruction;
      if (size === 0 || at + size > delta.length || written + size > result.length) return null;
      delta.copy(result, written, at, at + size);
      at += size;
      written += size;
    }
  }
  return written === result.length ? result : null;
}

/**
 * "Size encoding": seven bits to the byte, the least significant first. Null past 2^53 or at the
 * end of the data.
 */
function readSize(bytes: Buffer, start: number): { value: number; end: number } | null {
  let value = 0;
  for (let i = 0; i < 8 && start + i < bytes.length; i++) {
    const byte = bytes.readUInt8(start + i);
    value += (byte & 0x7f) * 2 ** (7 * i);
    if (!(byte & 0x80)) return Number.isSafeInteger(value) ? { value, end: start + i + 1 } : null;
  }
  return null;
}

function bitCount(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
