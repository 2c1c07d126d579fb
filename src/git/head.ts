import { failedGit } from './git-command-error.ts';
import type { Git } from './git.ts';
import { readHeadFile } from './head-file.ts';
import { oid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** Where HEAD stands. */
export interface Head {
  /** Without `refs/heads/`; null when HEAD is detached. */
  readonly branch: string | null;
  /** null before the first commit. */
  readonly oid: Oid | null;
}

/**
 * Reads HEAD without a working tree, so of bare repositories too. No git child where HEAD and its branch are
 * ordinary files; before the first commit, two; where a tag or branch is called HEAD, three.
 * @throws GitCommandError
 */
export async function readHead(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<Head> {
  if (signal.aborted) throw failedGit([], { isCanceled: true });
  const known = await readHeadFile(repository);
  if (known !== null) return known;
  const options = { intent: 'read', signal } as const;
  const both = await git.run(repository, ['rev-parse', 'HEAD', '--symbolic-full-name', 'HEAD'], {
    ...options,
    exitCodes: [0, 128],
  });
  const isFound = both.exitCode === 0;
  const [commit = '', ref = ''] = both.stdout.toString('utf8').split('\n');
  if (isFound && isOfHead(ref)) return { branch: branchOf(ref), oid: oid(commit) };
  const symbolic = await git.run(repository, ['symbolic-ref', '--quiet', 'HEAD'], {
    ...options,
    // 1: detached, which a HEAD that nothing was found for cannot be.
    exitCodes: isFound ? [0, 1] : [0],
  });
  const branch = branchOf(symbolic.stdout.toString('utf8').trimEnd());
  if (!isFound) return { branch, oid: null };
  const exact = await git.run(repository, ['show-ref', '--verify', '--hash', 'HEAD'], {
    ...options,
    exitCodes: [0, 128],
  });
  return {
    branch,
    oid: exact.exitCode === 0 ? oid(exact.stdout.toString('utf8').trimEnd()) : null,
  };
}

/**
 * `rev-parse` finds `HEAD` below refs/ too: with a tag of that name it prints no ref, or, before the
 * first commit, takes the tag for HEAD.
 */
function isOfHead(ref: string): boolean {
  return ref === 'HEAD' || (ref.startsWith('refs/heads/') && ref !== 'refs/heads/HEAD');
}

/** Of a detached HEAD the ref is `HEAD`, or there is none. */
function branchOf(ref: string): string | null {
  return ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null;
}
