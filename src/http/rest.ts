import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Authenticator } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import type { Services } from '../schema/context.ts';
import type { Consoles } from './console.ts';
import { decodePercent } from './percent-encoding.ts';
import { MAX_BODY_BYTES, readArguments } from './request-arguments.ts';
import { authenticateRequest } from './request-caller.ts';
import { sendProblem } from './respond.ts';
import { contentRoutes } from './rest-content.ts';
import { jobRoutes } from './rest-job.ts';
import { planRoutes } from './rest-plan.ts';
import { pullRoutes } from './rest-pull.ts';
import { rootRoute } from './rest-root.ts';
import type { PublicRoute, Route } from './rest-route.ts';
import { statusRoutes } from './rest-status.ts';

/**
 * The Python GitAgent's interface, and what is new beside it. Resolves to false when the path is none of
 * its routes. Paths are matched as they were sent, whole: `/repo/` is another one than `/repo`.
 * @throws AppError
 */
export type RestHandler = (
  request: IncomingMessage,
  response: ServerResponse,
  signal: AbortSignal,
) => Promise<boolean>;

export function createRestHandler(
  services: Services,
  authenticator: Authenticator,
  consoles: Consoles,
  heartbeatSeconds: number,
  maxOutputReaders: number,
): RestHandler {
  const routes: readonly (Route | PublicRoute)[] = [
    rootRoute,
    ...statusRoutes(services),
    ...pullRoutes(services, consoles, heartbeatSeconds),
    ...planRoutes(services, heartbeatSeconds),
    ...contentRoutes(services),
    ...jobRoutes(services, heartbeatSeconds, maxOutputReaders),
    consoles.route,
  ];

  async function answer(
    route: Route,
    path: string,
    query: string,
    exchange: {
      readonly request: IncomingMessage;
      readonly response: ServerResponse;
      readonly signal: AbortSignal;
    },
  ): Promise<void> {
    const { request, response } = exchange;
    const args = await readArguments(request, query);
    if (args === null) {
      const detail = `the body is longer than ${MAX_BODY_BYTES} bytes`;
      sendProblem(response, 413, detail, { code: 'LIMIT_EXCEEDED' }, { Connection: 'close' });
      return;
    }
    const caller = authenticateRequest(authenticator, request, path, args);
    const isReplay = route.method !== 'GET' && !authenticator.spend(caller);
    const refuseReplay = (): void => {
      if (!isReplay) return;
      throw new AppError(
        'UNAUTHENTICATED',
        'this signed request was made before: sign each one anew, with its own time',
      );
    };
    if (route.looksForReplays !== true) refuseReplay();
    const params = (route.path.exec(path) ?? []).slice(1).map(decodeSegment);
    await route.answer({ ...exchange, args, caller, params, refuseReplay });
  }

  return async (request, response, signal) => {
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s, 2);
    const matching = routes.filter((route) => route.path.test(path));
    if (matching.length === 0) return false;
    const method = request.method === 'HEAD' ? 'GET' : request.method;
    const route = matching.find((each) => each.method === method);
    if (route === undefined) {
      const allowed = matching
        .map((each) => (each.method === 'GET' ? 'GET, HEAD' : each.method))
        .join(', ');
      sendProblem(response, 405, `${path} takes ${allowed}`, {}, { Allow: allowed });
    } else if ('answerAnybody' in route) {
      route.answerAnybody(request, response);
    } else {
      await answer(route, path, query, { request, response, signal });
    }
    return true;
  };
}

function decodeSegment(segment: string): string {
  const decoded = decodePercent(segment);
  if (decoded !== null) return decoded;
  throw new AppError('BAD_USER_INPUT', 'the path is not percent-encoded UTF-8');
}
