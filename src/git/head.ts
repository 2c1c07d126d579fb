import type { Git } from './git.ts';
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
 * Reads HEAD without a working tree, so of bare repositories too. One git child; before the first
 * commit, two.
 * @throws GitCommandError
 */
export async function readHead(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<Head> {
  const options = { intent: 'read', signal } as const;
  const both = await git.run(
    repository,
    ['rev-parse', 'HEAD^{commit}', '--symbolic-full-name', 'HEAD'],
    { ...options, exitCodes: [0, 128] },
  );
  const [commit = '', ref = ''] = both.stdout.toString('utf8').split('\n');
  if (both.exitCode === 0) return { branch: branchOf(ref), oid: oid(commit) };
  const symbolic = await git.run(repository, ['symbolic-ref', '--quiet', 'HEAD'], options);
  return { branch: branchOf(symbolic.stdout.toString('utf8').trimEnd()), oid: null };
}

/** `rev-parse` says plain `HEAD` when it is detached. */
function branchOf(ref: string): string | null {
  return ref.startsWith('refs/heads/') ? ref.slice('refs/heads/'.length) : null;
}
