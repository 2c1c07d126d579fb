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
  await new Promise<void>((resolve, reject) => {
    const onDrain = (): void => {
      source.resume();
    };
    target.on('drain', onDrain);
    target.on('close', onDrain);
    source.on('data', (chunk: Buffer) => {
      onChunk?.(chunk);
      if (!target.destroyed && !target.write(chunk)) source.pause();
    });
    source.once('error', reject);
    source.once('close', () => {
      target.off('drain', onDrain);
      target.off('close', onDrain);
      resolve();
    });
  });
}
