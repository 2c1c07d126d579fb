import { requireScope, type Caller } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import { readCommit } from '../git/commit-reader.ts';
import { listTreeChanges } from '../git/diff.ts';
import { listCommitsBetween } from '../git/revision.ts';
import type { Plan } from '../jobs/plans.ts';
import type { Services } from '../schema/context.ts';
import { createLateAnswer } from './late-answer.ts';
import { readPullRequest } from './rest-pull.ts';
import type { Route } from './rest-route.ts';

/** Commits that an answer tells of; `behind` says how many there are. */
const MAX_COMMITS = 20;

/** `POST /repo/NAME/plan`. */
export function planRoutes(services: Services, heartbeatSeconds: number): readonly Route[] {
  const { git, objects, plans, repositories } = services;

  async function describe(plan: Plan, caller: Caller, signal: AbortSignal): Promise<object> {
    const { served, head, goal, move, command, error, token } = plan;
    const { repository } = served;
    const inRange = goal && { from: goal.base, to: goal.target };
    const page = { skip: 0, limit: MAX_COMMITS };
    const oids =
      inRange === null ? [] : await listCommitsBetween(git, repository, inRange, page, signal);
    const commits = await Promise.all(
      oids.map(async (oid) => {
        const { author, message } = await readCommit(objects, repository, oid, signal);
        return { author: author.name, hash: oid, message };
      }),
    );
    return {
      after: move?.tip ?? null,
      ahead: goal?.ahead ?? null,
      before: head.oid,
      behind: goal?.behind ?? null,
      branch: goal?.branch?.name ?? null,
      changed_files: await listChanges(plan, signal),
      command: command?.name ?? null,
      command_line: caller.scopes.includes('run') ? (command?.line ?? null) : null,
      commits,
      current_branch: head.branch,
      discarded: move?.discarded.map(({ path }) => path.text) ?? [],
      err_code: error?.code ?? null,
      err_detail: error?.detail ?? null,
      err_msg: error?.message ?? null,
      in_the_way: move?.inTheWay.map(({ path }) => path.text) ?? [],
      kind: move?.kind ?? null,
      plan_token: token,
      ret: error === null ? 'success' : 'failed',
      target: goal?.target ?? null,
      upstream: goal?.branch?.upstream ?? null,
    };
  }

  async function listChanges(
    { served, move }: Plan,
    signal: AbortSignal,
  ): Promise<Record<'A' | 'D' | 'M' | 'R', string[]> | null> {
    if (move === null) return null;
    const files = { A: [] as string[], D: [] as string[], M: [] as string[], R: [] as string[] };
    const { from, to } = move.changes;
    const options = { findRenames: true };
    const changes = await listTreeChanges(git, served.repository, from, to, signal, options);
    for (const { letter, path, previousPath } of changes) {
      if (letter === 'A' || letter === 'C') files.A.push(path.text);
      else if (letter === 'D') files.D.push(path.text);
      // With the name it had before, as in the status.
      else if (letter === 'R') files.R.push((previousPath ?? path).text);
      else files.M.push(path.text);
    }
    return files;
  }

  return [
    {
      method: 'POST',
      path: /^\/repo\/([^/]+)\/plan$/,
      async answer({ response, caller, params, args, signal }) {
        requireScope(caller, 'read');
        requireScope(caller, 'pull');
        const served = repositories.get(params[0] ?? '');
        if (args.get('plan_token') !== undefined) {
          throw new AppError('BAD_USER_INPUT', 'a plan_token is for a pull: plan without one');
        }
        const request = readPullRequest(served, args);
        using answer = createLateAnswer(response, {}, heartbeatSeconds);
        answer.send(await describe(await plans.plan(request, signal), caller, signal));
      },
    },
  ];
}
