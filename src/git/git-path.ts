import { isUtf8 } from 'node:buffer';
import { AppError } from '../error.ts';

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

const MAX_PATH_BYTES = 4096;

/**
 * Reads a path below the top of a tree, as a request said it: `a/b`, or nothing for the top itself. A `/`
 * at the end does not count.
 * @throws AppError BAD_USER_INPUT
 */
export function parseTreePath(path: Buffer): Buffer {
  if (path.includes(0) || path.length > MAX_PATH_BYTES) {
    throw new AppError(
      'BAD_USER_INPUT',
      `a path has at most ${MAX_PATH_BYTES} bytes, none of them 0`,
    );
  }
  const text = path.toString('latin1').replace(/\/$/, '');
  if (text === '' && path.length === 0) return path;
  // git would resolve these, from the folder it runs in.
  const isOdd = text.split('/').some((name) => name === '' || name === '.' || name === '..');
  if (!isOdd) return Buffer.from(text, 'latin1');
  throw new AppError(
    'BAD_USER_INPUT',
    `${JSON.stringify(path.toString('utf8').slice(0, 80))} is not a path in a tree: write it like dir/file, without a "/" before it and without "." and ".."`,
  );
}
