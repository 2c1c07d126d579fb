import type { BranchName } from './branch-name.ts';
import type { FetchPatience } from './fetch-retry.ts';
import type { Git } from './git.ts';
import type { AbbreviatedOid, Oid } from './oid.ts';
import type { PlannedMove } from './pull-planned.ts';
import type { Repository } from './repository.ts';
import type { WorkingCopy } from './working-copy.ts';

/**
 * What to do when the branch and its upstream have diverged: refuse, merge, rebase the branch's own
 * commits, or throw them away (saved first).
 */
export type PullStrategy = 'ff-only' | 'merge' | 'rebase' | 'reset';

/** Where a working copy shall be brought. */
export interface PullOrder {
  /** null: the repository's default branch, which is what `origin/HEAD` points to, else the present branch. */
  readonly branch: BranchName | null;
  /** Goes before the default branch where one of this name exists, here or, once fetched, on the remote. */
  readonly preferredBranch?: BranchName;
  /** A commit to detach HEAD at instead of the branch's tip. */
  readonly hash: AbbreviatedOid | null;
  readonly strategy: PullStrategy;
  /** Where `reset` keeps what it discards: a ref that does not exist yet. */
  readonly savedRef: string;
  /** What a plan said: go exactly there, or refuse when anything has moved since. */
  readonly planned?: PlannedMove;
}

/** What is needed to look, and to change nothing. */
export interface LookDeps {
  readonly git: Git;
  readonly repository: Repository;
  readonly signal: AbortSignal;
}

/** What a pull works with. */
export interface PullDeps extends LookDeps {
  readonly workingCopy: WorkingCopy;
  /** What to do when the network fails a fetch. */
  readonly patience: FetchPatience;
  /** Told each step before it is taken, as one line for people. */
  readonly say: (line: string) => void;
  /** Told where HEAD stood before anything was changed. */
  readonly onReady: (before: Oid | null) => void;
}

export interface PullResult {
  /** The checked-out branch; null when HEAD was detached at a commit. */
  readonly branch: string | null;
  /** null before the first commit. */
  readonly before: Oid | null;
  readonly after: Oid;
}
