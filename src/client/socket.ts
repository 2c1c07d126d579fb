import { createClient, type Client } from 'graphql-ws/client';
import { GitAgentError, GitAgentNetworkError, reasonOf, type AnswerError } from './error.ts';
import type { Payload } from './operation.ts';

/** What becomes of a subscription. After any but `next` nothing more comes. */
export interface Subscriber {
  next(data: unknown): void;
  /** The server ended it: everything has been said. */
  complete(): void;
  /** The connection is gone; subscribing again may help. */
  lose(error: GitAgentNetworkError): void;
  /** Subscribing again would not help. */
  fail(error: GitAgentError | GitAgentNetworkError): void;
}

/** Subscriptions, all on one socket that is there while one of them is. */
export interface SocketPool {
  /** Subscribes, opening the socket when there is none. The function that is returned unsubscribes. */
  open(payload: Payload, subscriber: Subscriber): () => void;
}

export interface SocketDeps {
  /** Such as `ws://127.0.0.1:10000/graphql`. */
  readonly endpoint: string;
  readonly connectionParams: Readonly<Record<string, string>>;
  readonly WebSocket: unknown;
}

/** A browser tells nobody of a half-open connection, so it is tried after so much silence. */
const KEEP_ALIVE_MS = 10_000;
const PONG_MS = 10_000;
const ACKNOWLEDGE_MS = 15_000;

/** One graphql-ws client is used for one socket only: its own retries would send a stale cursor again. */
interface Connection {
  readonly client: Client;
  readonly lose: Set<(error: unknown) => void>;
}

export function createSocketPool(deps: SocketDeps): SocketPool {
  let current: Connection | undefined;

  function connect(): Connection {
    let pongTimer: ReturnType<typeof setTimeout> | undefined;
    const lose = new Set<(error: unknown) => void>();
    const lost = (error: unknown): void => {
      clearTimeout(pongTimer);
      retire(connection);
      for (const each of lose) each(error);
    };
    const client = createClient({
      url: deps.endpoint,
      webSocketImpl: deps.WebSocket,
      connectionParams: { ...deps.connectionParams },
      retryAttempts: 0,
      keepAlive: KEEP_ALIVE_MS,
      connectionAckWaitTimeout: ACKNOWLEDGE_MS,
      on: {
        closed: lost,
        error: lost,
        ping(isReceived) {
          if (isReceived) return;
          clearTimeout(pongTimer);
          pongTimer = setTimeout(() => {
            client.terminate();
          }, PONG_MS);
        },
        pong(isReceived) {
          if (isReceived) clearTimeout(pongTimer);
        },
      },
    });
    const connection = { client, lose };
    return connection;
  }

  function retire(connection: Connection): void {
    if (current === connection) current = undefined;
    Promise.resolve(connection.client.dispose()).catch(() => undefined);
  }

  return {
    open(payload, subscriber) {
      const connection = (current ??= connect());
      let isOver = false;
      const end = (tell: () => void): void => {
        if (isOver) return;
        isOver = true;
        connection.lose.delete(lose);
        tell();
        if (connection.lose.size === 0) retire(connection);
      };
      const lose = (error: unknown): void => {
        end(() => {
          const fatal = fatalOf(error, deps.endpoint);
          if (fatal !== null) subscriber.fail(fatal);
          else subscriber.lose(networkErrorOf(error, deps.endpoint));
        });
      };
      connection.lose.add(lose);
      const unsubscribe = connection.client.subscribe(payload, {
        next(result) {
          if (isOver) return;
          const refused = refusalOf(result);
          if (refused === null) {
            subscriber.next(result.data);
            return;
          }
          end(() => {
            subscriber.fail(refused);
          });
          unsubscribe();
        },
        error(error) {
          if (!Array.isArray(error)) lose(error);
          else {
            end(() => {
              subscriber.fail(new GitAgentError(error as readonly AnswerError[]));
            });
          }
        },
        complete() {
          end(() => {
            subscriber.complete();
          });
        },
      });
      return () => {
        if (isOver) return;
        isOver = true;
        connection.lose.delete(lose);
        unsubscribe();
        if (connection.lose.size === 0) retire(connection);
      };
    },
  };
}

interface Result {
  readonly data?: unknown;
  readonly errors?: readonly AnswerError[] | undefined;
}

function refusalOf({ errors = [], data }: Result): GitAgentError | null {
  return errors.length === 0 ? null : new GitAgentError(errors, data);
}

/** The codes of graphql-ws, and of RFC 6455, that say the same the next time. */
const FATAL_CODES = new Set([1002, 1003, 1007, 1008, 1009, 1010]);
/** A socket that is not acknowledged in time, or does not answer a ping. */
const PASSING_CODES = new Set([4408, 4499, 4504]);

function fatalOf(error: unknown, endpoint: string): GitAgentError | GitAgentNetworkError | null {
  const code = closeCodeOf(error);
  if (code === 4401) {
    const extensions = { code: 'UNAUTHENTICATED' };
    return new GitAgentError([{ message: 'the credentials are wrong', extensions }]);
  }
  if (!FATAL_CODES.has(code) && (code < 4000 || PASSING_CODES.has(code))) return null;
  return networkErrorOf(error, endpoint);
}

function networkErrorOf(error: unknown, endpoint: string): GitAgentNetworkError {
  const code = closeCodeOf(error);
  const why = code === 0 ? reasonOf(error) : `the socket was closed with ${code}`;
  return new GitAgentNetworkError(`lost ${endpoint} (${why})`, { cause: error });
}

/** 0 when it is no close event. */
function closeCodeOf(error: unknown): number {
  const isClose = typeof error === 'object' && error !== null && 'code' in error;
  return isClose && typeof error.code === 'number' ? error.code : 0;
}
