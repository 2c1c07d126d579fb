import { AppError } from '../error.ts';
import type { Oid } from './oid.ts';
import { refuseIfElsewhere, type Branch, type Destination } from './pull-branch.ts';
import type { LookDeps, PullOrder, PullStrategy } from './pull-order.ts';
import { countDivergence } from './revision.ts';
import type { Status } from './status.ts';

export const MOVE_KINDS = [
  'UP_TO_DATE',
  'FAST_FORWARD',
  'SWITCH',
  'CREATE_BRANCH',
  'MERGE',
  'REBASE',
  'RESET',
  'DETACH',
] as const;
/** How a pull goes where it goes. */
export type MoveKind = (typeof MOVE_KINDS)[number];

/** What a pull does to HEAD, index and working tree. */
export interface Move extends Destination {
  readonly kind: MoveKind;
  /** Where HEAD will stand; null when a merge or rebase makes the commit. */
  readonly tip: Oid | null;
  /** Commits that the branch has here and its upstream has not, and the other way round. */
  readonly ahead: number;
  readonly behind: number;
}

/**
 * Chooses the move that brings a working copy to a destination. Changes nothing.
 * @throws AppError CONFLICT (a diverged branch and no strategy for it, a branch that another working tree has); GitCommandError
 */
export async function chooseMove(
  deps: LookDeps,
  order: PullOrder,
  before: Status,
  { branch, target }: Destination,
): Promise<Move> {
  if (branch === null) {
    const isThere = before.branch === null && before.head === target;
    const kind = order.strategy === 'reset' ? 'RESET' : isThere ? 'UP_TO_DATE' : 'DETACH';
    return { kind, branch, target, tip: target, ahead: 0, behind: 0 };
  }
  const { name, local } = branch;
  if (before.branch !== name) await refuseIfElsewhere(deps, name);
  const { ahead, behind } =
    local === null
      ? { ahead: 0, behind: 0 }
      : await countDivergence(deps.git, deps.repository, local, target, deps.signal);
  const move = { branch, target, ahead, behind };
  if (order.strategy === 'reset') return { ...move, kind: 'RESET', tip: target };
  if (ahead > 0 && behind > 0) {
    return { ...move, kind: reconciliation(order.strategy, branch, { ahead, behind }), tip: null };
  }
  const tip = ahead > 0 && local !== null ? local : target;
  if (before.branch !== name || before.head === null) {
    return { ...move, kind: local === null ? 'CREATE_BRANCH' : 'SWITCH', tip };
  }
  return { ...move, kind: before.head === tip ? 'UP_TO_DATE' : 'FAST_FORWARD', tip };
}

function reconciliation(
  strategy: Exclude<PullStrategy, 'reset'>,
  { name, upstream }: Branch,
  divergence: { readonly ahead: number; readonly behind: number },
): 'MERGE' | 'REBASE' {
  if (strategy !== 'ff-only') return strategy === 'merge' ? 'MERGE' : 'REBASE';
  throw new AppError(
    'CONFLICT',
    `branch ${name} has diverged from ${upstream} (${divergence.ahead} ahead, ${divergence.behind} behind): ` +
      'push or drop its own commits, or pull with the strategy merge, rebase or reset',
    { ...divergence, branch: name, upstream },
  );
}
