import { diffTrees, renameFlags, type TreePair } from './diff.ts';
import type { Git } from './git.ts';
import type { Repository } from './repository.ts';

/** How many lines of a file were added and deleted; null when it is binary, before or afterwards. */
export type LineCount = { readonly additions: number; readonly deletions: number } | null;

/**
 * Counts the lines that differ, in one git child, which reads every file that differs.
 * @returns by the path afterwards, a character for each byte
 * @throws AppError LIMIT_EXCEEDED; GitCommandError
 */
export async function countLines(
  git: Git,
  repository: Repository,
  pair: TreePair,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, LineCount>> {
  const args = ['-z', '--numstat', ...renameFlags(true)];
  return parseNumstat(await diffTrees(git, repository, pair, args, signal));
}

/** Parses `--numstat -z`: `ADDED TAB DELETED TAB PATH NUL`, or after the second TAB `NUL OLD NUL NEW NUL`. */
export function parseNumstat(output: Buffer): ReadonlyMap<string, LineCount> {
  const counts = new Map<string, LineCount>();
  const fields = output.toString('latin1').split('\0');
  for (let at = 0; at < fields.length - 1; at++) {
    const [, added = '', deleted = '', name = ''] =
      /^([^\t]+)\t([^\t]+)\t(.*)$/s.exec(fields[at] ?? '') ?? [];
    const path = name === '' ? (fields[at + 2] ?? '') : name;
    if (name === '') at += 2;
    const isBinary = added === '-';
    counts.set(path, isBinary ? null : { additions: Number(added), deletions: Number(deleted) });
  }
  return counts;
}
