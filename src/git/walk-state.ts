import type { Oid } from './oid.ts';

/**
 * Where a walk through history stands: git's own queue of commits that were reached and not shown, and
 * what must be known of those that were, so that the walk can go on from here in another process.
 *
 * git shows the youngest commit of its queue and puts that one's parents into it; of commits of one
 * second the one that was reached first. A new walk that begins with the same queue in the same order
 * shows what the old one would have shown, with one exception: it does not know what was shown before,
 * and would show it again where a clock was wrong, that is where a commit that was shown is an ancestor
 * of one that is still waiting. Such a commit is never older than the oldest that was shown (else it
 * would not have come first), and `mayBeShown` tells by that.
 */
export interface WalkState {
  /** In the order in which they were reached. */
  readonly queue: readonly Oid[];
  /**
   * The time of the oldest commit that was shown, in seconds; null when none that was shown can be
   * reached again. 0 when it is not known.
   */
  readonly oldest: number | null;
  /** The beginnings of the ids of those shown that have this very time; null when there are too many. */
  readonly oldestPrefixes: readonly string[] | null;
  /** Whether a commit without parents was shown since `oldest` was null. */
  readonly hasShownRoot: boolean;
}

/** A commit of the walk. */
export interface WalkedCommit {
  readonly oid: Oid;
  /** Those that the walk follows. */
  readonly walkParents: readonly Oid[];
  /** Seconds; null when not known for sure. */
  readonly time: number | null;
}

/** So many hexadecimal digits are kept of the ids of one second. */
export const PREFIX_DIGITS = 8;
const MAX_PREFIXES = 32;
/** A queue that is longer is not carried along: a cursor stays below 8 KiB (12 KiB with SHA-256). */
export const MAX_QUEUE = 256;

export function beginWalk(start: Oid): WalkState {
  return { queue: [start], oldest: null, oldestPrefixes: [], hasShownRoot: false };
}

/** A walk on its way. */
export interface Walk {
  /** Goes past the commit that is shown next. */
  pass(shown: WalkedCommit): void;
  /** Where it stands now; null when more than `MAX_QUEUE` wait. */
  state(): WalkState | null;
}

/**
 * Goes on from a state. What it has passed itself does not come into the queue again, which spares that
 * commits that `mayBeShown` would find later. A step takes no longer for all that wait: a merge can have
 * parents by the ten thousand.
 */
export function startWalk(from: WalkState): Walk {
  // A Set gives its members in the order in which they came.
  const queue = new Set(from.queue);
  const passed = new Set<Oid>();
  let { oldest, oldestPrefixes, hasShownRoot } = from;
  return {
    pass(shown) {
      passed.add(shown.oid);
      queue.delete(shown.oid);
      for (const parent of shown.walkParents) {
        if (!passed.has(parent)) queue.add(parent);
      }
      hasShownRoot ||= shown.walkParents.length === 0;
      // The one way on leads through a single commit. Were a commit that was shown an ancestor of it, then
      // all the ancestors of that were shown too (the only other way out is that single commit, which would
      // be its own ancestor), a root among them.
      if (queue.size === 1 && !hasShownRoot) {
        oldest = null;
        oldestPrefixes = [];
      } else {
        ({ oldest, oldestPrefixes } = oldestOf({ oldest, oldestPrefixes }, shown));
      }
    },
    state: () =>
      queue.size > MAX_QUEUE ? null : { queue: [...queue], oldest, oldestPrefixes, hasShownRoot },
  };
}

function oldestOf(
  { oldest, oldestPrefixes }: Pick<WalkState, 'oldest' | 'oldestPrefixes'>,
  { oid, time }: WalkedCommit,
): Pick<WalkState, 'oldest' | 'oldestPrefixes'> {
  if (time === null) return { oldest: 0, oldestPrefixes: null };
  if (oldest !== null && time > oldest) return { oldest, oldestPrefixes };
  const prefix = oid.slice(0, PREFIX_DIGITS);
  if (oldest === null || time < oldest) return { oldest: time, oldestPrefixes: [prefix] };
  const isFull = oldestPrefixes === null || oldestPrefixes.length >= MAX_PREFIXES;
  return { oldest, oldestPrefixes: isFull ? null : [...oldestPrefixes, prefix] };
}

/** Whether a commit that a new walk from this state shows could have been shown before it. */
export function mayBeShown(state: WalkState, { oid, time }: WalkedCommit): boolean {
  const { oldest, oldestPrefixes } = state;
  if (oldest === null) return false;
  if (time === null || time > oldest) return true;
  if (time < oldest) return false;
  return oldestPrefixes === null || oldestPrefixes.includes(oid.slice(0, PREFIX_DIGITS));
}
