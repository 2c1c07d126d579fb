import type { Readable } from 'node:stream';
import { createPktLineSplitter, type PktLine } from './pkt-line.ts';

/** A fetch's request, read as far as it is held: most are read to their end. */
export interface FetchRequest {
  /** What has not been read yet; at its end, when all of it has. */
  readonly body: Readable;
  /** All that was read: git gets it first. */
  readonly pieces: readonly Buffer[];
  /** Whether it is all there and its negotiation over (`done`): git answers it with the pack. */
  readonly asksForPack: boolean;
  /**
   * Whether what has come so far could be all of it: it ends with a mark, or in version 0 with `done`.
   * To be asked when the body has ended.
   */
  isWhole(): boolean;
}

/** The haves of some thousand commits. */
const HELD_BYTES = 256 * 1024;

/**
 * Reads a fetch's request (gitprotocol-pack(5), gitprotocol-v2(5)), or the beginning of a long one, and
 * leaves the rest of the stream alone.
 * @throws whatever the stream fails with
 */
export async function readFetchRequest(body: Readable): Promise<FetchRequest> {
  const splitter = createPktLineSplitter();
  let last: PktLine | null = null;
  let isDone = false;
  let isOdd = false;
  const read = (piece: Buffer): void => {
    if (isOdd) return;
    try {
      for (const line of splitter.split(piece)) {
        last = line;
        isDone ||= isDoneLine(line);
      }
    } catch {
      isOdd = true;
    }
  };
  const isWhole = (): boolean =>
    !isOdd &&
    splitter.isBetweenLines() &&
    (last === 'flush' || (last !== null && isDoneLine(last)));

  const pieces: Buffer[] = [];
  let size = 0;
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    const piece = chunk as Buffer;
    pieces.push(piece);
    read(piece);
    size += piece.length;
    if (size < HELD_BYTES) continue;
    // Nothing flows before somebody wants it.
    body.on('data', read).pause();
    return { body, pieces, asksForPack: false, isWhole };
  }
  return { body, pieces, asksForPack: isDone && isWhole(), isWhole };
}

function isDoneLine(line: PktLine): boolean {
  return Buffer.isBuffer(line) && /^done\n?$/.test(line.toString('latin1'));
}
