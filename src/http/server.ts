import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { requireScope, type Authenticator } from '../auth/caller.ts';
import { AppError } from '../error.ts';
import type { Services } from '../schema/context.ts';
import { createGraphiQLHandler, wantsPage } from './graphiql.ts';
import { createGraphQLHandler } from './graphql.ts';
import { createGuard } from './guard.ts';
import { send, sendError, sendProblem, STATUS_OF } from './respond.ts';
import { createRestHandler } from './rest.ts';

export interface HttpServerDeps {
  readonly services: Services;
  readonly authenticator: Authenticator;
  /** Names besides loopback that the agent answers to. */
  readonly hosts: readonly string[];
  /** Logs what no caller may see, and gives the id under which it stands there. */
  readonly onBug: (error: unknown) => string;
}

/** The one port: REST, GraphQL and its sockets, health. */
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

export function createHttpServer(deps: HttpServerDeps): HttpServer {
  const { services, authenticator, onBug } = deps;
  const anonymous = authenticator.authenticate({});
  const guard = createGuard({ hosts: deps.hosts, isOpen: anonymous.scopes.length > 0 });
  const rest = createRestHandler(services, authenticator);
  const graphql = createGraphQLHandler(services, authenticator, onBug);
  const graphiql = createGraphiQLHandler();
  let isStopping = false;

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
    if (path === '/') {
      sendText(response, 200, 'Hello, GitAgent~', 'text/html; charset=UTF-8');
      return;
    }
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
    sendProblem(response, 404, `there is nothing at ${path}; try / , /repo or /graphql`);
  }

  // A blocking pull takes as long as it takes, and so may sending a body: no limit on a whole request.
  const server = createServer({ requestTimeout: 0 }, (request, response) => {
    response.setHeader('Server', 'GitAgent');
    response.setHeader('X-Content-Type-Options', 'nosniff');
    answer(request, response).catch((error: unknown) => {
      if (!request.readableEnded) request.resume();
      if (response.destroyed) return;
      sendError(response, error, onBug);
    });
  });
  server.on('upgrade', (request: IncomingMessage, socket: Duplex, head: Buffer) => {
    socket.on('error', () => socket.destroy());
    try {
      guard.check(request);
      if (pathOf(request) !== '/graphql') throw new AppError('NOT_FOUND', 'no such socket');
      graphql.upgrade(request, socket, head);
    } catch (error) {
      const status = error instanceof AppError ? STATUS_OF[error.code] : 500;
      if (!(error instanceof AppError)) onBug(error);
      socket.end(`HTTP/1.1 ${status} Refused\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`);
    }
  });

  return {
    async listen(host, port) {
      const address = await listenOn(server, host, port);
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
      server.closeIdleConnections();
      const timer = setTimeout(() => {
        server.closeAllConnections();
      }, CLOSE_GRACE_MS);
      await Promise.all([closed, graphql.close(CLOSE_GRACE_MS)]);
      clearTimeout(timer);
    },
  };
}

function pathOf(request: IncomingMessage): string {
  return request.url?.split('?', 1)[0] ?? '';
}

function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  type = 'text/plain; charset=utf-8',
): void {
  send(response, status, type, text, { 'Cache-Control': 'no-store' });
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
