import { AppError } from '../error.ts';
import { openCatFile, type CatFile, type CatFileEnd, type CatFileHandlers } from './cat-file.ts';
import type { CatFileAnswer, CatFileRequest } from './cat-file-answer.ts';
import { createCatFileChannel, type CatFileChannel } from './cat-file-channel.ts';
import type { Git } from './git.ts';
import type { Stamp } from './object-stamp.ts';
import type { Repository } from './repository.ts';
import type { ObjectType } from './stored-object.ts';

/** `git cat-file` children, one for each repository that is read, not more than so many over all. */
export interface CatFilePool extends AsyncDisposable {
  /**
   * Asks about objects of one repository; the answers come in the order of the requests.
   * @param stamp what `readStamp` said just before: a child that was started under another is ended first
   * @throws AppError COMMAND_FAILED when git cannot read here, CANCELLED when the pool is closed; GitCommandError
   */
  ask(
    repository: Repository,
    requests: readonly CatFileRequest[],
    stamp: Stamp,
  ): Promise<(CatFileAnswer | Error)[]>;
  /** Whether a child runs for this repository. */
  isOpen(repository: Repository): boolean;
  /** The process ids of the children that run. */
  pids(): number[];
  /** Ends all children. Resolves once they are gone. Who waits for an answer is refused. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface CatFilePoolDeps {
  readonly git: Git;
  /** Children over all repositories. The least recently used one ends where another is needed. */
  readonly maxChildren: number;
  /** How long a child stays that nobody asks anything. */
  readonly idleMs: number;
  /** Larger contents are not read. */
  readonly maxBytes: (type: ObjectType) => number;
}

interface Place {
  readonly channel: CatFileChannel;
  stamp: Stamp;
  idleTimer: NodeJS.Timeout | undefined;
}

export function createCatFilePool(deps: CatFilePoolDeps): CatFilePool {
  /** By git directory, the least recently used first. */
  const places = new Map<string, Place>();
  const waiting: (() => void)[] = [];
  /** Children that are being started or ended. */
  const unsettled = new Set<Promise<void>>();
  let running = 0;
  let isClosed = false;

  async function start(repository: Repository, handlers: CatFileHandlers): Promise<CatFile> {
    if (running < deps.maxChildren) {
      running++;
    } else {
      await new Promise<void>((resolve) => {
        waiting.push(resolve);
        restOldest();
      });
    }
    if (isClosed) {
      release();
      throw closed();
    }
    const onEnd = (end: CatFileEnd): void => {
      release();
      handlers.onEnd(end);
    };
    const opening = openCatFile(deps.git, repository, deps.maxBytes, { ...handlers, onEnd });
    // One that was not started gives its place back at once.
    const child = await opening.catch((error: unknown) => {
      release();
      throw error;
    });
    if (!isClosed) return child;
    await child.end();
    throw closed();
  }

  /** A child has ended: the place goes to who has waited longest. */
  function release(): void {
    const next = waiting.shift();
    if (next === undefined) running--;
    else next();
  }

  function restOldest(): void {
    for (const place of places.values()) {
      if (place.channel.child() === null || !place.channel.isIdle()) continue;
      rest(place);
      return;
    }
  }

  function rest(place: Place): void {
    clearTimeout(place.idleTimer);
    keep(place.channel.renew());
  }

  function keep(promise: Promise<unknown>): void {
    const settled = promise.then(
      () => undefined,
      () => undefined,
    );
    unsettled.add(settled);
    void settled.then(() => unsettled.delete(settled));
  }

  function open(repository: Repository, stamp: Stamp): Place {
    const channel = createCatFileChannel({
      start: async (handlers) => {
        const starting = start(repository, handlers);
        keep(starting);
        return await starting;
      },
      onIdle: () => {
        if (waiting.length > 0 || isClosed) {
          rest(place);
          return;
        }
        clearTimeout(place.idleTimer);
        place.idleTimer = setTimeout(() => {
          if (place.channel.isIdle()) rest(place);
        }, deps.idleMs);
      },
      mustYield: () => waiting.length > 0,
    });
    const place: Place = { channel, stamp, idleTimer: undefined };
    return place;
  }

  return {
    async ask(repository, requests, stamp) {
      if (isClosed) throw closed();
      const key = repository.gitDir;
      const place = places.get(key) ?? open(repository, stamp);
      places.delete(key);
      places.set(key, place);
      clearTimeout(place.idleTimer);
      const { stamp: old } = place;
      const isSame = old.place === stamp.place;
      place.stamp = { ...stamp, walk: stamp.walk ?? (isSame ? old.walk : null) };
      if (!isSame || (old.walk !== null && old.walk !== place.stamp.walk)) rest(place);
      return await place.channel.ask(requests);
    },
    isOpen: ({ gitDir }) => places.get(gitDir)?.channel.child() != null,
    pids: () => [...places.values()].flatMap(({ channel }) => channel.child()?.pid ?? []),
    async [Symbol.asyncDispose]() {
      isClosed = true;
      for (const next of waiting.splice(0)) next();
      for (const place of places.values()) rest(place);
      while (unsettled.size > 0) await Promise.all(unsettled);
    },
  };
}

function closed(): AppError {
  return new AppError('CANCELLED', 'the agent is stopping');
}
