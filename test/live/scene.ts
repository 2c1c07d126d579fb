/** A repository that is watched as the agent watches it, with its git children counted. */
import { readdirSync, readFileSync } from 'node:fs';
import type { Git } from '../../src/git/git.ts';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { createCopyWatch, type CopyWatch } from '../../src/live/copy-watch.ts';
import { createInotify } from '../../src/live/inotify.ts';
import { openDoor } from '../support/git-door.ts';
import type { Fixture } from '../support/git-fixture.ts';

export const onLinux = { skip: process.platform !== 'linux' && 'changes are polled for there' };

export interface WatchScene extends AsyncDisposable {
  readonly watch: CopyWatch;
  readonly git: Git;
  readonly repository: Repository;
  /** Git children that were started to answer since the last call. */
  takeChildren(): number;
  /** Resolves when there is news for who follows it. */
  news(): Promise<void>;
}

export async function createWatchScene(
  fixture: Fixture,
  dir: string,
  options: { readonly maxFolders?: number; readonly pollSeconds?: number } = {},
): Promise<WatchScene> {
  const { git, host } = await openDoor(fixture);
  const repository = await openRepository(dir);
  let children = 0;
  let news = Promise.withResolvers<void>();
  const counting: Git = {
    ...git,
    run: async (...args) => {
      children += 1;
      return await git.run(...args);
    },
  };
  const watch = createCopyWatch({
    git: counting,
    repository,
    host,
    inotify: createInotify(10_000),
    maxFolders: options.maxFolders ?? 10_000,
    pollSeconds: options.pollSeconds ?? 5,
    onNews() {
      news.resolve();
      news = Promise.withResolvers();
    },
  });
  return {
    watch,
    git,
    repository,
    takeChildren() {
      const taken = children;
      children = 0;
      return taken;
    },
    news: async () => await news.promise,
    [Symbol.asyncDispose]: async () => await watch.close(),
  };
}

/** How many folders and files a process watches. */
export function countWatches(pid: number | 'self' = 'self'): number {
  const folder = `/proc/${pid}/fdinfo`;
  return readdirSync(folder)
    .map((fd) => {
      try {
        return readFileSync(`${folder}/${fd}`, 'latin1').match(/^inotify wd:/gm)?.length ?? 0;
      } catch {
        return 0; // It was the folder's own.
      }
    })
    .reduce((sum, count) => sum + count, 0);
}
