/** The agent's own way to git, as a test opens it: with a user of its own, so that merges have an author. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createGit, type Git } from '../../src/git/git.ts';
import { GIT_ENVIRONMENT, type Fixture } from './git-fixture.ts';

/** A signal that is never aborted. */
export const untilDone: AbortSignal = new AbortController().signal;

/** A user's ~/.gitconfig: an identity, and no housekeeping after each fetch of a repository this small. */
export const USER_CONFIG =
  '[user]\n\tname = Grace\n\temail = grace@example.com\n[maintenance]\n\tauto = false\n';

export interface Door {
  readonly git: Git;
  /** What `createGit` was given; HOME is a folder in the fixture. */
  readonly host: Readonly<Record<string, string>>;
}

/** Opens the door with a HOME that has an identity, and whatever `host` adds. */
export async function openDoor(
  fixture: Fixture,
  options: {
    readonly host?: Readonly<Record<string, string>>;
    readonly maxChildren?: number;
    /** Lines for `~/.gitconfig`. */
    readonly config?: string;
  } = {},
): Promise<Door> {
  const home = fixture.path('home');
  await mkdir(home, { recursive: true });
  await writeFile(`${home}/.gitconfig`, USER_CONFIG + (options.config ?? ''));
  const host = { PATH: GIT_ENVIRONMENT['PATH'] ?? '', HOME: home, ...options.host };
  return { git: createGit({ host, maxChildren: options.maxChildren ?? 4 }), host };
}
