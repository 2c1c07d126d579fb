import type { Head } from './head.ts';
import type { Oid } from './oid.ts';

/** The ways a working copy goes from one commit to another. */
export const MOVE_KINDS = [
  'fast-forward', 'switch', 'detach', 'merge', 'rebase',
  // These discard what is not committed, once it is saved.
  'reset', 'force-switch', 'force-detach',
  // git receive-pack updates the working tree of the branch that is pushed to.
  'push',
] as const; // prettier-ignore
export type MoveKind = (typeof MOVE_KINDS)[number];

/** A change of HEAD, index and working tree that is about to begin. */
export interface MoveStep {
  readonly kind: MoveKind;
  /** What is moved to, merged, or rebased onto. */
  readonly to: Oid;
  /** The branch that will be checked out; null when HEAD will be detached, undefined when it stays as it is. */
  readonly branch?: string | null;
}

/** All that must be known of a step to finish or undo it, should it end half-way. */
export interface Move extends Omit<MoveStep, 'branch'> {
  readonly branch: string | null;
  /** Where HEAD stood. */
  readonly from: Head;
  /** The tip that `branch` had; null when there was no such branch. */
  readonly branchTip: Oid | null;
}
