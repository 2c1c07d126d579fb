import { readFile } from 'node:fs/promises';
import { userInfo } from 'node:os';
import { dirname, extname, isAbsolute, join, resolve } from 'node:path';
import {
  type CommandConfig,
  type Config,
  type ConfigSettings,
  configSchema,
  isLoopback,
  type RepoConfig,
} from './config.ts';
import {
  type ConfigFlags,
  type Environment,
  overlayEnvironment,
  overlayFlags,
} from './config-env.ts';
import { parseJson } from './config-json.ts';
import { describeIssue, problemsFromIssues } from './config-mistake.ts';
import type { ParsedConfig } from './config-object.ts';
import { ConfigError, type ConfigProblem, formatProblem } from './config-problem.ts';
import { discoverRepositories, inspectFolder, type FolderState } from './config-repo.ts';
import {
  type ConfigNode,
  findNode,
  keysInOrder,
  nodeOf,
  placeOfKey,
  placeOfValue,
  toPlain,
} from './config-tree.ts';
import { parseYaml } from './config-yaml.ts';

export interface LoadOptions {
  /** When left out: `config.json` in `cwd` if there is one, else the repositories in and around `cwd`. */
  readonly file?: string | undefined;
  readonly flags?: ConfigFlags;
  readonly env: Environment;
  readonly cwd: string;
}

export interface LoadedConfig {
  readonly config: Config;
  /** What is odd but not wrong, one line each, for the log. */
  readonly warnings: readonly string[];
}

/**
 * Reads, completes and checks the configuration. A flag goes before the environment, the
 * environment before the file, the file before the default. Throws ConfigError with all mistakes.
 */
export async function loadConfig({
  file,
  flags = {},
  env,
  cwd,
}: LoadOptions): Promise<LoadedConfig> {
  const source = await findSource(file, cwd, flags.gitBase);
  if (source.root === null) throw new ConfigError(source.problems);

  const overlay = await overlayEnvironment(source.root, env, cwd);
  const root = overlayFlags(overlay.root, flags, cwd);
  const folder = source.file === null ? cwd : dirname(source.file);
  const insecure = flags.insecure ?? false;

  const repositories = await checkRepositories(root, folder, env);
  const parsed = configSchema.safeParse(toPlain(root), { error: describeIssue });
  const problems = [
    ...source.problems,
    ...overlay.problems,
    ...(parsed.success ? [] : problemsFromIssues(parsed.error.issues, root)),
    ...repositories.problems,
    ...(insecure ? [] : checkExposure(root)),
  ];
  if (!parsed.success || problems.length > 0)
    throw new ConfigError(problems.filter(isFirstOfItsPlace));

  const { bind_ip, port, password, anonymous, state_dir, hosts, limits, timeouts } = parsed.data;
  const { git_base, accessfile, realm, git_http, maintenance } = parsed.data;
  const config: Config = {
    file: source.file,
    bindIp: bind_ip,
    port,
    ...(git_base !== undefined && { gitBase: resolvePath(git_base, folder, env) }),
    ...(accessfile !== undefined && { accessfile: resolvePath(accessfile, folder, env) }),
    realm,
    gitHttp: git_http,
    maintenance,
    ...(password !== undefined && { password }),
    ...(anonymous !== undefined && { anonymous }),
    stateDir: state_dir === undefined ? defaultStateDir(env) : resolvePath(state_dir, folder, env),
    hosts,
    limits,
    timeouts,
    retention: parsed.data.retention,
    insecure,
    repos: collectRepos(parsed.data, root, repositories.paths),
  };
  return { config, warnings: [...overlay.warnings, ...warnOfRetiredKeys(root)] };
}

/** A value is told one mistake at a time: what the parser could not read is not of the wrong type as well. */
function isFirstOfItsPlace(
  problem: ConfigProblem,
  index: number,
  all: readonly ConfigProblem[],
): boolean {
  const where = formatProblem({ ...problem, message: '' });
  return all.findIndex((other) => formatProblem({ ...other, message: '' }) === where) === index;
}

interface Source extends ParsedConfig {
  /** Absolute; null when there is no file. */
  readonly file: string | null;
}

/** @param gitBase of the command line: with it and without a file, nothing else is served */
async function findSource(
  given: string | undefined,
  cwd: string,
  gitBase: string | undefined,
): Promise<Source> {
  const file = resolve(cwd, given ?? 'config.json');
  const shown = given ?? 'config.json';
  const content = await readFile(file).catch((error: unknown) => error);
  if (content instanceof Uint8Array) return { file, ...parse(shown, content) };

  const code = content instanceof Error && 'code' in content ? content.code : undefined;
  const fail = (message: string): Source => ({
    file,
    root: null,
    problems: [{ place: { source: shown }, path: [], message }],
  });
  if (code === 'EISDIR') return fail('this is a folder; name the file in it');
  if (code !== 'ENOENT' && code !== 'ENOTDIR') {
    return fail(`the file cannot be read (${String(code)}); check its permissions`);
  }
  if (given !== undefined) {
    return fail(
      `there is no such file; correct the path, or make one with "gitagent write -c ${given}"`,
    );
  }

  const found = gitBase === undefined ? await discoverRepositories(cwd) : new Map<string, string>();
  if (found.size === 0 && gitBase === undefined) {
    const message =
      'there is no config.json here, and no git repository in or around this folder; go to a repository, ' +
      'name a config with "-c FILE", or make one with "gitagent write"';
    return { file: null, root: null, problems: [{ place: { source: cwd }, path: [], message }] };
  }
  const at = { source: cwd };
  const entries = [...found].map(
    ([name, path]) => [name, { keyAt: at, value: nodeOf({ repo_path: path }, at) }] as const,
  );
  const repo: ConfigNode = { kind: 'object', at, entries: new Map(entries) };
  const root: ConfigNode = {
    kind: 'object',
    at,
    entries: new Map([['repo', { keyAt: at, value: repo }]]),
  };
  return { file: null, root, problems: [] };
}

function parse(shown: string, content: Uint8Array): ParsedConfig {
  let text: string;
  try {
    // Also takes a byte order mark off.
    text = new TextDecoder('utf-8', { fatal: true }).decode(content);
  } catch {
    const message = 'the file is not UTF-8 text; save it as UTF-8';
    return { root: null, problems: [{ place: { source: shown }, path: [], message }] };
  }
  return /^\.ya?ml$/i.test(extname(shown)) ? parseYaml(shown, text) : parseJson(shown, text);
}

/** Looks at the folders of all repositories, also when the rest of the configuration has mistakes. */
async function checkRepositories(root: ConfigNode, folder: string, env: Environment) {
  const problems: ConfigProblem[] = [];
  const paths = new Map<string, string>();
  for (const name of keysInOrder(root, ['repo'])) {
    const path = ['repo', name, 'repo_path'];
    const node = findNode(root, path);
    if (
      node?.kind !== 'scalar' ||
      typeof node.value !== 'string' ||
      node.value === '' ||
      node.value.includes('\0')
    ) {
      continue;
    }
    const absolute = resolvePath(node.value, folder, env);
    const state = await inspectFolder(absolute);
    if (state.kind === 'repository') paths.set(name, state.path);
    else problems.push({ place: node.at, path, message: describeFolder(absolute, state) });
  }
  return { problems, paths };
}

function describeFolder(path: string, state: Exclude<FolderState, { kind: 'repository' }>): string {
  const shown = JSON.stringify(path);
  switch (state.kind) {
    case 'missing':
      return `there is no folder ${shown}; correct the path, or clone the repository to it`;
    case 'file':
      return `${shown} is a file; give the folder of a repository`;
    case 'unreadable':
      return `${shown} cannot be read; give the user that runs the agent access to it`;
    case 'inside':
      return `${shown} is a folder inside the repository ${JSON.stringify(state.top)}; use that`;
    case 'broken':
      return `${shown} has a .git file that names ${JSON.stringify(state.target)}, which is no repository; run "git worktree repair" in the main repository, or correct the file`;
    case 'plain':
      return `${shown} is not a git repository; correct the path, or run "git init" in it`;
  }
}

/** Keys that make callers show who they are. */
const credentialKeys = ['password', 'accessfile'];

/** An agent runs commands: one that the network reaches must ask who is there. */
function checkExposure(root: ConfigNode): ConfigProblem[] {
  const path = ['bind_ip'];
  const bindIp = findNode(root, path);
  if (bindIp?.kind !== 'scalar' || typeof bindIp.value !== 'string' || isLoopback(bindIp.value))
    return [];
  if (credentialKeys.some((key) => findNode(root, [key]) !== null)) return [];
  const message =
    `without a password everybody who reaches ${JSON.stringify(bindIp.value)} could change the repositories and run their commands; ` +
    'set "password" or "accessfile", or listen on 127.0.0.1, or accept it with --insecure';
  return [{ place: placeOfValue(root, path), path, message }];
}

function warnOfRetiredKeys(root: ConfigNode): string[] {
  return keysInOrder(root, ['repo'])
    .map((name) => ['repo', name, 'allow_pull'])
    .filter((path) => findNode(root, path) !== null)
    .map((path) =>
      formatProblem({
        place: placeOfKey(root, path),
        path,
        message: 'this key never had an effect; remove it',
      }),
    );
}

function collectRepos(
  settings: ConfigSettings,
  root: ConfigNode,
  paths: ReadonlyMap<string, string>,
): RepoConfig[] {
  return inOrder(settings.repo, root, ['repo']).map(([name, { repoPath, commands, ...rest }]) => ({
    name,
    path: paths.get(name) ?? repoPath,
    commands: new Map(
      inOrder(commands, root, ['repo', name, 'command']).map(
        ([command, body]): [string, CommandConfig] => [command, { name: command, ...body }],
      ),
    ),
    ...rest,
  }));
}

/** The entries of a record, in the order in which the file has them. */
function inOrder<Value>(
  record: Readonly<Record<string, Value>>,
  root: ConfigNode,
  path: readonly string[],
) {
  return keysInOrder(root, path).flatMap((key): [string, Value][] => {
    const value = record[key];
    return value === undefined ? [] : [[key, value]];
  });
}

function defaultStateDir(env: Environment): string {
  // systemd gives a list when a unit has several.
  const given = env['STATE_DIRECTORY']?.split(':')[0];
  if (given) return given;
  const xdg = env['XDG_STATE_HOME'];
  // The XDG specification says to ignore a relative path.
  return xdg && isAbsolute(xdg)
    ? join(xdg, 'gitagent')
    : join(homeFolder(env), '.local', 'state', 'gitagent');
}

/** As the original's library did: `~` and `$NAME` are known, what is not set stays as it is. */
function resolvePath(path: string, folder: string, env: Environment): string {
  const expanded = path
    .replace(/^~(?=\/|$)/, () => homeFolder(env))
    .replaceAll(
      /\$(?:(\w+)|\{([^}]*)\})/g,
      (all, plain?: string, braced?: string) => env[plain ?? braced ?? ''] ?? all,
    );
  return resolve(folder, expanded);
}

function homeFolder(env: Environment): string {
  return env['HOME'] || userInfo().homedir;
}
