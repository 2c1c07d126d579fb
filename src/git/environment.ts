import { delimiter, dirname, isAbsolute } from 'node:path';
import type { Repository } from './repository.ts';

/**
 * What a git child is started for. It decides whose configuration it obeys.
 *
 * - `read`: objects and refs. Only the repository's own configuration is read, hooks and fsmonitor
 *   programs that it names never run, and no transport is allowed, not even a partial clone's lazy fetch.
 * - `status`: the same, but with the user's configuration on purpose: `core.excludesFile` and
 *   `core.autocrlf` decide what is untracked or modified, and the answer must be what the person sees
 *   who types `git status` there.
 * - `operate`: fetch, checkout, merge in a working copy. They need the user's credentials, identity
 *   and hooks, as if the user had typed them.
 * - `receive`: a push arrives over the network. The user's configuration is read, for a filter or an
 *   identity may be named there that an update of the working tree needs; nothing that the repository
 *   names runs, and no transport is allowed. Where its owner allows its hooks, a push is an `operate`.
 */
export type GitIntent = 'read' | 'status' | 'operate' | 'receive';

/** Entries in order: of two with the same key git takes the last, or both where it keeps a list. */
export type GitConfig = readonly (readonly [key: string, value: string])[];

/** A child's environment: only what is named here reaches git, whatever the agent was started with. */
const PASSED_ON = new Set([
  'PATH', 'HOME', 'USER', 'LOGNAME', 'TMPDIR', 'TZ', 'XDG_CONFIG_HOME',
  // Windows cannot start a program without these.
  'SYSTEMROOT', 'SystemRoot', 'PATHEXT', 'TEMP', 'TMP', 'USERPROFILE',
]); // prettier-ignore

/** Also needed where git talks to a remote: agents for keys, certificates, proxies. */
const PASSED_ON_TO_OPERATE = new Set([
  'SSH_AUTH_SOCK', 'SSH_AGENT_PID', 'GIT_SSH_COMMAND', 'GIT_SSH', 'GIT_SSL_CAINFO', 'GIT_SSL_CAPATH', 'SSL_CERT_FILE', 'SSL_CERT_DIR',
  'http_proxy', 'https_proxy', 'no_proxy', 'all_proxy', 'HTTP_PROXY', 'HTTPS_PROXY', 'NO_PROXY', 'ALL_PROXY',
]); // prettier-ignore

/**
 * Builds the environment of every git child: the one place where a repository is kept from running
 * code (FIELD.md, section 3) and from making git ask a question that nobody can answer.
 */
export function gitEnvironment(
  host: Readonly<Record<string, string | undefined>>,
  repository: Repository,
  intent: GitIntent,
  sshCommand?: string,
): Record<string, string> {
  const env: Record<string, string> = {};
  for (const [name, value] of Object.entries(host)) {
    if (value === undefined) continue;
    if (PASSED_ON.has(name) || (intent === 'operate' && PASSED_ON_TO_OPERATE.has(name))) {
      env[name] = value;
    }
  }
  // An empty or relative folder would be one of the repository, whose files others write.
  const folders = (env['PATH'] ?? '').split(delimiter).filter(isAbsolute);
  if (folders.length > 0) env['PATH'] = folders.join(delimiter);
  else delete env['PATH'];
  // Messages and --porcelain output must not depend on the host's language.
  env['LC_ALL'] = 'C';
  env['GIT_TERMINAL_PROMPT'] = '0';
  // A working copy whose .git vanished must fail, not act on the repository that surrounds it.
  const above = dirname(repository.path);
  env['GIT_CEILING_DIRECTORIES'] = above;
  if (intent === 'operate') {
    // That is a list, so a folder with a `:` cannot be in it. Elsewhere GIT_DIR is left to git's
    // discovery, for hooks inherit it and take it for that of every repository they visit.
    if (above.includes(delimiter)) nameRepository(env, repository);
    // ext:: and fd:: run a program; a repository's own .git/config can allow them, this overrides it.
    env['GIT_ALLOW_PROTOCOL'] = 'file:git:http:https:ssh';
    // No editor can be answered: a merge takes the message as it is.
    env['GIT_EDITOR'] = ':';
    // Nor can a password or host-key question: ssh asks this program instead of a terminal, and it says no.
    env['SSH_ASKPASS'] = 'false';
    env['SSH_ASKPASS_REQUIRE'] = 'force';
    // Unset unless configured, so that the user's own core.sshCommand keeps its say.
    if (sshCommand !== undefined) env['GIT_SSH_COMMAND'] = sshCommand;
  } else if (intent === 'receive') {
    // receive-pack is told the repository as an argument, and sets GIT_DIR itself.
    env['GIT_ALLOW_PROTOCOL'] = 'none';
    env['GIT_NO_LAZY_FETCH'] = '1';
  } else {
    env['GIT_ALLOW_PROTOCOL'] = 'none';
    env['GIT_NO_LAZY_FETCH'] = '1';
    env['GIT_NO_REPLACE_OBJECTS'] = '1';
    // Nor grafts, the older way to replace a commit's parents: a commit is what its object says. The
    // path cannot exist, and git is silent about a file that does not.
    env['GIT_GRAFT_FILE'] = '/dev/null/none';
    // git-status(1), "background refresh": a reader must not hold the index lock.
    env['GIT_OPTIONAL_LOCKS'] = '0';
    // Discovery could find another repository, and `safe.bareRepository=explicit` forbids it for bare ones.
    nameRepository(env, repository);
    // Paths that git is given are paths, whatever characters they contain.
    env['GIT_LITERAL_PATHSPECS'] = '1';
    // Who wrote what the agent commits on its own account: the snapshots below refs/gitagent/saved.
    for (const role of ['AUTHOR', 'COMMITTER']) {
      env[`GIT_${role}_NAME`] = 'GitAgent';
      env[`GIT_${role}_EMAIL`] = 'gitagent@localhost';
    }
  }
  if (intent === 'read') {
    env['GIT_CONFIG_NOSYSTEM'] = '1';
    env['GIT_CONFIG_GLOBAL'] = '/dev/null';
  }
  return { ...env, ...configVariables(configOf(repository, intent)) };
}

function nameRepository(env: Record<string, string>, repository: Repository): void {
  env['GIT_DIR'] = repository.gitDir;
  if (repository.workTree !== null) env['GIT_WORK_TREE'] = repository.workTree;
}

function configOf(repository: Repository, intent: GitIntent): [key: string, value: string][] {
  const config: [string, string][] = [
    // Exactly this repository, and never `*`. Ordinary commands compare the working tree,
    // upload-pack and receive-pack the git directory.
    ...[...new Set([repository.path, repository.gitDir, repository.commonDir])].map(
      (dir): [string, string] => ['safe.directory', dir],
    ),
    // A program that .git/config may name, and that even `git status` would run.
    ['core.fsmonitor', 'false'],
    ['safe.bareRepository', 'explicit'],
    // CVE-2024-32002, CVE-2025-48384: submodules are fetched when somebody asks for them.
    ['fetch.recurseSubmodules', 'no'],
    // And theirs is what they have checked out: a user's `submodule.recurse` would reset that too.
    ['submodule.recurse', 'false'],
    // CVE-2025-48385: a server must not say where the client writes.
    ['transfer.bundleURI', 'false'],
  ];
  if (intent === 'operate' || intent === 'receive') {
    // Housekeeping must end with the job that started it, under its lock, not live on as a daemon.
    config.push(['gc.autoDetach', 'false'], ['maintenance.autoDetach', 'false']);
  }
  if (intent !== 'operate') {
    config.push(['core.hooksPath', '/dev/null'], ['log.showSignature', 'false']);
    // A file that git reads into memory before it compares anything; it need not have an end.
    config.push(['diff.orderFile', '/dev/null']);
  }
  if (intent === 'read') {
    // As endless. A status needs it, and obeys the repository's owner.
    config.push(['core.attributesFile', '/dev/null']);
  }
  if (intent === 'receive') {
    // A program that lists the refs of a borrowed object database; `#` hides the path git appends.
    config.push(['core.alternateRefsCommand', 'exit 0 #']);
  }
  return config;
}

/**
 * Configuration at command scope, which safe.directory accepts and every git program obeys (`-c` reaches
 * only `git`).
 * @param first how many entries there are already
 */
export function configVariables(config: GitConfig, first = 0): Record<string, string> {
  const env: Record<string, string> = { GIT_CONFIG_COUNT: String(first + config.length) };
  for (const [index, [key, value]] of config.entries()) {
    env[`GIT_CONFIG_KEY_${first + index}`] = key;
    env[`GIT_CONFIG_VALUE_${first + index}`] = value;
  }
  return env;
}
