import { lstat } from 'node:fs/promises';
import { basename, dirname } from 'node:path/posix';
import type { Repository } from '../git/repository.ts';
import type { StatusSurvey } from '../git/status.ts';
import { findObstacle } from './file-system.ts';
import { CannotWatch, type BytePath, type Inotify } from './inotify.ts';
import { locateGitFolders } from './nested-git-folder.ts';
import { createSurroundings, type Surroundings } from './surroundings.ts';
import {
  bytePath,
  createFolder,
  kindInside,
  pathBytes,
  readFolder,
  type Entry,
  type Folder,
  type FolderKind,
} from './watched-folder.ts';

/** All folders in which a change may alter a repository's status or HEAD, watched. */
export interface WatchedTree {
  /** Counts changes that may matter. What it was before something was read tells whether that still holds. */
  readonly generation: number;
  /** The same for changes that may alter which configuration git reads. */
  readonly settingsGeneration: number;
  /** Why it cannot be watched; null while it can. Nothing is watched then. */
  readonly obstacle: string | null;
  /**
   * Watches what is new, each folder before it is looked into, so that what appears in it meanwhile is
   * told. Must not be called again before it has resolved.
   * @param most how many folders to look into; what is left waits for the next call
   * @returns whether everything is watched
   */
  update(most: number): Promise<boolean>;
  /**
   * Takes git's word on where it does not look, and stops watching there.
   * @returns false when a folder was left out on an earlier word that does not hold any more
   */
  leaveOut(survey: StatusSurvey): boolean;
  /** Tries again after an obstacle. */
  retry(): void;
  close(): void;
}

export interface WatchedTreeDeps {
  readonly repository: Repository;
  readonly inotify: Inotify;
  /** How many folders may be watched for this repository. */
  readonly maxFolders: number;
  /** Called after `generation` has gone up. */
  readonly onChange: () => void;
}

/** What no status depends on, and git writes often. */
const IRRELEVANT = /\.lock$|^(?:COMMIT_EDITMSG|ORIG_HEAD|FETCH_HEAD|MERGE_MSG|gc\.log|gc\.pid)$/;
const SETTINGS = new Set(['HEAD', 'config', 'config.worktree']);

/** Beyond this it is cheaper to look at everything anew than to remember what to look at. */
const MAX_PENDING = 2000;
const READERS = 8;

export function createWatchedTree(deps: WatchedTreeDeps): WatchedTree {
  const { repository, inotify } = deps;
  const workTree = repository.workTree === null ? null : bytePath(repository.workTree);
  const gitFolders = [...new Set([repository.gitDir, repository.commonDir])].map(bytePath);
  let generation = 0;
  let settingsGeneration = 0;
  let obstacle: string | null = null;
  let isClosed = false;
  let count = 0;
  let roots: Folder[] = [];
  let surroundings: Surroundings | null = null;
  /** Everything has to be looked at anew. */
  let isUnknown = true;
  const pending = new Map<Folder, Set<BytePath>>();
  let pendingCount = 0;
  let unread: Folder[] = [];
  let ignored: ReadonlySet<BytePath> = new Set();
  let foreign: ReadonlySet<BytePath> = new Set();
  /** Folders that have something left out, or are foreign. */
  const partial = new Set<Folder>();

  function changed(): void {
    generation += 1;
    deps.onChange();
  }

  function forgetEverything(): void {
    isUnknown = true;
    settingsGeneration += 1;
    changed();
  }
  const stopListening = inotify.onLost(forgetEverything);

  function onEvent(folder: Folder, kind: 'rename' | 'change', name: BytePath | null): void {
    if (folder.isClosed) return;
    if (name === null) {
      forgetEverything();
      return;
    }
    if (folder.kind !== 'tree') {
      if (IRRELEVANT.test(name)) return;
      if (SETTINGS.has(name)) settingsGeneration += 1;
    }
    const isDotGit = folder.kind === 'tree' && name === '.git';
    if (kind === 'rename' || isDotGit) {
      // Of what happens to the folder itself the kernel says no name, and libuv the folder's own.
      const isSelf = name === basename(folder.path);
      if (folder.parent === null && (isSelf || isDotGit)) isUnknown = true;
      if (folder.parent !== null && isSelf) remember(folder.parent, folder.key);
      remember(folder, name);
    }
    changed();
  }

  function remember(folder: Folder, name: BytePath): void {
    if (isUnknown) return;
    const names = pending.get(folder) ?? new Set();
    pending.set(folder, names);
    if (!names.has(name)) pendingCount += 1;
    names.add(name);
    if (pendingCount > MAX_PENDING) isUnknown = true;
  }

  function add(path: BytePath, kind: FolderKind, parent: Folder | null, key: string): Folder {
    const folder = createFolder(path, kind, parent, key, kind === 'tree' && foreign.has(path));
    if (folder.isForeign) partial.add(folder);
    unread.push(folder);
    return folder;
  }

  function closeFolder(folder: Folder): void {
    if (folder.isClosed) return;
    folder.isClosed = true;
    if (folder.unwatch !== null) count -= 1;
    folder.unwatch?.();
    folder.unwatch = null;
    pending.delete(folder);
    partial.delete(folder);
    if (folder.parent?.children.get(folder.key) === folder) {
      folder.parent.children.delete(folder.key);
    }
    for (const child of folder.children.values()) closeFolder(child);
  }

  function closeAll(): void {
    surroundings?.close();
    for (const root of roots) closeFolder(root);
    roots = [];
    unread = [];
    pending.clear();
    pendingCount = 0;
    partial.clear();
  }

  /** @returns whether the folder is there */
  function watchFolder(folder: Folder): boolean {
    if (folder.isClosed) return false;
    if (count >= deps.maxFolders) {
      throw new CannotWatch(
        `it has more than ${deps.maxFolders} folders, which limits.watched_folders allows`,
      );
    }
    folder.unwatch = inotify.watch(folder.path, (kind, name) => {
      onEvent(folder, kind, name);
    });
    if (folder.unwatch === null) return false;
    count += 1;
    return true;
  }

  /** Watches a folder, then finds what in it is to be watched too. */
  async function read(folder: Folder): Promise<void> {
    if (!watchFolder(folder)) return;
    for (const entry of await readFolder(folder.path)) await consider(folder, entry);
  }

  async function consider(folder: Folder, { name, isFolder, isLink }: Entry): Promise<void> {
    if (folder.isClosed) return;
    if (folder.kind === 'tree' && name === '.git') {
      // The repository's own is a root.
      if (folder.parent !== null) await considerNested(folder);
      return;
    }
    const path = `${folder.path}/${name}`;
    if (isLink && folder.kind !== 'tree') {
      // `git-new-workdir` and people with an info/exclude for all make them. What it leads to is watched.
      add(path, kindInside(folder, name) ?? 'leaf', folder, name);
      return;
    }
    if (!isFolder || folder.kind === 'leaf') return;
    const kind = kindInside(folder, name);
    if (kind === undefined) return;
    if (kind === 'tree' && (folder.isForeign || ignored.has(path))) {
      folder.leftOut.add(path);
      partial.add(folder);
      return;
    }
    add(path, kind, folder, name);
  }

  /** A submodule, or a repository that merely lies here: status asks it for its own status. */
  async function considerNested(folder: Folder): Promise<void> {
    const found = await locateGitFolders(folder.path);
    if (folder.isClosed) return;
    for (const [index, path] of found.entries()) {
      // No file has such a name, except for the first.
      add(path, 'git', folder, index === 0 ? '.git' : `.git/${index}`);
    }
  }

  /** Something with this name appeared, went, or was replaced. */
  async function reconsider(folder: Folder, name: BytePath): Promise<void> {
    for (const [key, child] of folder.children) {
      if (key === name || key.startsWith(`${name}/`)) closeFolder(child);
    }
    const path = `${folder.path}/${name}`;
    folder.leftOut.delete(path);
    const info = await lstat(pathBytes(path)).catch(() => null);
    if (info === null) return;
    await consider(folder, { name, isFolder: info.isDirectory(), isLink: info.isSymbolicLink() });
  }

  async function openRoots(): Promise<void> {
    obstacle = await findObstacle(
      [repository.workTree, repository.gitDir, repository.commonDir].filter((dir) => dir !== null),
    );
    if (obstacle !== null || isClosed) return;
    surroundings = createSurroundings(inotify, forgetEverything);
    const all = workTree === null ? gitFolders : [workTree, ...gitFolders];
    for (const path of all) {
      roots.push(add(path, path === workTree ? 'tree' : 'git', null, path));
      // What is in the working tree is watched from there.
      if (dirname(path) !== workTree) await surroundings.add(path);
    }
  }

  async function readAll(most: number): Promise<void> {
    let left = most;
    const reader = async (): Promise<void> => {
      for (let folder = unread.pop(); folder !== undefined; folder = unread.pop()) {
        if (folder.isClosed) continue;
        if (left <= 0) {
          unread.push(folder);
          return;
        }
        left -= 1;
        await read(folder);
      }
    };
    await Promise.all(Array.from({ length: READERS }, reader));
  }

  function giveUp(reason: string): void {
    closeAll();
    obstacle = reason;
    isUnknown = true;
    changed();
  }

  /** The folder that is watched at a path of the working tree. */
  function find(path: BytePath): Folder | null {
    let folder = roots.find(({ kind }) => kind === 'tree') ?? null;
    for (const name of path.split('/')) folder = folder?.children.get(name) ?? null;
    return folder;
  }

  return {
    get generation() {
      return generation;
    },
    get settingsGeneration() {
      return settingsGeneration;
    },
    get obstacle() {
      return obstacle;
    },
    async update(most) {
      if (isClosed || obstacle !== null) return false;
      try {
        if (isUnknown) {
          closeAll();
          // When events were lost, the queue has to be empty before it is relied on again.
          await inotify.settle();
          isUnknown = false;
          await openRoots();
        }
        const news = [...pending];
        pending.clear();
        pendingCount = 0;
        for (const [folder, names] of news) {
          for (const name of names) if (!folder.isClosed) await reconsider(folder, name);
        }
        await readAll(most);
      } catch (error) {
        if (!(error instanceof CannotWatch)) throw error;
        giveUp(error.message);
      }
      if (isClosed) closeAll();
      return !isClosed && !isUnknown && obstacle === null && pending.size + unread.length === 0;
    },
    leaveOut(survey) {
      const prefix = `${workTree}/`;
      ignored = new Set(survey.ignoredFolders.map((path) => prefix + path));
      foreign = new Set(survey.foreignFolders.map((path) => prefix + path));
      let holds = true;
      for (const folder of partial) {
        if (folder.isForeign) {
          if (foreign.has(folder.path) || folder.parent === null) continue;
          remember(folder.parent, folder.key);
          holds = false;
          continue;
        }
        for (const path of folder.leftOut) {
          if (ignored.has(path)) continue;
          remember(folder, basename(path));
          holds = false;
        }
      }
      for (const path of survey.ignoredFolders) {
        const folder = find(path);
        if (folder === null || folder.parent === null) continue;
        folder.parent.leftOut.add(folder.path);
        partial.add(folder.parent);
        closeFolder(folder);
      }
      for (const path of survey.foreignFolders) {
        const folder = find(path);
        if (folder === null || folder.isForeign) continue;
        folder.isForeign = true;
        partial.add(folder);
        for (const child of folder.children.values()) if (child.kind === 'tree') closeFolder(child);
      }
      return holds;
    },
    retry() {
      obstacle = null;
      isUnknown = true;
    },
    close() {
      isClosed = true;
      stopListening();
      closeAll();
    },
  };
}
