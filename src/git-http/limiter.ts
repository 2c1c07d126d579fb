import { AppError } from '../error.ts';

/** How many git children there may be at once, and how many requests may wait for their turn. */
export interface Limits {
  readonly total: number;
  readonly perRepository: number;
  readonly perCaller: number;
  /** Requests that wait, in all. */
  readonly waiting: number;
  /** Requests that wait of one caller, so that no one fills the whole queue. */
  readonly waitingPerCaller: number;
  /** A request that waited so long is refused. */
  readonly waitMs: number;
}

export interface Entrant {
  readonly repository: string;
  readonly caller: string;
  /**
   * Whether it may only be refused when the queue is several times as long as others may make it: git
   * does not retry, and what a user has begun should end.
   */
  readonly hasBegun: boolean;
  readonly signal: AbortSignal;
}

/** Lets requests in as there is room, in the order they came, past those that wait for another's end. */
export interface Limiter {
  /**
   * Waits for a turn, and gives what ends it. Calling that again does nothing.
   * @throws AppError LIMIT_EXCEEDED, at once when too many wait, or after `waitMs`; CANCELLED
   */
  enter(entrant: Entrant): Promise<() => void>;
}

/** How much longer the queue may grow with requests that belong to an operation that has begun. */
const BEGUN_FACTOR = 4;

interface Waiting {
  readonly entrant: Entrant;
  readonly admit: () => void;
}

export function createLimiter(limits: Limits): Limiter {
  const inside: Entrant[] = [];
  const queue: Waiting[] = [];

  const hasRoomFor = ({ repository, caller }: Entrant): boolean =>
    inside.length < limits.total &&
    inside.filter((each) => each.repository === repository).length < limits.perRepository &&
    inside.filter((each) => each.caller === caller).length < limits.perCaller;

  const isTooLongFor = ({ caller, hasBegun }: Entrant): boolean => {
    const factor = hasBegun ? BEGUN_FACTOR : 1;
    const own = queue.filter((each) => each.entrant.caller === caller).length;
    return queue.length >= limits.waiting * factor || own >= limits.waitingPerCaller * factor;
  };

  function admit(entrant: Entrant): () => void {
    const place = { ...entrant };
    inside.push(place);
    return () => {
      const at = inside.indexOf(place);
      if (at === -1) return;
      inside.splice(at, 1);
      for (;;) {
        const next = queue.findIndex((each) => hasRoomFor(each.entrant));
        if (next === -1) return;
        queue.splice(next, 1)[0]?.admit();
      }
    };
  }

  return {
    async enter(entrant) {
      if (entrant.signal.aborted) throw left();
      // None of those that wait has room: they were asked when the last place became free.
      if (hasRoomFor(entrant)) return admit(entrant);
      if (isTooLongFor(entrant)) throw refused();
      return await new Promise((resolve, reject) => {
        const leave = (error: AppError): void => {
          queue.splice(queue.indexOf(waiting), 1);
          settle();
          reject(error);
        };
        const onAbort = (): void => {
          leave(left());
        };
        const timer = setTimeout(() => {
          leave(refused());
        }, limits.waitMs);
        const settle = (): void => {
          clearTimeout(timer);
          entrant.signal.removeEventListener('abort', onAbort);
        };
        const waiting = {
          entrant,
          admit: () => {
            settle();
            resolve(admit(entrant));
          },
        };
        entrant.signal.addEventListener('abort', onAbort, { once: true });
        queue.push(waiting);
      });
    },
  };
}

function refused(): AppError {
  return new AppError('LIMIT_EXCEEDED', 'the server is busy: try again in a moment');
}

function left(): AppError {
  return new AppError('CANCELLED', 'the client has gone');
}
