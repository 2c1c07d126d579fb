import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, realpath, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { loadConfig, type LoadedConfig, type LoadOptions } from '../../src/config-file.ts';
import { ConfigError } from '../../src/config-problem.ts';

/** A temporary folder with repositories and configuration files in it. */
export interface ConfigFolder extends AsyncDisposable {
  readonly path: string;
  /** Makes a repository with the real git. */
  init(name: string, ...options: string[]): string;
  write(name: string, content: string | Uint8Array): Promise<string>;
  /** Loads with an environment that has nothing but HOME. */
  load(options?: Partial<LoadOptions>): Promise<LoadedConfig>;
  /** The lines of the error that loading must end with. */
  mistakes(options?: Partial<LoadOptions>): Promise<string[]>;
}

export async function createConfigFolder(): Promise<ConfigFolder> {
  const path = await realpath(await mkdtemp(join(tmpdir(), 'gitagent-config-')));
  const load = (options: Partial<LoadOptions> = {}) =>
    loadConfig({ env: { HOME: path }, cwd: path, ...options });
  return {
    path,
    init(name, ...options) {
      const env = {
        PATH: process.env['PATH'],
        HOME: path,
        GIT_CONFIG_GLOBAL: '/dev/null',
        GIT_CONFIG_SYSTEM: '/dev/null',
      };
      execFileSync('git', ['init', '--quiet', ...options, join(path, name)], {
        env,
        stdio: 'pipe',
      });
      return join(path, name);
    },
    async write(name, content) {
      await mkdir(dirname(join(path, name)), { recursive: true });
      await writeFile(join(path, name), content);
      return join(path, name);
    },
    load,
    async mistakes(options) {
      const error: unknown = await load(options).then(
        () => null,
        (reason: unknown) => reason,
      );
      assert.ok(error instanceof ConfigError, `expected a ConfigError, got ${String(error)}`);
      assert.equal(error.code, 'BAD_USER_INPUT');
      return error.message.split('\n');
    },
    async [Symbol.asyncDispose]() {
      await rm(path, { recursive: true });
    },
  };
}
