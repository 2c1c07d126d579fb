import { followOutput, type FollowOutputOptions, type OutputChunk } from './follow-output.ts';
import { payloadOf, type Operation, type OperationArguments } from './operation.ts';
import { request } from './request.ts';
import { createSocketPool } from './socket.ts';
import { createSubscription, type ReconnectOptions } from './subscription.ts';

export interface GitAgentClientOptions {
  /** Where the agent is, such as `http://127.0.0.1:10000`; a page that it serves gives `location.origin`. */
  readonly url: string;
  /** The agent's password, or with `user` that user's. */
  readonly password?: string;
  /** A user of the access file. */
  readonly user?: string;
  /** Sent as `Bearer`, instead of a password. */
  readonly token?: string;
  /** Added to requests over HTTP. A browser's sockets cannot have any. */
  readonly headers?: Readonly<Record<string, string>>;
  /** Instead of the global one. */
  readonly fetch?: typeof globalThis.fetch;
  /** A class, instead of the global one; such as that of `ws`. */
  readonly WebSocket?: unknown;
  /** How long subscriptions try to get their connection back. */
  readonly reconnect?: ReconnectOptions;
}

export interface RequestOptions {
  readonly signal?: AbortSignal;
}

export interface SubscribeOptions<TResult, TVariables> {
  /** When it is aborted the iteration throws its reason. */
  readonly signal?: AbortSignal;
  /**
   * The variables with which to subscribe again behind a result, where the subscription has a cursor.
   * Without it, it begins again with the present state: what was in between is left out.
   */
  readonly resume?: (last: TResult) => TVariables;
}

/** A client of one agent. Leaving an `await using` block closes it. */
export interface GitAgentClient extends AsyncDisposable {
  /**
   * Asks for something.
   * @throws GitAgentError when the agent refuses any part of it
   * @throws GitAgentNetworkError
   */
  query<TResult = Record<string, unknown>, TVariables = Record<string, unknown>>(
    operation: Operation<TResult, TVariables>,
    ...args: OperationArguments<TVariables, RequestOptions>
  ): Promise<TResult>;
  /**
   * Changes something. A job that takes minutes is better followed than waited for: `wait` needs one
   * connection that holds for all that time, and Node's own `fetch` gives up after five minutes.
   * @throws GitAgentError when the agent refuses
   * @throws GitAgentNetworkError: then nobody knows whether it was done
   */
  mutate<TResult = Record<string, unknown>, TVariables = Record<string, unknown>>(
    operation: Operation<TResult, TVariables>,
    ...args: OperationArguments<TVariables, RequestOptions>
  ): Promise<TResult>;
  /**
   * Watches something: the present state, then each change, over any number of connections. It begins
   * when the first result is asked for; leaving the loop unsubscribes. At most 16 results wait for a
   * slow consumer; what it then misses is as after a lost connection, see `resume`.
   * @throws GitAgentError when the agent refuses
   * @throws GitAgentNetworkError when it stays away for too long, see `reconnect`
   */
  subscribe<TResult = Record<string, unknown>, TVariables = Record<string, unknown>>(
    operation: Operation<TResult, TVariables>,
    ...args: OperationArguments<TVariables, SubscribeOptions<TResult, TVariables>>
  ): AsyncIterableIterator<TResult, undefined>;
  /**
   * What a job prints, each byte once and in order, however often the connection breaks or the agent
   * is started anew. Ends with the job. A slow consumer slows nobody down but himself.
   * @throws GitAgentError NOT_FOUND
   * @throws GitAgentNetworkError when the agent stays away for too long, see `reconnect`
   */
  followOutput(options: FollowOutputOptions): AsyncIterableIterator<OutputChunk, undefined>;
  /** Ends all subscriptions, without an error, and closes their socket. */
  close(): void;
}

/** Opens nothing yet. Runs in Node and in browsers. */
export function createGitAgentClient(options: GitAgentClientOptions): GitAgentClient {
  const { protocol, username, password } = new URL(options.url);
  if (!/^https?:$/.test(protocol)) throw new TypeError('the url begins with http:// or https://');
  if (username !== '' || password !== '') {
    throw new TypeError('give the password as an option, not in the url');
  }
  const endpoint = `${options.url.replace(/\/+$/, '')}/graphql`;
  const authorization = authorizationOf(options);
  const headers = { ...options.headers, ...(authorization !== null && { authorization }) };
  const given = Object.entries(headers).find(([name]) => name.toLowerCase() === 'authorization');
  const http = { endpoint, headers, fetch: options.fetch ?? globalThis.fetch.bind(globalThis) };
  const closed = new AbortController();
  const sockets = createSocketPool({
    endpoint: endpoint.replace(/^http/, 'ws'),
    // A browser's socket has no headers, so the agent takes it here as well.
    connectionParams: given === undefined ? {} : { authorization: given[1] },
    WebSocket: options.WebSocket ?? globalThis.WebSocket,
  });

  async function send<TResult, TVariables>(
    operation: Operation<TResult, TVariables>,
    ...[variables, { signal } = {}]: [variables?: TVariables, options?: RequestOptions]
  ): Promise<TResult> {
    return (await request(http, payloadOf(operation, variables), signal)) as TResult;
  }

  const client: GitAgentClient = {
    query: send,
    mutate: send,
    subscribe<TResult, TVariables>(
      operation: Operation<TResult, TVariables>,
      ...[variables, { signal, resume } = {}]: [
        variables?: TVariables,
        options?: SubscribeOptions<TResult, TVariables>,
      ]
    ) {
      return createSubscription<TResult>({
        ...options.reconnect,
        signal,
        closed: closed.signal,
        open: (last, subscriber) => {
          const again = last === undefined ? undefined : resume?.(last);
          return sockets.open(payloadOf(operation, again ?? variables), subscriber);
        },
      });
    },
    followOutput: (wanted) => followOutput(client, wanted),
    close() {
      closed.abort();
    },
    async [Symbol.asyncDispose]() {
      client.close();
      await Promise.resolve();
    },
  };
  return client;
}

function authorizationOf({ token, user = '', password }: GitAgentClientOptions): string | null {
  if (token !== undefined) return `Bearer ${token}`;
  if (password === undefined) return null;
  const bytes = new TextEncoder().encode(`${user}:${password}`);
  return `Basic ${btoa(String.fromCharCode(...bytes))}`;
}
