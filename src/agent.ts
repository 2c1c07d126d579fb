import { randomUUID } from 'node:crypto';
import { readAccessFile } from './auth/access-file.ts';
import { createAuthenticator } from './auth/caller.ts';
import { isLoopback, type Config } from './config.ts';
import { createCommitGraphs } from './git/commit-graph.ts';
import { createGit } from './git/git.ts';
import { createHistoryReader } from './git/history.ts';
import { createObjectReader } from './git/object-reader.ts';
import { createGitRoutes, gitReaders } from './http/git.ts';
import { openGitBase } from './http/git-base.ts';
import { createHttpServer } from './http/server.ts';
import { openJournal } from './jobs/journal.ts';
import { createJobs } from './jobs/jobs.ts';
import { openPlanTokens } from './jobs/plan-token.ts';
import { createPlans } from './jobs/plans.ts';
import { createOutputLogs } from './jobs/output-log.ts';
import { createRetention } from './jobs/retention.ts';
import { recoverJobs } from './jobs/recovery.ts';
import { openRepositories } from './jobs/repositories.ts';
import type { Job } from './jobs/job.ts';
import { createLive } from './live/live.ts';
import type { Log } from './log.ts';
import type { Repository } from './git/repository.ts';

/** A running agent. */
export interface Agent {
  /** Where it listens, such as `http://127.0.0.1:10000`. */
  readonly url: string;
  /**
   * Stops it: no new work; running jobs end, or are ended after `timeouts.drain`; then the sockets are
   * closed. Calling it again changes nothing.
   */
  stop(): Promise<void>;
  /**
   * Tells what jobs have started to end, without waiting for it: for who ends the process now. The jobs
   * are INTERRUPTED when the next agent finds them.
   */
  abandon(): void;
}

export interface AgentDeps {
  readonly config: Config;
  /** The environment that git and configured commands may inherit. */
  readonly host: Readonly<Record<string, string>>;
  readonly log: Log;
}

/**
 * Builds everything from a configuration and starts it. Resolves once requests are answered.
 * @throws AppError NOT_FOUND (a repository, `git_base`), BAD_USER_INPUT (the access file), BUSY (the port, or the state folder)
 */
export async function startAgent({ config, host, log }: AgentDeps): Promise<Agent> {
  const onBug = (error: unknown, facts: object = {}): string => {
    const id = randomUUID();
    log.error({ err: error, id, ...facts }, 'internal error');
    return id;
  };
  const repositories = await openRepositories(config.repos);
  const gitBase = config.gitBase === undefined ? null : await openGitBase(config.gitBase);
  const accessFile =
    config.accessfile === undefined ? null : await readAccessFile(config.accessfile);
  const git = createGit({ host, maxChildren: config.limits.gitChildren });
  const historyBytes = config.limits.objectCacheBytes / 4;
  const histories = createHistoryReader({ git, cacheBytes: historyBytes });
  const objects = createObjectReader({
    git,
    maxChildren: config.limits.objectReaders,
    cacheBytes: config.limits.objectCacheBytes - historyBytes,
  });
  const journal = openJournal(config.stateDir);
  if (journal.brokenFile !== null) {
    log.error(
      { file: journal.brokenFile },
      'the journal could not be read: put aside, new one begun',
    );
  }
  const outputs = createOutputLogs(
    config.stateDir,
    config.limits.outputChunkBytes,
    config.limits.outputBytes,
  );
  const patience = {
    retries: config.limits.fetchRetries,
    firstDelayMs: config.timeouts.fetchRetrySeconds * 1000,
  };
  const onJobBug = (error: unknown, { id, repo }: Job): void => {
    onBug(error, { job: id, repo });
  };
  const common = { git, repositories, journal, outputs, onBug: onJobBug };
  await recoverJobs({
    ...common,
    killSeconds: config.timeouts.killSeconds,
    onRecovered: ({ id, repo, error }, steps) => {
      log.warn({ job: id, repo, steps }, `interrupted: ${error?.message}`);
    },
  });
  const jobs = createJobs({
    ...common,
    host,
    queueLimit: config.limits.queue,
    timeouts: config.timeouts,
    patience,
  });
  const tokens = openPlanTokens(config.stateDir);
  const plans = createPlans({ git, repositories, tokens, patience, timeouts: config.timeouts });
  const live = createLive({
    git,
    repositories,
    jobs,
    host,
    maxFolders: config.limits.watchedFolders,
    maxFoldersTotal: config.limits.watchedFoldersTotal,
    pollSeconds: config.timeouts.pollSeconds,
    idleSeconds: config.timeouts.watchIdleSeconds,
  });
  const services = { git, objects, histories, repositories, jobs, plans, live };
  const closing = new AbortController();
  const graphs = createCommitGraphs(git, closing.signal, (error) => {
    log.warn({ err: error }, 'a commit-graph could not be written');
  });
  const wantGraph = (repository: Repository): void => {
    if (config.maintenance.commitGraph) graphs.request(repository);
  };
  const authenticator = createAuthenticator(config, accessFile);
  const server = createHttpServer({
    services,
    authenticator,
    git: createGitRoutes(services, authenticator, gitBase, config, onBug, wantGraph),
    isGitOpen: isLoopback(config.bindIp) && gitReaders(config) === 'anyone',
    hosts: [config.bindIp, ...config.hosts],
    heartbeatSeconds: config.timeouts.heartbeatSeconds,
    limits: config.limits,
    onBug,
  });
  const { url } = await server.listen(config.bindIp, config.port).catch((error: unknown) => {
    journal[Symbol.dispose]();
    throw error;
  });
  const retention = createRetention({
    journal,
    outputs,
    limits: config.retention,
    onSwept: (swept) => {
      log.info(swept, 'removed old jobs and outputs');
    },
    onBug,
  });
  log.info({ url, repositories: config.repos.length, stateDir: config.stateDir }, 'listening');

  const changes = jobs.followBusy(repositories.list().map(({ name }) => name));
  // Each repository as it is now, and again after each of its jobs.
  const following = (async () => {
    for await (const { repo, busy } of changes) {
      if (!busy) wantGraph(repositories.get(repo).repository);
    }
  })();
  let stopped: Promise<void> | undefined;
  const stop = async (): Promise<void> => {
    log.info('stopping');
    server.setStopping();
    await jobs.drain(config.timeouts.drainSeconds);
    await server.close();
    await retention[Symbol.asyncDispose]();
    closing.abort();
    await changes.return?.();
    await following;
    await graphs.idle();
    await live.close();
    await objects[Symbol.asyncDispose]();
    journal[Symbol.dispose]();
    log.info('stopped');
  };
  return {
    url,
    stop: async () => await (stopped ??= stop()),
    abandon() {
      for (const { name } of repositories.list()) {
        const job = jobs.current(name);
        if (job !== null) jobs.cancel(job.id);
      }
    },
  };
}
