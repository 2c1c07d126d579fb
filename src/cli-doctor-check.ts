import { once } from 'node:events';
import { access, constants, stat } from 'node:fs/promises';
import { createServer } from 'node:net';
import { dirname } from 'node:path';
import type { Config, RepoConfig } from './config.ts';
import { createGit, type Git } from './git/git.ts';
import { openRepository, type Repository } from './git/repository.ts';

/** Something that was looked at. */
export interface Finding {
  /** `odd` keeps nothing from working that was asked for. */
  readonly verdict: 'ok' | 'odd' | 'bad';
  readonly what: string;
  /** What to do; null when nothing is to be done, or `what` says it. */
  readonly advice: string | null;
}

const OLDEST_GIT = [2, 38] as const;
const PATIENCE_MS = 10_000;

/** Looks at git, the repositories, the state folder and the port. Changes nothing. */
export async function checkMachine(
  config: Config,
  host: Readonly<Record<string, string>>,
): Promise<Finding[]> {
  const git = createGit({ host, maxChildren: 1 });
  const findings = [await checkGit(git, config)];
  const works = findings[0]?.verdict !== 'bad';
  for (const repo of config.repos) {
    findings.push(...(await checkRepository(repo, works ? git : null)));
  }
  findings.push(await checkStateDir(config.stateDir), await checkPort(config));
  return findings;
}

async function checkGit(git: Git, config: Config): Promise<Finding> {
  // `git --version` looks at no repository; the door wants to know one.
  const path = config.file === null ? process.cwd() : dirname(config.file);
  const nowhere = { path, gitDir: path, commonDir: path, workTree: null };
  const text = await runGit(git, nowhere, ['--version']);
  if (text instanceof Error) {
    return bad('git cannot be started', 'install it, or put its folder into PATH');
  }
  const [, major = 0, minor = 0] = (/(\d+)\.(\d+)/.exec(text) ?? []).map(Number);
  const isNew = major > OLDEST_GIT[0] || (major === OLDEST_GIT[0] && minor >= OLDEST_GIT[1]);
  return isNew
    ? ok(text.trim())
    : bad(`${text.trim()} is too old`, `install ${OLDEST_GIT.join('.')} or newer`);
}

async function checkRepository({ name, path }: RepoConfig, git: Git | null): Promise<Finding[]> {
  let repository: Repository;
  try {
    repository = await openRepository(path);
  } catch (error) {
    return [bad(`${name}: ${messageOf(error)}`, 'correct repo_path, or clone it there')];
  }
  const folders = [...new Set([repository.workTree ?? repository.gitDir, repository.gitDir, repository.commonDir])]; // prettier-ignore
  const findings: Finding[] = [];
  for (const folder of folders) {
    const { uid } = await stat(folder);
    const mine = process.getuid?.() ?? uid;
    if (uid !== mine) {
      findings.push(
        odd(
          `${name}: ${folder} belongs to user ${uid}, and this is user ${mine}`,
          `run the agent as that user; or, for commands that use git, "git config --global --add safe.directory ${repository.path}"`,
        ),
      );
    }
    if (!(await isWritable(folder))) {
      findings.push(
        bad(
          `${name}: ${folder} cannot be written to, so it can be read but not pulled`,
          'run the agent as its owner, or give this user the right',
        ),
      );
    }
  }
  const answer = git === null ? '' : await runGit(git, repository, ['rev-parse', '--git-dir']);
  if (answer instanceof Error) {
    findings.push(bad(`${name}: git refuses it: ${answer.message}`, 'see what "git status" says there')); // prettier-ignore
  }
  return findings.length > 0 ? findings : [ok(`${name}: ${path}`)];
}

async function checkStateDir(stateDir: string): Promise<Finding> {
  let folder = stateDir;
  while (folder !== dirname(folder) && (await stat(folder).catch(() => null)) === null) {
    folder = dirname(folder);
  }
  const isFolder = (await stat(folder).catch(() => null))?.isDirectory() === true;
  if (isFolder && (await isWritable(folder))) return ok(`state_dir: ${stateDir}`);
  return bad(
    `state_dir: ${folder} is no folder that can be written to`,
    'name another with state_dir or GITAGENT_STATE_DIR, or give this user the right',
  );
}

async function checkPort({ bindIp, port }: Config): Promise<Finding> {
  const address = `${bindIp}:${port}`;
  const server = createServer();
  try {
    server.listen(port, bindIp);
    await once(server, 'listening');
    return ok(`port: ${address} is free`);
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? String(error.code) : '';
    if (code === 'EACCES') return bad(`port: ${address} is not for this user`, 'take one above 1023'); // prettier-ignore
    if (code !== 'EADDRINUSE') return bad(`port: nobody can listen on ${address} (${code})`, 'correct bind_ip'); // prettier-ignore
    return (await isAgent(address))
      ? odd(`port: an agent listens on ${address} already`, null)
      : bad(`port: something else listens on ${address}`, 'end it, or take another port');
  } finally {
    server.close();
  }
}

async function isAgent(address: string): Promise<boolean> {
  try {
    const signal = AbortSignal.timeout(2000);
    const response = await fetch(`http://${address}/livez`, { signal });
    return response.headers.get('server') === 'GitAgent';
  } catch {
    return false;
  }
}

async function runGit(
  git: Git,
  repository: Repository,
  args: readonly string[],
): Promise<string | Error> {
  try {
    const signal = AbortSignal.timeout(PATIENCE_MS);
    const { stdout } = await git.run(repository, args, { intent: 'status', signal });
    return stdout.toString();
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error));
  }
}

async function isWritable(folder: string): Promise<boolean> {
  return access(folder, constants.W_OK).then(
    () => true,
    () => false,
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

function ok(what: string): Finding {
  return { verdict: 'ok', what, advice: null };
}

function odd(what: string, advice: string | null): Finding {
  return { verdict: 'odd', what, advice };
}

function bad(what: string, advice: string): Finding {
  return { verdict: 'bad', what, advice };
}
