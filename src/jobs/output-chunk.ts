import { isUtf8 } from 'node:buffer';

/**
 * Part of a job's output. Offsets count bytes from its start, so the end of one chunk is where the
 * next begins.
 */
export interface OutputChunk {
  readonly jobId: string;
  readonly offset: number;
  readonly end: number;
  /** What UTF-8 makes of the bytes, U+FFFD where it cannot; never cut inside a character. */
  readonly text: string;
  /** The bytes, exactly when `text` cannot say them. */
  readonly raw?: Buffer;
  /** How many bytes from `offset` to `end` are not kept; `text` is then a line of ours that says so. */
  readonly leftOut?: number;
}

/**
 * @param isFinal nothing follows, so the beginning of a character is all there will be of it
 * @returns null when there is nothing, or no more than the beginning of a character
 */
export function toChunk(
  jobId: string,
  bytes: Buffer,
  offset: number,
  isFinal: boolean,
): OutputChunk | null {
  const whole = isFinal ? bytes : bytes.subarray(0, bytes.length - unfinishedLength(bytes));
  if (whole.length === 0) return null;
  const chunk = { jobId, offset, end: offset + whole.length, text: whole.toString('utf8') };
  return isUtf8(whole) ? chunk : { ...chunk, raw: whole };
}

/** Stands for bytes that are not kept. */
export function leftOutChunk(jobId: string, offset: number, end: number): OutputChunk {
  const leftOut = end - offset;
  return { jobId, offset, end, text: `\n[gitagent: ${leftOut} bytes left out]\n`, leftOut };
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
