import { CloseCode, handleProtocols, makeServer, type ServerOptions } from 'graphql-ws';
import type { IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import { WebSocket, WebSocketServer } from 'ws';
import { AppError } from '../error.ts';
import { keepOrder } from './operation-order.ts';

/** What an operation's hooks find in `context.extra`. */
export interface SocketExtra {
  readonly request: IncomingMessage;
  /** Aborted when the socket is closed. */
  readonly closed: AbortSignal;
  /** Sends a message of the protocol, then calls `sent` as soon as another may be made. */
  readonly send: (message: string, sent: () => void) => void;
  /** Refuses the socket with a code of its own. */
  readonly close: (code: number, reason: string) => void;
}

/** How many sockets may be open. */
export interface SocketLimits {
  readonly sockets: number;
  /** From one address. */
  readonly clientSockets: number;
}

/** Sockets that speak graphql-ws's protocol. */
export interface GraphQLSockets {
  /** @throws AppError LIMIT_EXCEEDED */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): void;
  /**
   * Takes no new sockets, lets operations end for `graceMs`, then closes with 1001, going away, and
   * ends sockets that do not answer to that.
   */
  close(graceMs: number): Promise<void>;
}

/** Proxies drop silent sockets, some after a quarter of a minute. */
const MAX_PING_MS = 12_000;
/** A slow reader's answer to a ping comes late, behind all that he has yet to read. Who takes less is asleep. */
const MIN_TAKEN_BYTES = 1024;
/** Who does not read the answers to what he sends is read no more until he does. */
const MAX_UNREAD_BYTES = 1024 * 1024;

/**
 * Connects graphql-ws to `ws`. Its own adapter prints what clients do wrong to standard error, and
 * waits half a minute for clients that do not answer when it closes.
 * @param maxPayload most bytes of one message
 * @param heartbeatSeconds a socket is pinged after so long, or sooner; who has neither answered nor taken
 * anything when the next ping is due has stopped reading, and is cut off
 * @param onBug told what a hook or an operation threw
 */
export function createGraphQLSockets<Extra extends object>(
  options: ServerOptions<Record<string, unknown>, SocketExtra & Partial<Extra>>,
  maxPayload: number,
  limits: SocketLimits,
  heartbeatSeconds: number,
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
  /** What was asked of a socket last, and how many bytes the system had taken of it then. */
  const asked = new WeakMap<WebSocket, { isAnswered: boolean; taken: number }>();
  /** How many sockets each address has open. */
  const clients = new Map<string, number>();
  const pinging = setInterval(
    () => {
      for (const socket of server.clients) {
        const taken = bytesTaken(socket);
        const last = asked.get(socket);
        const isAsleep = last?.isAnswered === false && taken - last.taken < MIN_TAKEN_BYTES;
        if (isAsleep) socket.terminate();
        asked.set(socket, { isAnswered: false, taken });
        socket.ping();
      }
    },
    Math.min(MAX_PING_MS, heartbeatSeconds * 1000),
  );
  pinging.unref();

  const streams = new WeakMap<WebSocket, Socket>();
  function bytesTaken(socket: WebSocket): number {
    return (streams.get(socket)?.bytesWritten ?? 0) - socket.bufferedAmount;
  }

  function open(socket: WebSocket, request: IncomingMessage): void {
    streams.set(socket, request.socket);
    const left = new AbortController();
    const close = (code?: number, reason?: string): void => {
      socket.close(code, reason);
    };
    // `sent` is when the bytes are with the system: an operation makes nothing new before that. An
    // error needs no answer, the socket is closed by it.
    const send = (data: string, sent: () => void): void => {
      if (socket.readyState !== WebSocket.OPEN) {
        setImmediate(sent);
        return;
      }
      socket.send(data, () => {
        if (socket.isPaused && socket.bufferedAmount < MAX_UNREAD_BYTES) socket.resume();
        sent();
      });
    };
    const closed = protocol.opened(
      {
        protocol: socket.protocol,
        send: async (data) => {
          await new Promise<void>((resolve) => {
            send(data, resolve);
          });
        },
        close,
        onMessage: (answer) => {
          const take = keepOrder(async (message) => {
            await answer(message).catch((error: unknown) => {
              onBug(error);
              close(CloseCode.InternalServerError, 'Internal server error');
            });
          }, socket);
          socket.on('message', (data: Buffer) => {
            if (socket.bufferedAmount >= MAX_UNREAD_BYTES) socket.pause();
            const answered = take(data.toString());
            active.add(answered);
            void answered.then(() => active.delete(answered));
          });
        },
      },
      { request, send, close, closed: left.signal } as SocketExtra & Partial<Extra>,
    );
    // A frame that is no frame, or too long: `ws` has closed the socket and said why.
    socket.on('error', () => undefined);
    socket.on('pong', () => {
      const last = asked.get(socket);
      if (last !== undefined) last.isAnswered = true;
    });
    socket.once('close', (code, reason) => {
      left.abort();
      Promise.resolve(closed(code, reason.toString())).catch(onBug);
    });
  }

  return {
    upgrade(request, socket, head) {
      const address = request.socket.remoteAddress ?? '';
      const count = clients.get(address) ?? 0;
      if (count >= limits.clientSockets || server.clients.size >= limits.sockets) {
        const [many, name] =
          count >= limits.clientSockets
            ? [`${count} websockets are open from this address`, 'client_sockets']
            : [`${server.clients.size} websockets are open`, 'sockets'];
        throw new AppError(
          'LIMIT_EXCEEDED',
          `${many} (limits.${name}): close some, one can carry many subscriptions`,
        );
      }
      // Counted from here on, also while the handshake goes on.
      clients.set(address, count + 1);
      socket.once('close', () => {
        const left = (clients.get(address) ?? 1) - 1;
        if (left === 0) clients.delete(address);
        else clients.set(address, left);
      });
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
