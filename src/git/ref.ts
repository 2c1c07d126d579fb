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
  /** Of a branch: the remote of its upstream; `.` where that is another branch of this repository. */
  readonly remote: string | null;
  /** Of a branch: its upstream's full name on that remote. */
  readonly remoteRef: string | null;
  /** Of a branch: the working tree that has it checked out, as git wrote the path down. */
  readonly workTree: string | null;
}

const FORMAT = [
  'refname',
  'objectname',
  'symref',
  'upstream',
  'upstream:remotename',
  'upstream:remoteref',
  'worktreepath',
]
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
    const [name = '', id = '', ...fields] = line.split('\0');
    // A pattern also matches everything below it: refs/heads/a finds refs/heads/a/b.
    if (!names.includes(name)) continue;
    const [target = null, upstream = null, remote = null, remoteRef = null, workTree = null] =
      fields.map((field) => (field === '' ? null : field));
    refs.set(name, { name, oid: oid(id), target, upstream, remote, remoteRef, workTree });
  }
  return refs;
}

/** Refs by their full names, each as it was when it was first read. */
export interface RefLookup {
  /** @throws GitCommandError */
  find(name: string): Promise<Ref | undefined>;
}

/** @param likely names that are read together with the first that is asked for, in the same git child */
export function createRefLookup(
  git: Git,
  repository: Repository,
  likely: readonly string[],
  signal: AbortSignal,
): RefLookup {
  const known = new Map<string, Ref | undefined>();
  return {
    async find(name) {
      if (!known.has(name)) {
        const names = [...new Set([name, ...likely])].filter((each) => !known.has(each));
        const found = await findRefs(git, repository, names, signal);
        for (const each of names) known.set(each, found.get(each));
      }
      return known.get(name);
    },
  };
}

/**
 * Whether a branch, tag or remote-tracking branch, or what we saved, has a commit in its history, so
 * that git will not forget it.
 * @throws GitCommandError
 */
export async function isReachable(
  git: Git,
  repository: Repository,
  commit: Oid,
  signal: AbortSignal,
): Promise<boolean> {
  const kept = ['refs/heads', 'refs/tags', 'refs/remotes', 'refs/gitagent/saved'];
  const { stdout } = await git.run(
    repository,
    ['for-each-ref', '--count=1', `--contains=${commit}`, '--', ...kept],
    { intent: 'read', signal },
  );
  return stdout.length > 0;
}

/**
 * The names of the remotes that the configuration has, in git's order.
 * @throws GitCommandError
 */
export async function listRemotes(
  git: Git,
  repository: Repository,
  signal: AbortSignal,
): Promise<string[]> {
  const { stdout } = await git.run(repository, ['remote'], { intent: 'read', signal });
  return stdout.toString('utf8').split('\n').filter(Boolean);
}
