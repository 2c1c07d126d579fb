import { randomUUID } from 'node:crypto';
import type { Head } from '../git/head.ts';
import type { Move, MoveStep } from '../git/move.ts';
import { describeMove, settleMove } from '../git/settle-move.ts';
import { sweepRepository } from '../git/stale-lock.ts';
import type { JobContext } from './work.ts';

/** Sees to it that no move of a working copy ends half-way. */
export interface MoveGuard {
  /** Writes down what is about to be moved. @throws GitCommandError; what the journal throws */
  readonly begin: (step: MoveStep) => Promise<void>;
  /** The move has arrived. */
  readonly end: () => void;
  /** After a failure: brings a move that has not arrived to one of its two ends. Does not throw. */
  readonly settle: () => Promise<void>;
}

/** How long that may take: a filter or a hook may hang. */
const SETTLE_MS = 120_000;

export function createMoveGuard(
  context: JobContext,
  printer: { readonly onOutput: (bytes: Buffer) => void; readonly say: (line: string) => void },
): MoveGuard {
  const { git, job } = context;
  const { repository } = context.served;
  let origin: Head | null = null;
  let current: { readonly move: Move; readonly since: number } | null = null;
  return {
    async begin(step) {
      const since = Date.now();
      const move = await describeMove({ git, repository, signal: context.signal }, step);
      origin ??= move.from;
      context.note({ stage: 'MOVE', move, origin });
      current = { move, since };
    },
    end() {
      current = null;
      context.note({ stage: 'PREPARE', move: null, origin });
    },
    async settle() {
      if (current === null) return;
      const { move, since } = current;
      try {
        // Of a git that had to be killed, or that found the disk full.
        await sweepRepository(repository, since);
        await settleMove(
          {
            git,
            repository,
            signal: AbortSignal.timeout(SETTLE_MS),
            savedRef: `refs/gitagent/saved/${job.id}-${randomUUID().slice(0, 8)}`,
            ...printer,
          },
          move,
        );
      } catch (error) {
        printer.say('the working copy may be half moved: see "git status" there');
        context.onBug(error);
      }
    },
  };
}
