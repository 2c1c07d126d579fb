import { join } from 'node:path';
import type { CatFileAnswer, CatFileRequest } from './cat-file-answer.ts';
import type { CatFilePool } from './cat-file-pool.ts';
import { isFullId } from './object-cache.ts';
import { readObject } from './object-file.ts';
import type { Stamp } from './object-stamp.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/** Reads what is not remembered: a few objects without a child where none runs yet, all others through one. */
export interface ObjectSource {
  /** The answers come in the order of the requests. @throws AppError, GitCommandError as `CatFilePool.ask` */
  read(
    repository: Repository,
    requests: readonly CatFileRequest[],
    stamp: Stamp,
  ): Promise<readonly (CatFileAnswer | Error)[]>;
}

/** So few objects are read without a child, where none runs yet: HEAD's commit of every repository, for one. */
const FEW = 4;
/** After so many a child pays, however few are asked at a time. */
const MAX_WITHOUT_CHILD = 16;
/** Larger ones are left to git. */
const MAX_BYTES_IN_PROCESS = 256 * 1024;

export function createObjectSource(pool: CatFilePool): ObjectSource {
  /** By git directory, how many were read since its last child. */
  const withoutChild = new Map<string, number>();
  return {
    async read(repository, requests, stamp) {
      const { gitDir } = repository;
      const before = withoutChild.get(gitDir) ?? 0;
      if (pool.isOpen(repository)) {
        withoutChild.delete(gitDir);
      } else if (
        requests.length <= FEW &&
        before < MAX_WITHOUT_CHILD &&
        requests.every(({ command, name }) => command === 'contents' && isFullId(name))
      ) {
        withoutChild.set(gitDir, before + requests.length);
        const found = await Promise.all(
          requests.map(async ({ name }) => await readInProcess(repository, name as Oid)),
        );
        const rest = requests.filter((_, index) => found[index] === null);
        const asked = await pool.ask(repository, rest, stamp);
        return found.map((each) => each ?? asked.shift() ?? new Error('git cat-file is silent'));
      }
      return await pool.ask(repository, requests, stamp);
    },
  };
}

async function readInProcess({ commonDir }: Repository, oid: Oid): Promise<CatFileAnswer | null> {
  const found = await readObject(join(commonDir, 'objects'), oid, {
    maxBytes: MAX_BYTES_IN_PROCESS,
  });
  if (found === null) return null;
  const { type, body } = found;
  return { kind: 'object', info: { oid, type, size: body.length }, body };
}
