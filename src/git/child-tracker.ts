/**
 * Told of every child that a piece of work starts, so that who comes after this process, should it be
 * killed, finds what it left running.
 */
export interface ChildTracker {
  /** Called before a child is started; what it throws keeps the child from being started. */
  begin(): TrackedChild;
}

export interface TrackedChild {
  /** Stands in the environment of the child, and of all that it starts, as `CHILD_MARK`. */
  readonly mark: string;
  /** Must not throw. The child leads a process group of its own. */
  started(pid: number): void;
  /** Must not throw. The child is gone; what it left behind on purpose is no business of ours. */
  ended(): void;
}

/** The variable that a tracked child is known by, also where nobody had time to note its pid. */
export const CHILD_MARK = 'GITAGENT_CHILD';

/** The variable by which a tracked child is recognised. */
export function markOf(child: TrackedChild | undefined): Record<string, string> {
  return child === undefined ? {} : { [CHILD_MARK]: child.mark };
}
