import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Repository } from './repository.ts';

/**
 * The branches that the last fetch brought, as they are called on the remote. A remote-tracking branch
 * that is not among them is a leftover: the remote does not have it any more, or it is not fetched.
 * Starts no child.
 */
export async function readFetchedBranches(repository: Repository): Promise<ReadonlySet<string>> {
  const text = await readFile(join(repository.gitDir, 'FETCH_HEAD'), 'utf8').catch(() => '');
  // builtin/fetch.c: `OID TAB [not-for-merge] TAB branch 'NAME' of URL`. A URL cannot begin a line.
  const lines = text.matchAll(/^[0-9a-f]+\t(?:not-for-merge)?\tbranch '(.+?)' of /gm);
  return new Set(Array.from(lines, ([, name = '']) => name));
}
