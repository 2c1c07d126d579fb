import { readdir } from 'node:fs/promises';
import type { Dirent } from 'node:fs';
import { gitPath, pathBytes, type GitPath } from './git-path.ts';

/**
 * Finds what stands in a working tree where files will be written, ignored files included: git status
 * does not tell of those, and git overwrites them without asking. A repository inside the working tree
 * is one obstacle, whose path ends with a slash. Names are compared byte for byte.
 * @param written where files will be
 * @param removed what will be gone by then, and so is no obstacle
 */
export async function findObstacles(
  workTree: string,
  written: readonly GitPath[],
  removed: readonly GitPath[],
): Promise<GitPath[]> {
  const goes = new Set(removed.map(key));
  const found = new Set<string>();
  const folders = new Map<string, Promise<ReadonlyMap<string, Dirent<Buffer>>>>();
  const list = async (folder: string): Promise<ReadonlyMap<string, Dirent<Buffer>>> => {
    const known = folders.get(folder) ?? readFolder(workTree, folder);
    folders.set(folder, known);
    return await known;
  };
  /** All files below a folder that has to make room for a file. */
  const addFolder = async (folder: string): Promise<void> => {
    const entries = await list(folder);
    if (entries.has('.git')) {
      found.add(`${folder}/`);
      return;
    }
    for (const [name, entry] of entries) {
      const path = `${folder}/${name}`;
      if (entry.isDirectory()) await addFolder(path);
      else if (!goes.has(path)) found.add(path);
    }
  };
  for (const path of new Set(written.map(key))) {
    let folder = '';
    for (const name of path.split('/')) {
      const entry = (await list(folder)).get(name);
      if (entry === undefined) break;
      folder = folder === '' ? name : `${folder}/${name}`;
      if (entry.isDirectory()) {
        if (folder === path) await addFolder(path);
        continue;
      }
      // A file, or a link that git does not look behind, in the place of the file or of its folder.
      if (!goes.has(folder)) found.add(folder);
      break;
    }
  }
  return Array.from(found, (name) => gitPath(Buffer.from(name, 'latin1')));
}

/** One character for each byte, so that equal keys mean equal bytes. */
function key(path: GitPath): string {
  return pathBytes(path).toString('latin1');
}

async function readFolder(
  workTree: string,
  folder: string,
): Promise<ReadonlyMap<string, Dirent<Buffer>>> {
  const path = Buffer.concat([Buffer.from(`${workTree}/`), Buffer.from(folder, 'latin1')]);
  const entries = await readdir(path, { encoding: 'buffer', withFileTypes: true });
  return new Map(entries.map((entry) => [entry.name.toString('latin1'), entry]));
}
