/** The agent's own way to git, as a test opens it: with a user of its own, so that merges have an author. */
import { mkdir, writeFile } from 'node:fs/promises';
import { createGit, type Git } from '../../src/git/git.ts';
import { GIT_ENVIRONMENT, type Fixture } from './git-fixture.ts';

/** A signal that is never aborted. */
export const untilDone: AbortSignal = new AbortController().signal;

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
  const identity = '[user]\n\tname = Grace\n\temail = grace@example.com\n';
  await writeFile(`${home}/.gitconfig`, identity + (options.config ?? ''));
  const host = { PATH: GIT_ENVIRONMENT['PATH'] ?? '', HOME: home, ...options.host };
  return { git: createGit({ host, maxChildren: options.maxChildren ?? 4 }), host };
}
