import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { listObjectDirs } from './alternates.ts';
import { readLooseObject } from './loose-object.ts';
import { isUnreadable } from './object-bytes.ts';
import type { Oid } from './oid.ts';
import { readPackedObject } from './pack-file.ts';
import { hasOid, type StoredObject } from './stored-object.ts';

/**
 * With more packs than this (git's `gc.autoPackLimit` is 50) a repository has not been maintained,
 * and looking through their indexes one by one is no cheaper than starting git.
 */
const MAX_PACKS = 64;

/**
 * Reads one object from a repository's object database without starting git: loose, packed, or
 * borrowed from an alternate; SHA-1 or SHA-256, as the id's length says.
 *
 * What comes back is right: its hash was compared with `id`. Null means "not here, or not sure":
 * the object, or one it is packed as a difference from, is larger than `maxBytes` (bytes of
 * content); a repack moved it while it was read; an index is of version 1; something is damaged.
 * Then ask git, which knows why.
 *
 * `objectsDir` is the repository's `objects` folder (of the main repository where there are linked
 * worktrees). `refs/replace` and grafts are not followed: this is what `git --no-replace-objects`
 * reads. An object of a partial clone that was not fetched is null, so that git fetches it.
 *
 * Never throws for the state of the disk. Files are closed when the promise settles.
 */
export async function readObject(
  objectsDir: string,
  id: Oid,
  options: { maxBytes: number },
): Promise<StoredObject | null> {
  try {
    for await (const dir of listObjectDirs(objectsDir)) {
      // Loose first: a repack writes the pack before it removes the loose file, so an object
      // that vanishes here is found there.
      const loose = await readLooseObject(dir, id, options.maxBytes);
      if (loose !== null && hasOid(loose, id)) return loose;
      const packed = await findPacked(dir, id, options.maxBytes);
      if (packed !== null) return packed;
    }
    return null;
  } catch (error) {
    if (isUnreadable(error)) return null;
    throw error;
  }
}

async function findPacked(
  objectsDir: string,
  id: Oid,
  maxBytes: number,
): Promise<StoredObject | null> {
  const folder = join(objectsDir, 'pack');
  const indexes = (await listFolder(folder)).filter((name) => name.endsWith('.idx'));
  if (indexes.length > MAX_PACKS) return null;

  const idBytes = Buffer.from(id, 'hex');
  for (const name of indexes) {
    const object = await readPackedObject(
      join(folder, name.slice(0, -'.idx'.length)),
      idBytes,
      maxBytes,
    );
    // A copy in another pack may be whole where this one is damaged.
    if (object !== null && hasOid(object, id)) return object;
  }
  return null;
}

async function listFolder(path: string): Promise<string[]> {
  try {
    return await readdir(path);
  } catch (error) {
    if (isUnreadable(error)) return [];
    throw error;
  }
}
