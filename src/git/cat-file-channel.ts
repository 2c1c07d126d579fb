import { AppError } from '../error.ts';
import type { CatFile, CatFileEnd, CatFileHandlers } from './cat-file.ts';
import type { CatFileAnswer, CatFileRequest } from './cat-file-answer.ts';

/** Asks about the objects of one repository, whatever happens to the child that knows. */
export interface CatFileChannel {
  /**
   * Asks; the answers come in the order of the requests. What a child died over is asked of the next one.
   * @throws AppError COMMAND_FAILED when git cannot read here; GitCommandError when it cannot be started
   */
  ask(requests: readonly CatFileRequest[]): Promise<(CatFileAnswer | Error)[]>;
  /** Whether nobody waits for an answer. */
  isIdle(): boolean;
  /** The child that runs, if one does. */
  child(): CatFile | null;
  /** Ends the child; who waits for an answer has it from the next one. */
  renew(): Promise<void>;
}

export interface CatFileChannelDeps {
  /** Starts a child once there may be one more. */
  readonly start: (handlers: CatFileHandlers) => Promise<CatFile>;
  /** The last answer has been given. */
  readonly onIdle: () => void;
  /** Whether another repository waits for a child to end. */
  readonly mustYield: () => boolean;
}

interface Group {
  readonly requests: readonly CatFileRequest[];
  readonly answers: (CatFileAnswer | Error)[];
  readonly resolve: (answers: (CatFileAnswer | Error)[]) => void;
  readonly reject: (error: unknown) => void;
}

/** How many children in a row may end without an answer to the same request, before it is given up. */
const MAX_BARREN = 2;
/** The same for children that were killed. Not for ever: the system kills one that takes all of its memory. */
const MAX_KILLED = 10;
/** How many requests in a row may be given up, before all are. */
const MAX_FAILURES = 3;
/** git that prints nothing for so long hangs on a dead file system. */
const SILENCE_MS = 60_000;

export function createCatFileChannel(deps: CatFileChannelDeps): CatFileChannel {
  let groups: Group[] = [];
  let child: CatFile | null = null;
  let isStarting = false;
  /** How many groups were sent to this child. */
  let sent = 0;
  /** Children that ended, and that were killed, since the last answer, and requests that were given up since. */
  let barren = 0;
  let killed = 0;
  let failures = 0;
  let alarm: NodeJS.Timeout | undefined;

  function pump(): void {
    watch();
    if (groups.length === 0) return;
    if (child === null) {
      if (isStarting) return;
      isStarting = true;
      void start();
      return;
    }
    for (const group of groups.slice(sent)) child.send(group.requests.slice(group.answers.length));
    sent = groups.length;
  }

  async function start(): Promise<void> {
    // What an old child still says while it ends is not for the groups of a new one.
    let mine: CatFile | null = null;
    let ended: CatFileEnd | null = null;
    const isMine = (): boolean => mine !== null && mine === child;
    try {
      mine = await deps.start({
        next: () => {
          const [group] = isMine() ? groups : [];
          return group?.requests[group.answers.length];
        },
        onAnswer: (answer) => {
          if (isMine()) accept(answer);
        },
        onEnd: (end) => {
          ended = end;
          if (!isMine()) return;
          child = null;
          onDeath(end);
        },
      });
      isStarting = false;
      sent = 0;
      // TypeScript does not see that it was set meanwhile.
      const early = ended as CatFileEnd | null;
      if (early !== null) {
        onDeath({ ...early, isNotFetched: false });
        return;
      }
      child = mine;
      if (groups.length === 0) deps.onIdle();
      pump();
    } catch (error) {
      isStarting = false;
      rejectAll(error);
    }
  }

  function accept(answer: CatFileAnswer | Error): void {
    const [group] = groups;
    if (group === undefined) return;
    barren = 0;
    killed = 0;
    if (!(answer instanceof Error)) failures = 0;
    group.answers.push(answer);
    watch();
    if (group.answers.length < group.requests.length) return;
    groups.shift();
    sent = Math.max(0, sent - 1);
    group.resolve(group.answers);
    if (groups.length === 0) deps.onIdle();
    else if (deps.mustYield()) void renew();
  }

  function onDeath({ reason, isNotFetched, wasKilled }: CatFileEnd): void {
    if (isNotFetched) {
      accept({ kind: 'missing' });
    } else if (groups.length > 0 && (wasKilled ? ++killed > MAX_KILLED : ++barren > MAX_BARREN)) {
      const why = wasKilled
        ? 'it is killed each time: look at the memory of the machine'
        : 'look at the repository with git fsck';
      const error = new AppError(
        'COMMAND_FAILED',
        `git cannot read this object: ${why}`,
        undefined,
        { cause: new Error(`git cat-file: ${reason}`) },
      );
      if (++failures > MAX_FAILURES) rejectAll(error);
      else accept(error);
    }
    pump();
  }

  function rejectAll(error: unknown): void {
    const all = groups;
    groups = [];
    sent = 0;
    barren = 0;
    killed = 0;
    failures = 0;
    watch();
    for (const group of all) group.reject(error);
    if (child !== null) deps.onIdle();
  }

  async function renew(): Promise<void> {
    const old = child;
    child = null;
    sent = 0;
    const ended = old?.end();
    pump();
    await ended;
  }

  function watch(): void {
    if (groups.length === 0 || child === null) {
      clearTimeout(alarm);
      alarm = undefined;
    } else if (alarm === undefined) {
      alarm = setTimeout(() => {
        alarm = undefined;
        void child?.end();
      }, SILENCE_MS);
    } else {
      alarm.refresh();
    }
  }

  return {
    ask: async (requests) =>
      await new Promise((resolve, reject) => {
        if (requests.length === 0) {
          resolve([]);
          return;
        }
        groups.push({ requests, answers: [], resolve, reject });
        pump();
      }),
    isIdle: () => groups.length === 0,
    child: () => child,
    renew,
  };
}
