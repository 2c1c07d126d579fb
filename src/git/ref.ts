import type { Git } from './git.ts';
import { oid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** One ref, as `git for-each-ref` tells it. */
export interface Ref {
  /** In full, as in `refs/heads/main`. */
  readonly name: string;
  readonly oid: Oid;
  /** The ref that a symbolic ref points to, such as `refs/remotes/origin/HEAD` does. */
  readonly target: string | null;
  /** Of a branch: the remote-tracking ref it is configured to follow, which need not exist. */
  readonly upstream: string | null;
  /** Of a branch: the remote of its upstream. */
  readonly remote: string | null;
}

const FORMAT = ['refname', 'objectname', 'symref', 'upstream', 'upstream:remotename']
  .map((field) => `%(${field})`)
  .join('%00');

/**
 * Finds refs by their full names, in one git child; those that do not exist are left out.
 * @throws GitCommandError
 */
export async function findRefs(
  git: Git,
  repository: Repository,
  names: readonly string[],
  signal: AbortSignal,
): Promise<ReadonlyMap<string, Ref>> {
  const { stdout } = await git.run(
    repository,
    ['for-each-ref', `--format=${FORMAT}`, '--', ...names],
    { intent: 'read', signal },
  );
  const refs = new Map<string, Ref>();
  for (const line of stdout.toString('utf8').split('\n')) {
    const [name = '', id = '', target = '', upstream = '', remote = ''] = line.split('\0');
    // A pattern also matches everything below it: refs/heads/a finds refs/heads/a/b.
    if (!names.includes(name)) continue;
    refs.set(name, {
      name,
      oid: oid(id),
      target: target === '' ? null : target,
      upstream: upstream === '' ? null : upstream,
      remote: remote === '' ? null : remote,
    });
  }
  return refs;
}

/**
 * The remote that a repository's own git would talk to by default: `origin`, or the only one there is.
 * null when there is none, or several and none is `origin`.
 * @throws GitCommandError
 */
export async function findDefaultRemote(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<string | null> {
  const { stdout } = await git.run(repository, ['remote'], { intent: 'read', signal });
  const remotes = stdout.toString('utf8').split('\n').filter(Boolean);
  if (remotes.includes('origin')) return 'origin';
  return remotes.length === 1 ? (remotes[0] ?? null) : null;
}
