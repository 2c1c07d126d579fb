import type { Git } from './git.ts';
import { pathBytes, type GitPath } from './git-path.ts';
import { oid as toOid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** A commit of a walk, and what it changed in one folder. */
export interface NamedCommit {
  readonly oid: Oid;
  readonly parents: readonly Oid[];
  /** Names in the folder that differ from the first parent's, by their bytes in Latin-1. */
  readonly changed: ReadonlySet<string>;
}

/**
 * Walks all commits from one back to the beginning, newest first, without leaving any out, until `take` says
 * that it has enough. One git child, that is read no faster than `take` takes.
 * @param folder whose names are said; null for the top
 * @throws GitCommandError; what `take` throws
 */
export async function readLogNames(
  git: Git,
  repository: Repository,
  from: Oid,
  folder: GitPath | null,
  signal: AbortSignal,
  take: (commit: NamedCommit) => Promise<boolean>,
): Promise<void> {
  const path = folder === null ? '' : expressiblePart(folder);
  const args = [
    'log',
    '-z',
    // All commits and all parents: which of them to follow differs from name to name.
    '--full-history',
    '--sparse',
    '--parents',
    '--diff-merges=first-parent',
    '--root',
    '--name-only',
    // What the repository's configuration might say otherwise.
    '--no-follow',
    '--no-renames',
    '--no-relative',
    '--no-ext-diff',
    '--no-textconv',
    '--no-color',
    '--no-notes',
    '--ignore-submodules=none',
    // No name is empty, so that an empty field tells where a commit begins.
    '--format=%x00%H%x00%P',
    from,
    '--',
    ...(path === '' ? [] : [path]),
  ];
  await git.scan(repository, args, { intent: 'read', signal }, async (output) => {
    const prefix = folder === null ? '' : `${pathBytes(folder).toString('latin1')}/`;
    const parser = createParser(prefix);
    for await (const chunk of output) {
      for (const commit of parser.push(chunk)) if (await take(commit)) return;
    }
    const last = parser.end();
    if (last !== null) await take(last);
  });
}

/** An argument is text: of a path that is not UTF-8 it can name the folders above. */
function expressiblePart(path: GitPath): string {
  if (path.raw === undefined) return path.text;
  const names = path.text.split('/');
  return names
    .slice(
      0,
      names.findIndex((name) => name.includes('\u{FFFD}')),
    )
    .join('/');
}

/** `\0 OID \0 PARENTS \0`, then, where something changed, a newline and `NAME \0` for each path. */
function createParser(prefix: string): {
  push(chunk: Buffer): NamedCommit[];
  end(): NamedCommit | null;
} {
  let rest = '';
  /** How many fields of the present commit have come; 0 is before the first. */
  let fields = 0;
  let id = '';
  let parents: Oid[] = [];
  let changed = new Set<string>();

  function finish(): NamedCommit[] {
    return fields < 3 ? [] : [{ oid: toOid(id), parents, changed }];
  }

  function accept(field: string): NamedCommit[] {
    if (field === '' && fields !== 2) {
      const done = finish();
      fields = 1;
      changed = new Set();
      return done;
    }
    fields++;
    if (fields === 2) id = field;
    else if (fields === 3) parents = field.split(' ').filter(Boolean).map(toOid);
    else {
      const path = fields === 4 ? field.replace(/^\n/, '') : field;
      if (path.startsWith(prefix)) changed.add(nameOf(path, prefix.length));
    }
    return [];
  }

  return {
    push(chunk) {
      const pieces = (rest + chunk.toString('latin1')).split('\0');
      rest = pieces.pop() ?? '';
      return pieces.flatMap(accept);
    },
    end: () => finish()[0] ?? null,
  };
}

function nameOf(path: string, start: number): string {
  const slash = path.indexOf('/', start);
  return slash === -1 ? path.slice(start) : path.slice(start, slash);
}
