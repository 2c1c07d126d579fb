import type { Wake } from './follow.ts';

/** Wakes those who wait no more often than what it costs allows. */
export interface Pace {
  /** At once, or soon when they were woken a moment ago or still are. */
  wake(): void;
  /** Wakes all without a pause, for the last time. */
  end(): void;
}

/**
 * So many are woken in one turn of the event loop. Others have work, too, and what the few allocate is garbage
 * before the next ones are woken: all at once would fill the young generation with what each still needs.
 */
const BATCH = 25;
/** Twice what it takes until a waiter's socket has what is new: half of the time is left for all else. */
const PAUSE_MS_PER_WAITER = 0.04;
const MAX_PAUSE_MS = 100;

/**
 * What changes a hundred times a second is told to one waiter a hundred times, to a thousand some twenty times:
 * each then gets more at once. A round is never begun before the last one is over.
 */
export function createPace(changed: Wake): Pace {
  /** How many are yet to be woken in this round. Who waits again meanwhile stands behind them. */
  let left = 0;
  let turn: NodeJS.Immediate | undefined;
  let pause: NodeJS.Timeout | undefined;
  let isDue = false;

  const begin = (): void => {
    isDue = false;
    left = changed.size;
    const pauseMs = Math.min(MAX_PAUSE_MS, Math.floor(left * PAUSE_MS_PER_WAITER));
    if (pauseMs > 0) {
      pause = setTimeout(() => {
        pause = undefined;
        beginIfDue();
      }, pauseMs);
    }
    goOn();
  };
  const goOn = (): void => {
    changed.wake(Math.min(left, BATCH));
    left -= BATCH;
    turn = left > 0 ? setImmediate(goOn) : undefined;
    beginIfDue();
  };
  const beginIfDue = (): void => {
    if (isDue && turn === undefined && pause === undefined) begin();
  };
  return {
    wake() {
      isDue = true;
      beginIfDue();
    },
    end() {
      clearImmediate(turn);
      clearTimeout(pause);
      pause = undefined;
      isDue = false;
      left = changed.size;
      goOn();
    },
  };
}
