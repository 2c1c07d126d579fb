/** A server with the handler in it, and a folder of repositories that it serves. */
import assert from 'node:assert/strict';
import { readdir, readlink } from 'node:fs/promises';
import { join } from 'node:path';
import {
  createGitHttpHandler,
  type GitHttpHandler,
  type GitHttpOptions,
} from '../../src/git-http/index.ts';
import { createGit } from '../../src/git/git.ts';
import { until } from '../support/deadline.ts';
import { createFixture, exists, GIT_ENVIRONMENT, type Fixture } from '../support/git-fixture.ts';
import { plain, type Mount } from './mount.ts';

export interface GitScene extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly handler: GitHttpHandler;
  /** Where the server stands: `${url}/NAME.git`. */
  readonly url: string;
  /** The folder of a repository that is served, whether or not it exists yet. */
  path(name: string): string;
  /** What the handler told its owner. A test that expects some takes them out. */
  readonly errors: unknown[];
}

export interface SceneOptions extends Partial<GitHttpOptions> {
  readonly mount?: Mount;
  /** For all repositories. Default: false. */
  readonly hooks?: boolean;
  /** The handler's own environment, from which git gets what the allow list lets through. */
  readonly host?: Readonly<Record<string, string>>;
}

export async function createGitScene(options: SceneOptions = {}): Promise<GitScene> {
  const { mount = plain, hooks = false, host = {}, ...rest } = options;
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await createFixture());
  const path = (name: string): string => fixture.path('served', name);
  const errors: unknown[] = [];
  const handler = createGitHttpHandler({
    resolve: async ({ name }) =>
      name !== '' && (await exists(path(name))) ? { path: path(name), hooks } : null,
    authorize: () => ({ kind: 'allow' }),
    prefix: mount.prefix,
    git: createGit({
      host: { PATH: GIT_ENVIRONMENT['PATH'] ?? '', HOME: fixture.path('home'), ...host },
      maxChildren: 4,
    }),
    onError: (error) => void errors.push(error),
    ...rest,
  });
  const mounted = await mount.listen(handler);
  stack.defer(async () => {
    await handler.close();
    await mounted.close();
    assert.deepEqual(errors, [], 'nothing went wrong on our side that the test did not expect');
    await until(async () => (await childrenIn(fixture.dir)).length === 0, 'no child is left');
  });
  const kept = stack.move();
  return {
    fixture,
    handler,
    url: mounted.url,
    path,
    errors,
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
    },
  };
}

/** The ids of processes that work in a folder (Linux; elsewhere none). */
export async function childrenIn(dir: string): Promise<string[]> {
  const pids = (await readdir('/proc').catch(() => [])).filter((name) => /^\d+$/.test(name));
  const folders = await Promise.all(
    pids.map(async (pid) => await readlink(join('/proc', pid, 'cwd')).catch(() => '')),
  );
  return pids.filter((_, index) => folders[index]?.startsWith(dir));
}
