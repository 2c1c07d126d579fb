import { AppError } from '../error.ts';
import type { Head } from './head.ts';
import { isOid, type Oid } from './oid.ts';
import { readOperation } from './operation.ts';
import { findOtherWorkTree } from './other-work-tree.ts';
import type { LookDeps, PullOrder } from './pull-order.ts';
import { readStatus, type Status } from './status.ts';

/**
 * Refuses a working copy that cannot be pulled into at all.
 * @throws AppError BAD_USER_INPUT (bare), CONFLICT (an unfinished merge, a working tree elsewhere); GitCommandError
 */
export async function checkReady(deps: LookDeps): Promise<void> {
  if (deps.repository.workTree === null) {
    throw new AppError('BAD_USER_INPUT', 'a bare repository has no working tree to pull into');
  }
  const operation = await readOperation(deps.repository);
  if (operation !== null && operation !== 'BISECT') {
    throw new AppError(
      'CONFLICT',
      `a ${operation.toLowerCase().replace('_', '-')} is in progress: finish or abort it first`,
      { operation },
    );
  }
  const elsewhere = await findOtherWorkTree(deps.git, deps.repository, deps.signal);
  if (elsewhere !== null) {
    throw new AppError(
      'CONFLICT',
      `core.worktree says that the working tree is ${elsewhere}: name that path in the configuration`,
      { workTree: elsewhere },
    );
  }
}

/**
 * Reads a working copy's status, which may take git as long as the working tree is large.
 * @throws as `checkReady`
 */
export async function readReadyStatus(deps: LookDeps): Promise<Status> {
  await checkReady(deps);
  return await readStatus(deps.git, deps.repository, deps.signal);
}

/**
 * The commit that is asked for by its whole hash alone, when HEAD is detached there already: no remote can make
 * that another one, so none is asked. null when the remote must be.
 */
export function findPresentCommit(order: PullOrder, head: Head): Oid | null {
  if (order.hash === null || order.branch !== null || order.strategy === 'reset') return null;
  if (!isOid(order.hash)) return null;
  return head.branch === null && head.oid === order.hash ? head.oid : null;
}
