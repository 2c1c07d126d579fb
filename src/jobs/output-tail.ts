/** The last bytes of a stream that grows, in a ring. */
export interface OutputTail {
  push(bytes: Buffer): void;
  /** null when `from` has left the ring. */
  read(from: number, until: number): Buffer | null;
}

/** Takes `capacity` bytes of memory with the first push. */
export function createOutputTail(capacity: number): OutputTail {
  let ring: Buffer | undefined;
  let end = 0;
  return {
    push(bytes) {
      ring ??= Buffer.allocUnsafeSlow(capacity);
      const kept = bytes.subarray(-capacity);
      const at = (end + bytes.length - kept.length) % capacity;
      const copied = kept.copy(ring, at);
      kept.copy(ring, 0, copied);
      end += bytes.length;
    },
    read(from, until) {
      if (ring === undefined || from < end - capacity || until > end || from > until) return null;
      const at = from % capacity;
      const first = ring.subarray(at, Math.min(capacity, at + until - from));
      return Buffer.concat([first, ring.subarray(0, until - from - first.length)]);
    },
  };
}
