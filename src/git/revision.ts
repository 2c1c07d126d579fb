import { AppError } from '../error.ts';
import type { Git } from './git.ts';
import { isOid, oid, type AbbreviatedOid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/**
 * Finds the commit that a full or abbreviated hash means. A branch that happens to be called like a
 * hash does not count.
 * @throws AppError NOT_FOUND when no commit has it, BAD_USER_INPUT when several have; GitCommandError
 */
export async function getCommitByHash(
  git: Git,
  repository: Repository,
  hash: AbbreviatedOid,
  signal: AbortSignal,
): Promise<Oid> {
  const objects = await git.run(repository, ['rev-parse', `--disambiguate=${hash}`], {
    intent: 'read',
    signal,
    // 128: longer than this repository's object ids are.
    exitCodes: [0, 128],
  });
  const types = await git.run(
    repository,
    ['cat-file', '--batch-check=%(objectname) %(objecttype)'],
    { intent: 'read', signal, stdin: objects.stdout },
  );
  const commits = types.stdout
    .toString('utf8')
    .split('\n')
    .filter((line) => line.endsWith(' commit'))
    .map((line) => oid(line.slice(0, -' commit'.length)));
  const [commit] = commits;
  if (commit === undefined) throw new AppError('NOT_FOUND', `there is no commit ${hash}`);
  if (commits.length > 1) {
    throw new AppError(
      'BAD_USER_INPUT',
      `${hash} is ambiguous: ${commits.length} commits start with it; give more digits`,
    );
  }
  return commit;
}

const MAX_REVISION_LENGTH = 1024;

/**
 * Finds the commit that a revision means, as gitrevisions(7) has it: a branch, a tag, `HEAD~3`, a hash. What
 * looks through messages (`:/text`, `^{/text}`) is refused: it may walk over all history.
 * @throws AppError BAD_USER_INPUT when it can be no revision, NOT_FOUND when it is of no commit; GitCommandError
 */
export async function resolveCommit(
  git: Git,
  repository: Repository,
  revision: string,
  signal: AbortSignal,
): Promise<Oid> {
  const shown = JSON.stringify(revision.slice(0, 80));
  // oxlint-disable-next-line no-control-regex -- that is what is refused
  const isOdd = revision === '' || /^[-^]/.test(revision) || /[\u0000-\u001f\u007f]/.test(revision);
  if (isOdd || revision.length > MAX_REVISION_LENGTH) {
    throw new AppError(
      'BAD_USER_INPUT',
      `${shown} is not a revision: give a branch, a tag or a hash`,
    );
  }
  if (revision.startsWith(':') || revision.includes('^{/')) {
    throw new AppError('BAD_USER_INPUT', `${shown} looks for a commit by its message: give a branch, a tag or a hash`); // prettier-ignore
  }
  const { stdout, exitCode } = await git.run(
    repository,
    ['rev-parse', '--verify', '--quiet', '--end-of-options', `${revision}^{commit}`],
    // 1: there is none; 128: it is ambiguous, or has a form that git does not know.
    { intent: 'read', signal, exitCodes: [0, 1, 128] },
  );
  const found = stdout.toString('latin1').trim();
  // A range, or another form that means several commits, is not one of them.
  if (exitCode === 0 && isOid(found)) return found;
  throw new AppError('NOT_FOUND', `${shown} names no commit here`);
}

/** How two commits lie to each other: what each has that the other has not. */
export interface Divergence {
  readonly ahead: number;
  readonly behind: number;
}

/**
 * Counts the commits that `ours` has and `theirs` has not (`ahead`), and the other way round.
 * @param ours null stands for no commit at all
 * @throws GitCommandError
 */
export async function countDivergence(
  git: Git,
  repository: Repository,
  ours: Oid | null,
  theirs: Oid,
  signal: AbortSignal,
): Promise<Divergence> {
  if (ours === theirs) return { ahead: 0, behind: 0 };
  const { stdout } = await git.run(
    repository,
    ['rev-list', '--left-right', '--count', ours === null ? theirs : `${ours}...${theirs}`, '--'],
    { intent: 'read', signal },
  );
  const [ahead = Number.NaN, behind = Number.NaN] = stdout.toString('utf8').split('\t').map(Number);
  return { ahead, behind };
}

/**
 * Finds the best commit that both have in their history; null when there is none.
 * @throws GitCommandError
 */
export async function findMergeBase(
  git: Git,
  repository: Repository,
  ours: Oid,
  theirs: Oid,
  signal: AbortSignal,
): Promise<Oid | null> {
  const { stdout, exitCode } = await git.run(repository, ['merge-base', ours, theirs], {
    intent: 'read',
    signal,
    exitCodes: [0, 1],
  });
  return exitCode === 1 ? null : oid(stdout.toString('utf8').trimEnd());
}

/**
 * Lists the commits that `to` has in its history and `from` has not, newest first.
 * @param from null stands for no commit at all
 * @throws GitCommandError
 */
export async function listCommitsBetween(
  git: Git,
  repository: Repository,
  range: { readonly from: Oid | null; readonly to: Oid },
  page: { readonly skip: number; readonly limit: number },
  signal: AbortSignal,
): Promise<Oid[]> {
  const { stdout } = await git.run(
    repository,
    [
      'rev-list',
      `--skip=${page.skip}`,
      `--max-count=${page.limit}`,
      range.to,
      ...(range.from === null ? [] : [`^${range.from}`]),
      '--',
    ],
    { intent: 'read', signal },
  );
  return stdout.toString('utf8').split('\n').filter(Boolean).map(oid);
}
