import { stat } from 'node:fs/promises';
import { basename, dirname } from 'node:path/posix';
import { CannotWatch, type BytePath, type Inotify } from './inotify.ts';

/** Watches what lies above some paths, for one of them to be moved, removed or made anew. */
export interface Surroundings {
  /** Starts to watch for one more path. */
  add(path: BytePath): Promise<void>;
  close(): void;
}

/** @param onChange called when one of the paths is not what it was, or has come nearer to being there */
export function createSurroundings(inotify: Inotify, onChange: () => void): Surroundings {
  /** By the folder: what is awaited in it, and what ends the watch. */
  const watched = new Map<BytePath, { names: Set<BytePath>; unwatch: () => void }>();
  let isClosed = false;

  function watchFolder(folder: BytePath): boolean {
    if (watched.has(folder)) return true;
    const names = new Set<BytePath>([basename(folder)]);
    const unwatch = inotify.watch(folder, (kind, name) => {
      if (!isClosed && (name === null || (kind === 'rename' && names.has(name)))) onChange();
    });
    if (unwatch === null) return false;
    watched.set(folder, { names, unwatch });
    return true;
  }

  return {
    async add(path) {
      for (let inner = path; inner !== '/'; inner = dirname(inner)) {
        const outer = dirname(inner);
        try {
          if (!watchFolder(outer)) continue;
        } catch (error) {
          if (!(error instanceof CannotWatch)) throw error;
          // It may be closed to us, while the path is not. Who asks compares the path's inode as well.
          return;
        }
        watched.get(outer)?.names.add(basename(inner));
        // Of what is not there the nearest folder around it is watched. Looked at after that: the next
        // one may have come in between.
        const isWaiting = inner !== path;
        if (isWaiting && (await stat(Buffer.from(inner, 'latin1')).catch(() => null)) !== null) {
          onChange();
        }
        return;
      }
    },
    close() {
      isClosed = true;
      for (const { unwatch } of watched.values()) unwatch();
      watched.clear();
    },
  };
}
