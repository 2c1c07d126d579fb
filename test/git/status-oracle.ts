/** What git itself says of a working copy, in the other format, to compare our reading with. */
import assert from 'node:assert/strict';
import { readHead } from '../../src/git/head.ts';
import type { GitPath } from '../../src/git/git-path.ts';
import { openRepository } from '../../src/git/repository.ts';
import { readStatus, type Status } from '../../src/git/status.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { runGit, type Fixture } from '../support/git-fixture.ts';

/** A path's bytes, one character each. */
export function bytesOf(path: GitPath): string {
  return (path.raw ?? Buffer.from(path.text)).toString('latin1');
}

/** `XY PATH` or `XY PATH <- PREVIOUS`, a character for each byte, from our reading. */
export function linesOf(status: Status): string[] {
  const tracked = status.entries.map((entry) => {
    const from = entry.previousPath === undefined ? '' : ` <- ${bytesOf(entry.previousPath)}`;
    return `${entry.index}${entry.workTree} ${bytesOf(entry.path)}${from}`;
  });
  return [...tracked, ...status.untracked.map((path) => `?? ${bytesOf(path)}`)];
}

/** The same from `git status --porcelain=v1 -z`, which says a space for our dot. */
async function linesOfGit(dir: string): Promise<string[]> {
  const printed = await runGit(dir, ['status', '--porcelain=v1', '-z', '-uall', '--find-renames']);
  const fields = printed.toString('latin1').split('\0').slice(0, -1).values();
  return Array.from(fields, (field) => {
    const letters = field.slice(0, 2).replaceAll(' ', '.');
    const from = /[RC]/.test(letters) ? ` <- ${fields.next().value ?? ''}` : '';
    return `${letters} ${field.slice(3)}${from}`;
  });
}

/**
 * Reads a working copy through the door and asserts that files, branch and commit are what git says.
 * @returns our reading
 */
export async function readAsGitDoes(fixture: Fixture, dir: string): Promise<Status> {
  const { git: door } = await openDoor(fixture);
  const repository = await openRepository(dir);
  const status = await readStatus(door, repository, untilDone);
  assert.deepEqual(linesOf(status), await linesOfGit(dir));
  const head = await readHead(door, repository, untilDone);
  assert.deepEqual(head, await headOfGit(dir));
  assert.deepEqual({ branch: status.branch, oid: status.head }, head);
  return status;
}

/** HEAD from `symbolic-ref` and `rev-parse`. */
export async function headOfGit(
  dir: string,
): Promise<{ branch: string | null; oid: string | null }> {
  const ref = await runGit(dir, ['symbolic-ref', '--quiet', 'HEAD'], { exitCodes: [1] });
  const commit = await runGit(dir, ['rev-parse', '--quiet', '--verify', 'HEAD'], {
    exitCodes: [1],
  });
  return {
    branch: /^refs\/heads\/(.*)\n$/.exec(ref.toString())?.[1] ?? null,
    oid: commit.toString().trim() || null,
  };
}
