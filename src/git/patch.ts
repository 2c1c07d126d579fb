import { isUtf8 } from 'node:buffer';
import { diffArguments, renameFlags, type TreeChange, type TreePair } from './diff.ts';
import type { Git } from './git.ts';
import { pathBytes } from './git-path.ts';
import { parseQuotedPath } from './quoted-path.ts';
import type { Repository } from './repository.ts';

/** How a file differs, as `git diff` prints it, from its `diff --git` line on. */
export interface Patch {
  readonly bytes: Buffer;
  /** Whether more of it was left out. */
  readonly isTruncated: boolean;
}

/** All patches that are read at once. What is beyond is left out, and said so. */
const MAX_TOTAL_BYTES = 4 * 1024 * 1024;
/** More names would not fit into a command line; then git prints the patches of all files. */
const MAX_ARGUMENT_BYTES = 100_000;
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Reads the patches of some of the files that differ, in one git child.
 * @param changes of this pair, as `listTreeChanges` found them
 * @param maxBytes of each patch
 * @returns by the path afterwards, a character for each byte; a path is missing where git sees other
 *   renames than before
 * @throws GitCommandError
 */
export async function readPatches(
  git: Git,
  repository: Repository,
  pair: TreePair,
  changes: readonly Pick<TreeChange, 'path' | 'previousPath'>[],
  maxBytes: number,
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Patch>> {
  const wanted = new Set(changes.map(({ path }) => pathBytes(path).toString('latin1')));
  const hasRenames = changes.some(({ previousPath }) => previousPath !== undefined);
  const args = [
    '--raw',
    '--patch',
    '--no-color',
    '--submodule=short',
    '--src-prefix=a/',
    '--dst-prefix=b/',
    ...renameFlags(hasRenames),
  ];
  const collector = createCollector(wanted, maxBytes);
  const command = diffArguments(pair, args, pathArguments(changes));
  await git.scan(repository, command, { intent: 'read', signal }, async (output) => {
    for await (const bytes of output) if (!collector.push(bytes)) return;
  });
  return collector.end();
}

function pathArguments(
  changes: readonly Pick<TreeChange, 'path' | 'previousPath'>[],
): readonly string[] {
  const paths = changes.flatMap(({ path, previousPath }) => [path, ...(previousPath === undefined ? [] : [previousPath])]); // prettier-ignore
  const all = paths.map(pathBytes);
  const size = all.reduce((total, { length }) => total + length + 1, 0);
  // Node gives a child only arguments that are UTF-8.
  const isPossible = size <= MAX_ARGUMENT_BYTES && all.every((bytes) => isUtf8(bytes));
  return isPossible ? all.map((bytes) => bytes.toString('utf8')) : [];
}

/**
 * Reads `--raw --patch`: a line for each file, an empty line, and the patches in the same order. Each
 * begins with `diff --git `, which no other line does: the others of a patch begin with a blank, `+`, `-`,
 * `\`, `@`, or a header's own word, and names have no line ends where git quotes them. A file whose type
 * changed has two.
 */
function createCollector(
  wanted: ReadonlySet<string>,
  maxBytes: number,
): {
  readonly push: (bytes: Buffer) => boolean;
  readonly end: () => ReadonlyMap<string, Patch>;
} {
  const sections: string[] = [];
  const patches = new Map<string, { chunks: Buffer[]; size: number; isTruncated: boolean }>();
  let rest: Buffer = Buffer.alloc(0);
  let isAtLineStart = true;
  let isInPatches = false;
  let section = -1;
  let total = 0;

  function take(piece: Buffer): boolean {
    const isLineStart = isAtLineStart;
    isAtLineStart = piece.at(-1) === NEWLINE;
    if (!isInPatches) {
      const [status, ...paths] = piece.toString('latin1').replace(/\n$/, '').split('\t');
      isInPatches = paths.length === 0;
      const path = parseQuotedPath(paths.at(-1) ?? '').toString('latin1');
      if (!isInPatches) sections.push(...(status?.endsWith(' T') === true ? [path, path] : [path]));
      return true;
    }
    if (isLineStart && piece.subarray(0, HEADER.length).equals(HEADER)) section++;
    const path = sections[section];
    if (path === undefined || !wanted.has(path)) return true;
    let patch = patches.get(path);
    if (patch === undefined) {
      patch = { chunks: [], size: 0, isTruncated: false };
      patches.set(path, patch);
    }
    // Whole lines only, so that what is there can be read.
    if (patch.isTruncated || patch.size + piece.length > maxBytes) {
      patch.isTruncated = true;
      return true;
    }
    patch.chunks.push(piece);
    patch.size += piece.length;
    total += piece.length;
    if (total <= MAX_TOTAL_BYTES) return true;
    patch.isTruncated = true;
    return false;
  }

  return {
    push(bytes) {
      rest = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      let start = 0;
      for (let end = rest.indexOf(NEWLINE); end !== -1; end = rest.indexOf(NEWLINE, start)) {
        if (!take(rest.subarray(start, end + 1))) return false;
        start = end + 1;
      }
      rest = rest.subarray(start);
      if (rest.length <= MAX_LINE_BYTES) return true;
      const isMoreWanted = take(rest);
      rest = Buffer.alloc(0);
      return isMoreWanted;
    },
    end() {
      if (rest.length > 0) take(rest);
      const isFull = total > MAX_TOTAL_BYTES;
      return new Map(
        Array.from(wanted)
          .filter((path) => sections.includes(path))
          .map((path) => {
            const { chunks = [], isTruncated = isFull } = patches.get(path) ?? {};
            return [path, { bytes: Buffer.concat(chunks), isTruncated }];
          }),
      );
    },
  };
}

const HEADER = Buffer.from('diff --git ');
const NEWLINE = 0x0a;
