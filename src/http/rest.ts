import type { IncomingMessage, ServerResponse } from 'node:http';
import { requireScope, type Authenticator, type Caller } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import { parseBranchName } from '../git/branch-name.ts';
import { readCommit } from '../git/commit-reader.ts';
import type { GitPath } from '../git/git-path.ts';
import { readHead } from '../git/head.ts';
import { parseAbbreviatedOid } from '../git/oid.ts';
import { isDirty, readStatus, type Status, type StatusLetter } from '../git/status.ts';
import { getCommand } from '../jobs/work.ts';
import type { ServedRepository } from '../jobs/repositories.ts';
import type { Services } from '../schema/context.ts';
import { readArguments, type RequestArguments } from './request-arguments.ts';
import { sendLegacyJson, sendProblem } from './respond.ts';

/** What a route of the REST interface works with. */
interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly args: RequestArguments;
  readonly caller: Caller;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** The decoded groups of the route's pattern. */
  readonly params: readonly string[];
}

interface Route {
  readonly method: 'GET' | 'POST';
  readonly path: RegExp;
  answer(exchange: Exchange): Promise<void>;
}

/**
 * The Python GitAgent's interface. Resolves to false when the path is none of its routes.
 * @throws AppError
 */
export type RestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
) => Promise<boolean>;

export function createRestHandler(services: Services, authenticator: Authenticator): RestHandler {
  const { git, jobs, repositories } = services;

  const routes: readonly Route[] = [
    {
      method: 'GET',
      path: /^\/repo$/,
      async answer({ request, response, caller }) {
        requireScope(caller, 'read');
        sendLegacyJson(
          request,
          response,
          repositories.list().map(({ name }) => name),
        );
      },
    },
    {
      method: 'GET',
      path: /^\/repo\/([^/]+)$/,
      async answer({ request, response, caller, params, signal }) {
        requireScope(caller, 'read');
        const served = repositories.get(params[0] ?? '');
        sendLegacyJson(request, response, {
          ...(await describeStatus(served, signal)),
          busy: jobs.isBusy(served.name),
        });
      },
    },
    {
      method: 'POST',
      path: /^\/repo\/([^/]+)\/pull$/,
      async answer({ request, response, caller, params, args, signal }) {
        requireScope(caller, 'pull');
        const served = repositories.get(params[0] ?? '');
        const command = args.get('command') ?? null;
        if (command !== null) {
          requireScope(caller, 'run');
          getCommand(served, command);
        }
        const branch = args.get('git_branch') ?? served.config.branch ?? null;
        const hash = args.get('git_hash') ?? null;
        const jobRequest = {
          repo: served.name,
          kind: 'PULL' as const,
          caller: caller.name,
          trigger: 'rest',
          branch: branch === null ? null : parseBranchName(branch),
          hash: hash === null ? null : parseAbbreviatedOid(hash),
          strategy: served.config.strategy,
          command,
        };
        if (jobs.isBusy(served.name)) {
          sendLegacyJson(request, response, { err_msg: 'repo is busying', ret: 'failure' });
          return;
        }
        const job = jobs.submit(jobRequest, 'REJECT');
        const location = { Location: `/jobs/${job.id}` };
        if ((args.get('block') ?? '0') === '0') {
          sendLegacyJson(request, response, { err_msg: null, ret: 'success' }, location);
          return;
        }
        const done = await jobs.wait(job.id, signal);
        const result =
          done.state === 'SUCCEEDED'
            ? { err_msg: null, ret: 'success' }
            : { err_msg: done.error?.message ?? done.state.toLowerCase(), ret: 'failed' };
        sendLegacyJson(request, response, result, location);
      },
    },
  ];

  async function describeStatus(served: ServedRepository, signal: AbortSignal): Promise<object> {
    const { repository } = served;
    const status = repository.workTree === null ? null : await readStatus(git, repository, signal);
    const head =
      status === null
        ? await readHead(git, repository, signal)
        : { branch: status.branch, oid: status.head };
    const commit = head.oid === null ? null : await readCommit(git, repository, head.oid, signal);
    return {
      author: commit?.author.name ?? null,
      branch: head.branch,
      changed_files: changedFiles(status),
      dirty: status !== null && isDirty(status),
      hash: head.oid,
      message: commit?.message ?? null,
      untracked_files: status?.untracked.map((path) => path.text) ?? [],
    };
  }

  return async (request, response, signal) => {
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s, 2);
    const matching = routes.filter((route) => route.path.test(path));
    if (matching.length === 0) return false;
    const route = matching.find(({ method }) => method === request.method);
    if (route === undefined) {
      const allowed = matching.map(({ method }) => method).join(', ');
      sendProblem(response, 405, `${path} takes ${allowed}`, {}, { Allow: allowed });
      return true;
    }
    const args = await readArguments(request, query);
    const caller = authenticator.authenticate({
      authorization: request.headers.authorization,
      password: args.all.find(([name]) => name === 'password')?.[1],
    });
    const params = (route.path.exec(path) ?? []).slice(1).map(decodeSegment);
    await route.answer({ request, response, args, caller, signal, params });
    return true;
  };
}

function decodeSegment(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch (error) {
    throw new AppError('BAD_USER_INPUT', 'the path is not percent-encoded UTF-8', undefined, {
      cause: error,
    });
  }
}

/**
 * The index against the working tree, as the original compared them: staged changes are not here, `A` is
 * what `git add -N` announced, and a rename stands with the name it had before.
 */
function changedFiles(status: Status | null): Record<'A' | 'D' | 'M' | 'R', string[]> {
  const entries = status?.entries ?? [];
  const list = (
    letter: StatusLetter,
    nameOf = (entry: (typeof entries)[number]): GitPath => entry.path,
  ): string[] =>
    entries.filter((entry) => entry.workTree === letter).map((entry) => nameOf(entry).text);
  return {
    A: list('A'),
    D: list('D'),
    M: list('M'),
    R: list('R', (entry) => entry.previousPath ?? entry.path),
  };
}
