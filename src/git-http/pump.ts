import type { Readable, Writable } from 'node:stream';

/**
 * Copies a stream as fast as the slower side goes, and leaves the target open. A target that is gone
 * does not stop it: the source is read to its end, for whoever writes to it must be able to end.
 * @param onChunk told of each piece before it is written, which it must not keep
 */
export async function pump(
  source: Readable,
  target: Writable,
  onChunk?: (chunk: Buffer) => void,
): Promise<void> {
  const resume = (): void => {
    source.resume();
  };
  target.on('drain', resume);
  target.on('close', resume);
  try {
    await new Promise<void>((resolve, reject) => {
      source.on('data', (chunk: Buffer) => {
        onChunk?.(chunk);
        if (target.destroyed) return;
        const hasRoom = target.write(chunk, () => {
          release(chunk);
        });
        if (!hasRoom) source.pause();
      });
      source.once('end', resolve);
      source.once('close', resolve);
      source.once('error', reject);
    });
  } finally {
    target.off('drain', resume);
    target.off('close', resume);
  }
}

/** Smaller pieces are not worth it. */
const RELEASED_BYTES = 16 * 1024;

/**
 * Gives a written piece's memory back at once. The garbage collector sees a few bytes of each, and lets
 * tens of megabytes pile up behind them while packs go through.
 */
function release({ buffer, length }: Buffer): void {
  const isWhole = length >= RELEASED_BYTES && length === buffer.byteLength;
  if (isWhole && buffer instanceof ArrayBuffer) buffer.transfer(0);
}
