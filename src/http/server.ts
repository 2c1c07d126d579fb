import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { requireScope, type Authenticator } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import type { GitHttpHandler } from '../git-http/index.ts';
import type { Services } from '../schema/context.ts';
import { answerClientErrors } from './client-error.ts';
import { createConsoles } from './console.ts';
import { createGraphiQLHandler, wantsPage } from './graphiql.ts';
import type { createGraphQLHandler } from './graphql.ts';
import { createGuard } from './guard.ts';
import { createLateGraphQL } from './late-graphql.ts';
import { readQuery } from './request-arguments.ts';
import { authenticateRequest } from './request-caller.ts';
import { refuseUpgrade, send, sendError, sendProblem } from './respond.ts';
import { createRestHandler } from './rest.ts';
import { RAW_PATH } from './rest-content.ts';

export interface HttpServerDeps {
  readonly services: Services;
  readonly authenticator: Authenticator;
  /** Answers what git asks, and hands on the rest. */
  readonly git: GitHttpHandler;
  /** Whether git serves callers without credentials what only this machine may reach. */
  readonly isGitOpen: boolean;
  /** Names besides loopback that the agent answers to. */
  readonly hosts: readonly string[];
  /** After so many seconds of silence something is sent, so that proxies keep a connection. */
  readonly heartbeatSeconds: number;
  readonly limits: Parameters<typeof createGraphQLHandler>[2] & {
    /** Requests that may read outputs at once. */
    readonly outputReaders: number;
  };
  /** Logs what no caller may see, and gives the id under which it stands there. */
  readonly onBug: (error: unknown) => string;
}

/** The one port: REST, GraphQL, their sockets, git, health. */
export interface HttpServer {
  /** Resolves with the address once requests are answered. Port 0 takes any free one. */
  listen(host: string, port: number): Promise<{ readonly port: number; readonly url: string }>;
  /** From now on `/readyz` says 503, so that no new requests are sent here. */
  setStopping(): void;
  /** Takes no more connections, lets answers end for a moment, then closes what is left. */
  close(): Promise<void>;
}

/** How long answers and subscriptions may still take once the server closes. */
const CLOSE_GRACE_MS = 1000;
/** When GraphQL is loaded that nobody has asked for: the first answers come before. */
const WARM_MS = 5000;

export function createHttpServer(deps: HttpServerDeps): HttpServer {
  const { services, authenticator, heartbeatSeconds, onBug } = deps;
  const anonymous = authenticator.authenticate({});
  const isOpen = anonymous.scopes.length > 0 || deps.isGitOpen;
  const guard = createGuard({ hosts: deps.hosts, isOpen });
  const consoles = createConsoles(services.jobs, heartbeatSeconds, onBug);
  const { outputReaders } = deps.limits;
  const rest = createRestHandler(services, authenticator, consoles, heartbeatSeconds, outputReaders); // prettier-ignore
  const graphql = createLateGraphQL(async () => {
    const { createGraphQLHandler: create } = await import('./graphql.ts');
    return create(services, authenticator, deps.limits, heartbeatSeconds, onBug);
  });
  const graphiql = createGraphiQLHandler({ repo: services.repositories.list()[0]?.name ?? '' });
  let isStopping = false;
  let warming: NodeJS.Timeout | undefined;

  async function answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = pathOf(request);
    if (path === '/livez') {
      sendText(response, 200, 'ok\n');
      return;
    }
    if (path === '/readyz') {
      sendText(response, isStopping ? 503 : 200, isStopping ? 'stopping\n' : 'ok\n');
      return;
    }
    guard.check(request);
    // git's URLs are told by their ends, and a file can be called HEAD.
    let isGit = !RAW_PATH.test(path);
    if (isGit) {
      deps.git(request, response, () => {
        isGit = false; // Called at once, or not at all.
      });
    }
    if (isGit) return;
    limitBody(request, response);
    if (path === '/graphql') {
      const caller = authenticator.authenticate({ authorization: request.headers.authorization });
      if (wantsPage(request)) {
        // So that a browser asks for the password, and then sends it with every operation.
        requireScope(caller, 'read');
        await graphiql(request, response);
        return;
      }
      await graphql.handle(request, response, caller);
      return;
    }
    const gone = new AbortController();
    response.once('close', () => {
      gone.abort();
    });
    if (await rest(request, response, gone.signal)) return;
    sendProblem(
      response,
      404,
      `there is nothing at ${path}: see /repo, /repo/NAME, /repo/NAME/jobs and /graphql`,
    );
  }

  const options = {
    // A blocking pull takes as long as it takes, and so may sending a body: no limit on a whole request.
    requestTimeout: 0,
    // On its own: it would follow the one above.
    headersTimeout: 60_000,
    // The system finds out who has gone without a word.
    keepAlive: true,
    keepAliveInitialDelay: heartbeatSeconds * 1000,
    // Every other request is answered as if it had not asked: clients also offer `h2c`.
    shouldUpgradeCallback: (request: IncomingMessage) =>
      consoles.isHandshake(request) ||
      (pathOf(request) === '/graphql' && request.headers.upgrade?.toLowerCase() === 'websocket'),
  };
  const server = createServer(options, (request, response) => {
    response.setHeader('Server', 'GitAgent');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    answer(request, response).catch((error: unknown) => {
      if (!request.readableEnded) request.resume();
      // Nobody is there to be told: the client has gone, or was cut off in the middle of its body.
      if (response.destroyed || (request.destroyed && !request.complete)) return;
      sendError(response, error, onBug);
    });
  });
  answerClientErrors(server);
  const connections = new Set<Socket>();
  server.on('connection', (socket) => {
    connections.add(socket);
    socket.once('close', () => connections.delete(socket));
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    upgrade(request, socket, head).catch((error: unknown) => {
      refuseUpgrade(socket, error, onBug);
      // Nothing else would ever close it for who does not close his side.
      setTimeout(() => socket.destroy(), CLOSE_GRACE_MS).unref();
    });
  });

  async function upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    guard.check(request);
    const [path = '', query = ''] = (request.url ?? '').split(/\?(.*)/s, 2);
    if (path === '/graphql') {
      await graphql.upgrade(request, socket, head);
      return;
    }
    const caller = authenticateRequest(authenticator, request, path, readQuery(query));
    consoles.open(request, socket, head, caller);
  }

  return {
    async listen(host, port) {
      const address = await listenOn(server, host, port);
      warming = setTimeout(() => {
        graphql.warm();
      }, WARM_MS);
      warming.unref();
      const name = address.family === 'IPv6' ? `[${address.address}]` : address.address;
      return { port: address.port, url: `http://${name}:${address.port}` };
    },
    setStopping() {
      isStopping = true;
    },
    async close() {
      const closed = new Promise<void>((resolve) => {
        server.close(() => {
          resolve();
        });
      });
      clearTimeout(warming);
      server.closeIdleConnections();
      const { promise: grace, resolve: endGrace } = Promise.withResolvers<void>();
      const timer = setTimeout(() => {
        server.closeAllConnections();
        endGrace();
      }, CLOSE_GRACE_MS);
      await Promise.all([
        graphql.close(CLOSE_GRACE_MS),
        consoles.close(CLOSE_GRACE_MS),
        Promise.race([closed, grace]),
      ]);
      clearTimeout(timer);
      // The server waits for every connection, also for those that speak HTTP no more.
      for (const socket of connections) socket.destroy();
      await closed;
      await deps.git.close();
    },
  };
}

/** No body but git's is longer than a megabyte: who has not sent it by then will not. */
const BODY_MS = 60_000;

function limitBody(request: IncomingMessage, response: ServerResponse): void {
  const timer = setTimeout(() => {
    if (!request.complete) request.destroy();
  }, BODY_MS);
  response.once('close', () => {
    clearTimeout(timer);
  });
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? '';
}

function sendText(response: ServerResponse, status: number, text: string): void {
  send(response, status, 'text/plain; charset=utf-8', text, { 'Cache-Control': 'no-store' });
}

async function listenOn(server: Server, host: string, port: number): Promise<AddressInfo> {
  return await new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) => {
      reject(
        error.code === 'EADDRINUSE'
          ? new AppError(
              'BUSY',
              `port ${port} on ${host} is in use: stop what uses it, or choose another with --port or GITAGENT_PORT`,
            )
          : error,
      );
    });
    server.listen(port, host, () => {
      const address = server.address();
      if (address === null || typeof address === 'string')
        throw new Error('a TCP server has a port');
      resolve(address);
    });
  });
}
