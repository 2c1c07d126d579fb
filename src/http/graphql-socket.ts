import { CloseCode, handleProtocols, makeServer, type ServerOptions } from 'graphql-ws';
import type { IncomingMessage } from 'node:http';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';

/** What an operation's hooks find in `context.extra`. */
export interface SocketExtra {
  readonly request: IncomingMessage;
  /** Aborted when the socket is closed. */
  readonly closed: AbortSignal;
  /** Refuses the socket with a code of its own. */
  readonly close: (code: number, reason: string) => void;
}

/** Sockets that speak graphql-ws's protocol. */
export interface GraphQLSockets {
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Takes no new sockets, lets operations end for `graceMs`, then closes with 1001, going away, and
   * ends sockets that do not answer to that.
   */
  close(graceMs: number): Promise<void>;
}

/** Who answers no ping for so long is gone, or has stopped reading. */
const PING_MS = 12_000;

/**
 * Connects graphql-ws to `ws`. Its own adapter prints what clients do wrong to standard error, and
 * waits half a minute for clients that do not answer when it closes.
 * @param onBug told what a hook or an operation threw
 */
export function createGraphQLSockets<Extra extends object>(
  options: ServerOptions<Record<string, unknown>, SocketExtra & Partial<Extra>>,
  maxPayload: number,
  onBug: (error: unknown) => string,
): GraphQLSockets {
  const protocol = makeServer(options);
  const server = new WebSocketServer({
    noServer: true,
    maxPayload,
    perMessageDeflate: false,
    handleProtocols,
  });
  /** Messages that are being answered; a subscription is answered until it ends. */
  const active = new Set<Promise<void>>();
  const silent = new WeakSet<WebSocket>();
  const pinging = setInterval(() => {
    for (const socket of server.clients) {
      if (silent.has(socket)) socket.terminate();
      silent.add(socket);
      socket.ping();
    }
  }, PING_MS);
  pinging.unref();

  function open(socket: WebSocket, request: IncomingMessage): void {
    const left = new AbortController();
    const close = (code?: number, reason?: string): void => {
      socket.close(code, reason);
    };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        // Resolves when the bytes are with the system: an operation makes nothing new before that. An
        // error needs no answer, the socket is closed by it.
        send: async (data) => {
          if (socket.readyState !== WebSocket.OPEN) return;
          await new Promise<void>((resolve) => {
            socket.send(data, () => {
              resolve();
            });
          });
        },
        close,
        onMessage: (answer) => {
          socket.on('message', (data: Buffer) => {
            const answered = answer(data.toString()).catch((error: unknown) => {
              onBug(error);
              close(CloseCode.InternalServerError, 'Internal server error');
            });
            active.add(answered);
            void answered.then(() => active.delete(answered));
          });
        },
      },
      { request, close, closed: left.signal } as SocketExtra & Partial<Extra>,
    );
    // A frame that is no frame, or too long: `ws` has closed the socket and said why.
    socket.on('error', () => undefined);
    socket.on('pong', () => silent.delete(socket));
    socket.once('close', (code, reason) => {
      left.abort();
      Promise.resolve(closed(code, reason.toString())).catch(onBug);
    });
  }

  return {
    upgrade(request, socket, head) {
      server.handleUpgrade(request, socket, head, (webSocket) => {
        open(webSocket, request);
      });
    },
    async close(graceMs) {
      const late = new AbortController();
      const grace = delay(graceMs, undefined, { signal: late.signal }).catch(() => undefined);
      await Promise.race([grace, Promise.all(active)]);
      late.abort();
      clearInterval(pinging);
      const closed = [...server.clients].map(async (socket) => {
        const timer = setTimeout(() => {
          socket.terminate();
        }, graceMs);
        await new Promise((resolve) => {
          socket.once('close', resolve);
          socket.close(1001, 'Going away');
        });
        clearTimeout(timer);
      });
      await Promise.all(closed);
    },
  };
}
