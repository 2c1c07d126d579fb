import type { BigIntStats } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Repository } from './repository.ts';

/** Tells one state of a repository's place from another. */
export interface Stamp {
  /**
   * Tells this repository from another that may come to lie at the same place: device, inode and birth of
   * its object directory, which git itself never replaces.
   */
  readonly place: string;
  /**
   * What a running git has read once and does not look at again when it goes from commit to parent: the
   * boundary of a shallow clone. null when nobody asked for it.
   */
  readonly walk: string | null;
}

/** null when there is no repository any more. @param walks whether to say `walk` too */
export async function readStamp(repository: Repository, walks: boolean): Promise<Stamp | null> {
  const { commonDir } = repository;
  const files = walks ? [join(commonDir, 'shallow')] : [];
  const [objects, ...others] = await Promise.all(
    [join(commonDir, 'objects'), ...files].map(statOf),
  );
  if (objects == null) return null;
  const marks = others.map((file) =>
    file === null ? 'none' : `${file.ino}:${file.size}:${file.mtimeNs}`,
  );
  return {
    place: `${objects.dev}:${objects.ino}:${objects.birthtimeNs}`,
    walk: walks ? marks.join(' ') : null,
  };
}

async function statOf(path: string): Promise<BigIntStats | null> {
  return await stat(path, { bigint: true }).catch(() => null);
}
