/**
 * gitprotocol-common(5): the framing of everything git says over a wire. Four hexadecimal digits give
 * the length of a line, themselves included; the lengths 0, 1 and 2 are marks without content.
 */

/** One line's content, or a mark. */
export type PktLine = Buffer | 'flush' | 'delimiter' | 'response-end';

export const FLUSH_PKT: Buffer = Buffer.from('0000');

/** LARGE_PACKET_MAX less the length itself. */
const MAX_CONTENT_BYTES = 65_516;

const MARKS = ['flush', 'delimiter', 'response-end'] as const;

/** What came is no pkt-line. */
export class PktLineError extends Error {
  override readonly name = 'PktLineError';
}

export function formatPktLine(content: string | Buffer): Buffer {
  const bytes = Buffer.from(content);
  if (bytes.length > MAX_CONTENT_BYTES) throw new PktLineError('too long for one pkt-line');
  return Buffer.concat([
    Buffer.from((bytes.length + 4).toString(16).padStart(4, '0'), 'latin1'),
    bytes,
  ]);
}

/** The three bands of gitprotocol-pack(5): the answer, text for the user, and what ends everything. */
export const BAND = { data: 1, progress: 2, error: 3 } as const;

/** Formats content for one band of the side band, in as many lines as it needs. */
export function formatBand(band: number, content: Buffer, maxBytes: number): Buffer {
  const lines: Buffer[] = [];
  for (let at = 0; at < content.length; at += maxBytes) {
    lines.push(
      formatPktLine(Buffer.concat([Buffer.of(band), content.subarray(at, at + maxBytes)])),
    );
  }
  return Buffer.concat(lines);
}

/** Cuts a stream into pkt-lines, whatever pieces it comes in. Holds at most one line and one piece. */
export interface PktLineSplitter {
  /**
   * The lines that end in this piece.
   * @throws PktLineError
   */
  split(piece: Buffer): Generator<PktLine, void, void>;
  /** Whether all that came so far are whole lines. */
  isBetweenLines(): boolean;
}

export function createPktLineSplitter(): PktLineSplitter {
  let rest: Buffer = Buffer.alloc(0);
  return {
    *split(piece) {
      const bytes = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
      let at = 0;
      while (bytes.length - at >= 4) {
        const length = parseLength(bytes, at);
        const mark = MARKS[length];
        const end = at + (mark === undefined ? length : 4);
        if (end > bytes.length) break;
        const line = mark ?? bytes.subarray(at + 4, end);
        at = end;
        yield line;
      }
      // A copy: a piece's memory may be given back once it has been written on.
      rest = Buffer.from(bytes.subarray(at));
    },
    isBetweenLines: () => rest.length === 0,
  };
}

function parseLength(bytes: Buffer, at: number): number {
  const digits = bytes.toString('latin1', at, at + 4);
  const length = Number.parseInt(digits, 16);
  if (!/^[0-9a-fA-F]{4}$/.test(digits) || length === 3) {
    throw new PktLineError(`not the length of a pkt-line: ${JSON.stringify(digits)}`);
  }
  return length;
}
