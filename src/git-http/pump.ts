import type { Readable, Writable } from 'node:stream';

/**
 * Copies a stream as fast as the slower side goes, and leaves the target open. A target that is gone
 * does not stop it: the source is read to its end, for whoever writes to it must be able to end.
 * @param onChunk told of each piece before it is written
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
        if (!target.destroyed && !target.write(chunk)) source.pause();
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
