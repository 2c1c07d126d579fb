import { readFile, stat } from 'node:fs/promises';

/**
 * Reads a file that somebody else may have written; null when it is not there, is no file, or has more
 * bytes. A pipe or a device is not read: it might never end.
 */
export async function readSmallFile(path: string, maxBytes: number): Promise<Buffer | null> {
  const found = await stat(path).catch(() => null);
  if (found === null || !found.isFile() || found.size > maxBytes) return null;
  return await readFile(path).catch(() => null);
}
