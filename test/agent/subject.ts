/** A repository that is compared, and what git knows of all its objects. */
import type { Random } from '../git/random-history.ts';
import type { Explorer } from './explorer.ts';
import { readCommits, readObjects, type StoredObject } from './git-answer.ts';
import { pick } from './odd-history.ts';
import type { OddRepository } from './odd-repository.ts';

export interface Subject {
  readonly explorer: Explorer;
  readonly repo: OddRepository;
  readonly random: Random;
  readonly objects: ReadonlyMap<string, StoredObject>;
  readonly commits: Awaited<ReturnType<typeof readCommits>>;
  /** The commits to be asked about: the odd ones, and others at random. */
  readonly sample: readonly string[];
}

export async function readSubject(
  explorer: Explorer,
  repo: OddRepository,
  random: Random,
): Promise<Subject> {
  const objects = await readObjects(repo.oracle);
  const commits = await readCommits(repo.oracle, objects);
  const odd = [...repo.landmarks, ...repo.signed, ...repo.odd].filter((id) => commits.has(id));
  const sample = [...new Set([...odd, ...draw([...commits.keys()], 8, random)])];
  return { explorer, repo, random, objects, commits, sample };
}

/** Some of a list, the same one perhaps twice; none of an empty one. */
export function draw<T>(list: readonly T[], count: number, random: Random): T[] {
  return Array.from({ length: list.length === 0 ? 0 : count }, () => pick(list, random));
}

/** The field of a `Repo` that finds an object. */
export function byOid(oid: string): string {
  return `object(oid: "${oid}")`;
}

export function base64(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('base64');
}

export const ACTOR = '{ name email date timezone }';
