import { lstat } from 'node:fs/promises';
import { join } from 'node:path';
import { parseBranchName } from './branch-name.ts';
import type { Head } from './head.ts';
import { isOid, type Oid } from './oid.ts';
import type { Repository } from './repository.ts';
import { readSmallFile } from './small-file.ts';

const MAX_REF_BYTES = 4096;
/** Some ten thousand refs. */
const MAX_PACKED_BYTES = 1024 * 1024;

/**
 * Reads HEAD from its own file and its branch's, as gitrepository-layout(5) says that git writes them. null
 * where anything is unusual: a branch without a commit, a link, another way to store refs, damage. Then
 * git has to be asked.
 */
export async function readHeadFile({ gitDir, commonDir }: Repository): Promise<Head | null> {
  const file = join(gitDir, 'HEAD');
  // In repositories of long ago HEAD was a link.
  if ((await lstat(file).catch(() => null))?.isFile() !== true) return null;
  const text = (await readSmallFile(file, MAX_REF_BYTES))?.toString('utf8') ?? '';
  const detached = oidOfLine(text);
  if (detached !== null) return { branch: null, oid: detached };
  const branch = /^ref: refs\/heads\/(.+)\n$/.exec(text)?.[1];
  if (branch === undefined || !isBranchName(branch)) return null;
  // git removes a branch's file after it has put it among the packed ones, so this order misses none.
  const loose = await readSmallFile(join(commonDir, 'refs/heads', branch), MAX_REF_BYTES);
  const oid =
    loose === null
      ? await findPacked(commonDir, `refs/heads/${branch}`)
      : oidOfLine(loose.toString('latin1'));
  return oid === null ? null : { branch, oid };
}

function oidOfLine(text: string): Oid | null {
  const id = text.endsWith('\n') ? text.slice(0, -1) : '';
  return isOid(id) ? id : null;
}

/** What is no name would lead out of the folder of branches, or is not UTF-8. */
function isBranchName(text: string): boolean {
  if (text.includes('\u{FFFD}')) return false;
  try {
    parseBranchName(text);
    return true;
  } catch {
    return false;
  }
}

/** `OID NAME`, a line for each ref (git-pack-refs(1)). */
async function findPacked(commonDir: string, name: string): Promise<Oid | null> {
  const packed = await readSmallFile(join(commonDir, 'packed-refs'), MAX_PACKED_BYTES);
  const end = packed?.indexOf(` ${name}\n`) ?? -1;
  if (packed === null || end === -1) return null;
  const start = packed.lastIndexOf('\n', end) + 1;
  const id = packed.toString('latin1', start, end);
  return isOid(id) ? id : null;
}
