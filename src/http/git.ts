import type { Authenticator, Caller } from '../auth/caller.ts';
import type { Config } from '../config.ts';
import { AppError } from '../error.ts';
import { readHead } from '../git/head.ts';
import { describeMove } from '../git/settle-move.ts';
import type { Repository } from '../git/repository.ts';
import {
  createGitHttpHandler,
  type Access,
  type Decision,
  type GitHttpHandler,
  type LandOptions,
  type Push,
  type RefUpdate,
} from '../git-http/index.ts';
import type { ServedRepository } from '../jobs/repositories.ts';
import type { Services } from '../schema/context.ts';
import type { GitBase } from './git-base.ts';

/** What of the configuration says how git is served. */
export type GitServingConfig = Pick<Config, 'gitHttp' | 'realm' | 'accessfile'>;

/**
 * Serves git: every configured repository at `/NAME.git` and `/NAME`, and every one below `git_base`. A
 * push that changes a working tree is a job like any other; `onLanded` is told of those into
 * configured repositories that do not.
 */
export function createGitRoutes(
  services: Services,
  authenticator: Authenticator,
  gitBase: GitBase | null,
  config: GitServingConfig,
  onBug: (error: unknown) => string,
  onLanded: (repository: Repository) => void = () => undefined,
): GitHttpHandler {
  const { repositories, git } = services;
  const { hooks, dumb, write } = config.gitHttp;
  const read = gitReaders(config);
  const byPath = new Map(repositories.list().map((served) => [served.repository.path, served]));

  function findConfigured(name: string): ServedRepository | undefined {
    const all = repositories.list();
    const named = (wanted: string): ServedRepository | undefined =>
      all.find((served) => served.name === wanted);
    return named(name) ?? named(name.replace(/\.git$/, ''));
  }

  function mayRead(caller: Caller): boolean {
    return read === 'anyone' || (read === 'scope' && caller.scopes.includes('read'));
  }

  function mayPush(caller: Caller, name: string): boolean {
    if (write === 'nobody') return false;
    return caller.scopes.includes('push') || caller.mayPush?.(name) === true;
  }

  function authorize({ request, name, service }: Access): Decision {
    const challenge: Decision = {
      kind: 'challenge',
      realm: config.realm,
      message: 'Authorization needed to access this repository',
    };
    let caller: Caller;
    try {
      caller = authenticator.authenticate({ authorization: request.headers.authorization });
    } catch (error) {
      if (error instanceof AppError && error.code === 'UNAUTHENTICATED') return challenge;
      throw error;
    }
    const isAllowed = service === 'git-upload-pack' ? mayRead(caller) : mayPush(caller, name);
    if (isAllowed) {
      return caller.name === 'anonymous'
        ? { kind: 'allow' }
        : { kind: 'allow', caller: caller.name };
    }
    const isClosed = service === 'git-upload-pack' ? read === 'nobody' : write === 'nobody';
    if (caller.name === 'anonymous' && !isClosed) return challenge;
    const what = service === 'git-upload-pack' ? 'read' : 'push to';
    return { kind: 'deny', message: `${caller.name} may not ${what} this repository` };
  }

  return createGitHttpHandler({
    git,
    dumb,
    authorize,
    onError: onBug,
    async resolve({ name }) {
      const path = findConfigured(name)?.repository.path ?? (await gitBase?.find(name));
      return path == null ? null : { path, hooks, ...(hooks ? {} : { config: WITHOUT_PROGRAMS }) };
    },
    async onPush(push, land) {
      const served = byPath.get(push.repository.path);
      if (served === undefined || !hooks || !(await changesWorkingTree(services, served, push))) {
        await land();
        if (served !== undefined) onLanded(served.repository);
        return;
      }
      await landAsJob(services, served, push, land);
    },
  });
}

/** An update of the working tree runs the filters that the repository's configuration names. */
const WITHOUT_PROGRAMS = [['receive.denyCurrentBranch', 'refuse']] as const;

/** Who may clone: what the configuration says, or GitTornado's rule where there is an access file. */
export function gitReaders({
  gitHttp,
  accessfile,
}: Pick<GitServingConfig, 'gitHttp' | 'accessfile'>): 'anyone' | 'scope' | 'nobody' {
  return gitHttp.read ?? (accessfile === undefined ? 'scope' : 'anyone');
}

/** Whether git will update the working tree: a push to the checked-out branch, where that is allowed so. */
async function changesWorkingTree(
  { git }: Services,
  { repository }: ServedRepository,
  { updates }: Push,
): Promise<boolean> {
  if (repository.workTree === null) return false;
  const signal = new AbortController().signal;
  const { branch } = await readHead(git, repository, signal);
  if (!updates.some(({ name }) => name === `refs/heads/${branch}`)) return false;
  const { stdout } = await git.run(repository, ['config', '--get', 'receive.denyCurrentBranch'], {
    intent: 'status',
    signal,
    exitCodes: [0, 1],
  });
  return stdout.toString('utf8').trim().toLowerCase() === 'updateinstead';
}

/** Waits for the repository's lock, for git's clients do not try again, and lands the push under it. */
async function landAsJob(
  { jobs, git }: Services,
  { name, repository }: ServedRepository,
  push: Push,
  land: (options?: LandOptions) => Promise<readonly RefUpdate[]>,
): Promise<void> {
  const [update] = push.updates;
  const job = jobs.submit(
    {
      repo: name,
      kind: 'PUSH',
      caller: push.caller ?? 'anonymous',
      trigger: 'git',
      branch: update?.name.replace(/^refs\/heads\//, '') ?? null,
      hash: null,
      strategy: null,
      command: null,
    },
    'WAIT',
    async ({ update: tell, note, output, signal }) => {
      const head = await readHead(git, repository, signal);
      tell({ before: head.oid });
      const moved = push.updates.find((each) => each.name === `refs/heads/${head.branch}`);
      const to = moved?.afterOid ?? null;
      // git updates the working tree first, then the ref.
      const move =
        to === null ? null : await describeMove({ git, repository, signal }, { kind: 'push', to });
      note({ stage: 'PUSH', move, origin: head });
      let printed: Promise<void> = Promise.resolve();
      const landed = await land({
        signal,
        onOutput(bytes) {
          printed = printed.then(async () => {
            await output.append(bytes);
          });
          printed.catch(() => undefined); // Awaited below.
        },
      });
      await printed;
      tell({ after: (await readHead(git, repository, signal)).oid });
      const refused = push.updates.filter((each) => !landed.includes(each));
      if (refused.length === 0) return;
      const names = refused.map((each) => each.name).join(', ');
      throw new AppError('CONFLICT', `git refused ${names}, and told the pusher why`);
    },
  );
  const gone = new AbortController();
  const leave = (): void => {
    gone.abort();
    // While it waits nothing has been touched; once it runs, the handler ends git itself.
    if (jobs.find(job.id)?.state === 'QUEUED') jobs.cancel(job.id);
  };
  push.request.socket.once('close', leave);
  try {
    const done = await jobs.wait(job.id, gone.signal).catch((error: unknown) => {
      if (gone.signal.aborted) throw new AppError('CANCELLED', 'the client has gone');
      throw error;
    });
    if (done.error !== null) throw new AppError('CONFLICT', done.error.message);
  } finally {
    push.request.socket.off('close', leave);
  }
}
