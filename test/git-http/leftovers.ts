import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

/** What does not belong in an object database: what a push that was cut off may leave there. */
export async function leftovers(repository: string): Promise<string[]> {
  const objects = join(repository, 'objects');
  const odd = (await readdir(objects)).filter((name) => !/^(?:[0-9a-f]{2}|info|pack)$/.test(name));
  const packs = await readdir(join(objects, 'pack'));
  return [...odd, ...packs.filter((name) => !/^pack-[0-9a-f]+\.(?:pack|idx|rev|keep)$/.test(name))];
}
