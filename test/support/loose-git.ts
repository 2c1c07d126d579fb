/**
 * Reads refs, and commits that are not packed yet, from their files: a git child costs a hundred times as
 * much. null: ask git.
 */
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { inflateSync } from 'node:zlib';

const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** A commit as the parent of another. */
export interface LooseCommit {
  readonly id: string;
  /** Its committer's, in seconds since 1970. */
  readonly time: number;
}

/** The commit of a branch; undefined when there is no such branch. */
export async function readLooseTip(
  repository: string,
  ref: string,
): Promise<LooseCommit | undefined | null> {
  const gitDir = await findGitDir(repository);
  if (gitDir === null) return null;
  const written = await readFile(join(gitDir, ref), 'utf8').catch(() => null);
  const id = written?.trimEnd() ?? (await readPackedRefs(gitDir)).get(ref);
  return id === undefined ? undefined : await readLooseCommit(gitDir, id);
}

async function readLooseCommit(gitDir: string, id: string): Promise<LooseCommit | null> {
  if (!OID.test(id)) return null;
  const file = await readFile(join(gitDir, 'objects', id.slice(0, 2), id.slice(2))).catch(
    () => null,
  );
  if (file === null) return null;
  const [, time] =
    /\ncommitter [^\n]* (\d+) [-+]\d{4}\n/.exec(inflateSync(file).toString('latin1')) ?? [];
  return time === undefined ? null : { id, time: Number(time) };
}

/** The refs below some names, sorted, as `OID REF `. */
export async function listLooseRefs(
  repository: string,
  names: readonly string[],
): Promise<string | null> {
  const gitDir = await findGitDir(repository);
  if (gitDir === null) return null;
  const isBelow = (ref: string): boolean =>
    names.some((name) => ref === name || ref.startsWith(`${name}/`));
  const refs = new Map([...(await readPackedRefs(gitDir))].filter(([ref]) => isBelow(ref)));
  for (const ref of await listFiles(gitDir, 'refs')) {
    if (!isBelow(ref)) continue;
    const id = (await readFile(join(gitDir, ref), 'utf8')).trimEnd();
    if (!OID.test(id)) return null;
    refs.set(ref, id);
  }
  return [...refs.keys()]
    .toSorted()
    .map((ref) => `${refs.get(ref)} ${ref} `)
    .join('\n');
}

/** gitrepository-layout(5): `OID REF`, and lines that begin with `#` or `^`. */
async function readPackedRefs(gitDir: string): Promise<Map<string, string>> {
  const text = await readFile(join(gitDir, 'packed-refs'), 'utf8').catch(() => '');
  const lines = text.matchAll(/^([0-9a-f]+) (.+)$/gm);
  return new Map(Array.from(lines, ([, id = '', ref = '']) => [ref, id]));
}

async function listFiles(gitDir: string, name: string): Promise<string[]> {
  const entries = await readdir(join(gitDir, name), { withFileTypes: true, recursive: true });
  return entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(gitDir.length + 1));
}

/** null where refs are not all in files here. */
async function findGitDir(repository: string): Promise<string | null> {
  const inside = await stat(join(repository, '.git')).catch(() => null);
  if (inside !== null && !inside.isDirectory()) return null;
  const gitDir = inside === null ? repository : join(repository, '.git');
  for (const name of ['reftable', 'commondir']) {
    if ((await stat(join(gitDir, name)).catch(() => null)) !== null) return null;
  }
  return gitDir;
}
