import type { IncomingMessage, ServerResponse } from 'node:http';
import type { GitConfig } from '../git/environment.ts';
import { createGit } from '../git/git.ts';
import { admit, type Admission } from './access.ts';
import { advertise } from './advertise.ts';
import { breakOff, sendText } from './answer.ts';
import { answerCors } from './cors.ts';
import { sendObjectFile } from './dumb-file.ts';
import { isList, sendList } from './dumb-list.ts';
import { watchExchange, type Exchange } from './exchange.ts';
import { readFetchRequest, type FetchRequest } from './fetch-request.ts';
import { createLimiter, type Limits } from './limiter.ts';
import { createMaintenance } from './maintenance.ts';
import type { GitHttpOptions } from './options.ts';
import { parseGitProtocol } from './protocol-version.ts';
import { receivePack } from './receive-pack.ts';
import { Refusal, toRefusal } from './refusal.ts';
import { drain, openRequestBody } from './request-body.ts';
import { METHODS, parseRoute, type Route, type Service } from './route.ts';
import type { ServiceCall } from './service.ts';
import { uploadPack } from './upload-pack.ts';

/** Serves git over HTTP: mount it in any server that gives it Node's own request and response. */
export interface GitHttpHandler extends AsyncDisposable {
  /** Answers git's requests, and hands all others on; without `next` those get 404. */
  (request: IncomingMessage, response: ServerResponse, next?: (error?: unknown) => void): void;
  /** Breaks off what is under way, and resolves when no git child is left. */
  close(): Promise<void>;
}

const LIMITS: Limits = {
  total: 32,
  perRepository: 24,
  perCaller: 16,
  waiting: 1000,
  waitingPerCaller: 500,
  waitMs: 300_000,
};
const MIB = 1024 * 1024;
/** What a refused request may still send while it is heard out. */
const DRAIN_BYTES = 1024 * MIB;

/** What can be asked for, once it is known that it may be. */
type ServedRoute = Exclude<Route, { kind: 'unknown-service' }>;

/** Makes a handler. It starts nothing and listens to nothing by itself. */
export function createGitHttpHandler(options: GitHttpOptions): GitHttpHandler {
  const {
    prefix = '',
    dumb = false,
    hideRefs = ['refs/gitagent'],
    maxRequestBytes = 64 * MIB,
    maxCommandBytes = 16 * MIB,
    stallMs = 120_000,
    graceMs = 10_000,
    onPush = async (_push, land) => void (await land()),
    onError = () => undefined,
    git = createGit({ host: process.env, maxChildren: 4 }),
  } = options;
  const limiter = createLimiter({ ...LIMITS, ...options.limits });
  const closing = new AbortController();
  const underWay = new Set<Promise<void>>();
  const maintenance = createMaintenance(git, closing.signal, onError);
  const config: GitConfig = [
    ['uploadpack.allowFilter', 'true'],
    // What a partial clone lacks it asks for by name. Version 2 always lets it (gitprotocol-v2(5)).
    ['uploadpack.allowAnySHA1InWant', 'true'],
    ['receive.advertisePushOptions', 'true'],
    // Ours follows instead: neither the pusher nor a daemon that outlives us has to do it.
    ['receive.autogc', 'false'],
    ...(dumb ? [['receive.updateServerInfo', 'true'] as const] : []),
    ...hideRefs.map((ref) => ['transfer.hideRefs', ref] as const),
  ];

  async function answer(exchange: Exchange, route: Route): Promise<void> {
    const { request } = exchange;
    checkMethod(route, request);
    if (route.kind === 'unknown-service') throw new Refusal(403, 'there is no such service');
    const service = route.kind === 'dumb' ? 'git-upload-pack' : route.service;
    const admission = await admit(options, request, route, service);
    if (route.kind === 'dumb' && !dumb) {
      throw new Refusal(404, 'the dumb protocol is off here: use a git that speaks the smart one');
    }
    if (route.kind === 'rpc') checkContentType(request, route.service);
    if (route.kind === 'dumb' && !isList(route.file)) {
      await sendObjectFile(admission.repository, route.file, request, exchange.response);
      return;
    }
    // Read before it waits for its turn: who sends slowly holds no place.
    const fetch =
      route.kind === 'rpc' && service === 'git-upload-pack'
        ? await readFetchRequest(openBody(request, maxRequestBytes))
        : null;
    const leave = await limiter.enter({
      repository: admission.repository.commonDir,
      caller: admission.caller ?? `address ${request.socket.remoteAddress ?? ''}`,
      hasBegun: route.kind === 'rpc',
      signal: exchange.signal,
    });
    try {
      await serve(exchange, route, admission, fetch);
    } finally {
      leave();
    }
  }

  async function serve(
    exchange: Exchange,
    route: ServedRoute,
    { served, repository, caller }: Admission,
    fetch: FetchRequest | null,
  ): Promise<void> {
    const { request } = exchange;
    const service = route.kind === 'dumb' ? 'git-upload-pack' : route.service;
    const call: ServiceCall = {
      ...exchange,
      git,
      service,
      served,
      repository,
      caller,
      config: [...config, ...(served.config ?? [])],
      gitProtocol: parseGitProtocol(request.headers['git-protocol']),
      onError: (error) => {
        onError(error, request);
      },
    };
    if (route.kind === 'dumb') {
      if (isList(route.file)) await sendList({ ...call, hideRefs }, route.file);
    } else if (route.kind === 'advertise') {
      await advertise(call);
    } else if (fetch !== null) {
      await uploadPack(call, fetch);
    } else {
      const settings = { onPush, maxCommandBytes, graceMs };
      const hasLanded = await receivePack(call, openBody(request, Infinity), settings);
      if (hasLanded && options.maintenance !== false) maintenance.request(repository);
    }
  }

  function openBody(request: IncomingMessage, maxBytes: number) {
    const body = openRequestBody(request, { maxBytes, maxInflatedBytes: maxRequestBytes });
    if (body === null) throw new Refusal(415, 'send the body as it is, or as gzip');
    return body;
  }

  async function settle(exchange: Exchange, route: Route): Promise<void> {
    const { request, response } = exchange;
    try {
      await answer(exchange, route);
    } catch (error) {
      if (response.destroyed) return;
      const refusal = toRefusal(error);
      if (refusal === null) onError(error, request);
      if (response.headersSent) {
        breakOff(response);
        return;
      }
      // Whoever is still sending a body hears nothing before its end.
      await drain(request, DRAIN_BYTES);
      if (response.destroyed) return;
      const { status, message, headers } = refusal ?? new Refusal(500, INTERNAL);
      sendText(response, status, message, headers);
    } finally {
      // What git did not want to read must not stand before the connection's next request.
      if (!response.destroyed) void drain(request, DRAIN_BYTES);
    }
  }

  function handle(
    request: IncomingMessage,
    response: ServerResponse,
    next?: (error?: unknown) => void,
  ): void {
    const route = parseRoute(request.url ?? '', prefix);
    // Without the dumb protocol HEAD and objects/ are anybody's; `info/refs` is still ours.
    const isOurs = route !== null && (route.kind !== 'dumb' || dumb || route.file === 'info/refs');
    if (!isOurs && next !== undefined) {
      next();
      return;
    }
    if (answerCors(request, response, options.corsOrigins ?? [])) return;
    if (!isOurs) {
      sendText(response, 404, 'there is nothing here that git would ask for');
      return;
    }
    const exchange = watchExchange(request, response, stallMs, closing.signal);
    const settled = settle(exchange, route).finally(() => underWay.delete(settled));
    underWay.add(settled);
  }

  const close = async (): Promise<void> => {
    closing.abort();
    await Promise.all(underWay);
    await maintenance.idle();
  };
  return Object.assign(handle, { close, [Symbol.asyncDispose]: close });
}

const INTERNAL = "something went wrong here; the server's log says what";

/** As git's http-backend: 405 with what is allowed, 400 to a client that does not know 405. */
function checkMethod(route: Route, request: IncomingMessage): void {
  const methods = METHODS[route.kind];
  if (methods.includes(request.method ?? '')) return;
  const Allow = methods.join(', ');
  if (request.httpVersion === '1.0') throw new Refusal(400, `use ${Allow}`);
  throw new Refusal(405, `use ${Allow}`, { Allow });
}

/** A page in a browser cannot send this type to another origin without being asked first. */
function checkContentType(request: IncomingMessage, service: Service): void {
  const expected = `application/x-${service}-request`;
  const actual = request.headers['content-type'] ?? '';
  if (actual === expected) return;
  const shown = actual.slice(0, 200);
  throw new Refusal(
    415,
    `Expected POST with Content-Type '${expected}', but received '${shown}' instead.`,
  );
}
