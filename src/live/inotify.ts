import { readFileSync, watch as watchFolder } from 'node:fs';

/** A path whose every character stands for one byte: names in git need not be UTF-8. */
export type BytePath = string;

/** `name` is null when the system did not say it. */
export type OnEvent = (kind: 'rename' | 'change', name: BytePath | null) => void;

/** Why something cannot be watched, for people. */
export class CannotWatch extends Error {
  override readonly name = 'CannotWatch';
}

/** The one door through which folders are watched. All of them share libuv's one inotify queue. */
export interface Inotify {
  /**
   * Watches one folder, not what lies in folders below it.
   * @returns what ends it; null when there is no such folder
   * @throws CannotWatch
   */
  watch(folder: BytePath, onEvent: OnEvent): (() => void) | null;
  /**
   * Resolves when every change that was made before the call has been told to who watches: the kernel
   * queues an event before the system call that caused it returns, and one full round of the event loop
   * reads that queue to its end.
   */
  settle(): Promise<void>;
  /**
   * Calls `listener` when events may have been lost, so that nothing is known any more.
   * @returns what takes it back
   */
  onLost(listener: () => void): () => void;
  /** Folders that are watched now. */
  readonly count: number;
}

/** @param maxFolders how many may be watched at once */
export function createInotify(maxFolders: number): Inotify {
  const listeners = new Set<() => void>();
  const suspicious = Math.max(1, Math.floor(readQueueLength() / 2));
  let count = 0;
  let events = 0;

  const settle = async (): Promise<void> => {
    // Twice: the first may come in the round that has already read the queue.
    await new Promise<void>((resolve) => {
      setImmediate(() => setImmediate(resolve));
    });
  };

  /**
   * A full queue drops what comes, and libuv does not pass on the kernel's word on that (IN_Q_OVERFLOW).
   * But it reads the queue to its end in one go, so events were lost only if in one round as many
   * arrive as the queue can hold. Watches that end leave an event that is not seen; so they count too.
   */
  const countEvent = (): void => {
    if (events === 0) void settle().then(() => (events = 0));
    events += 1;
    if (events % suspicious !== 0) return;
    for (const listener of listeners) listener();
  };

  return {
    watch(folder, onEvent) {
      if (count >= maxFolders) {
        throw new CannotWatch(
          `${maxFolders} folders are watched already, which limits.watched_folders_total allows`,
        );
      }
      let isClosed = false;
      try {
        const watcher = watchFolder(
          Buffer.from(folder, 'latin1'),
          { persistent: false, encoding: 'latin1' },
          (kind, name) => {
            countEvent();
            if (!isClosed) onEvent(kind === 'change' ? 'change' : 'rename', name);
          },
        );
        // What can be wrong with a folder comes as an event of it or of the one above.
        watcher.on('error', () => {
          if (!isClosed) onEvent('rename', null);
        });
        count += 1;
        return () => {
          if (isClosed) return;
          isClosed = true;
          count -= 1;
          countEvent();
          watcher.close();
        };
      } catch (error) {
        const code = error instanceof Error && 'code' in error ? error.code : null;
        if (code === 'ENOENT' || code === 'ENOTDIR') return null;
        if (typeof code !== 'string') throw error;
        throw new CannotWatch(explain(code, Buffer.from(folder, 'latin1').toString()));
      }
    },
    settle,
    onLost(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
    get count() {
      return count;
    },
  };
}

function explain(code: string, folder: string): string {
  switch (code) {
    case 'ENOSPC':
      return 'the system allows no more watches: raise fs.inotify.max_user_watches';
    case 'EMFILE':
      return 'the system allows no more watchers or open files: raise fs.inotify.max_user_instances, or "ulimit -n"';
    case 'EACCES':
      return `${folder} cannot be read`;
    default:
      return `${folder} cannot be watched: ${code}`;
  }
}

/** How many events the kernel holds for us before it drops them; its default where it does not say. */
function readQueueLength(): number {
  try {
    return Number(readFileSync('/proc/sys/fs/inotify/max_queued_events', 'utf8')) || 16_384;
  } catch {
    return 16_384;
  }
}
