import { isUtf8 } from 'node:buffer';

/**
 * A path inside a repository. git keeps names as bytes; `text` is what UTF-8 makes of them,
 * with U+FFFD where it cannot, and `raw` is there exactly when `text` had to lie.
 */
export interface GitPath {
  readonly text: string;
  readonly raw?: Buffer;
}

/** Reads a path from bytes that git printed with `-z`, so unquoted. */
export function gitPath(bytes: Buffer): GitPath {
  const text = bytes.toString('utf8');
  // Copied: `bytes` is a slice, and would keep the whole output of git alive.
  return isUtf8(bytes) ? { text } : { text, raw: Buffer.from(bytes) };
}

/** The bytes that git knows a path by. */
export function pathBytes(path: GitPath): Buffer {
  return path.raw ?? Buffer.from(path.text);
}
