/** GraphQL as programs speak it to the agent: over HTTP, over graphql-ws, and as server-sent events. */
import assert from 'node:assert/strict';
import { once } from 'node:events';
import { request as createRequest, type IncomingMessage } from 'node:http';
import { createClient, type Client } from 'graphql-ws';
import { WebSocket } from 'ws';
import { createGitAgentClient, GitAgentError, type Operation } from '../../src/client/index.ts';
import { within } from './deadline.ts';

export interface Answer<TResult> {
  readonly data?: TResult | null;
  readonly errors?: readonly AnswerError[];
}

export interface AnswerError {
  readonly message: string;
  readonly path?: readonly (string | number)[];
  readonly extensions?: Readonly<Record<string, unknown>>;
}

export interface RequestOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
}

/** Asks by POST, without our client, and gives the answer, errors and all. */
export async function ask<TResult = Record<string, unknown>, TVariables = object>(
  url: string,
  operation: Operation<TResult, TVariables>,
  variables?: TVariables,
  options: RequestOptions = {},
): Promise<Answer<TResult>> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', ...options.headers },
    body: JSON.stringify({ query: String(operation), variables }),
    signal: options.signal ?? AbortSignal.timeout(30_000),
  });
  return (await response.json()) as Answer<TResult>;
}

/** Asks as other programs do, with the typed client, and gives the data; throws its errors. */
export async function query<TResult = Record<string, unknown>, TVariables = object>(
  url: string,
  operation: Operation<TResult, TVariables>,
  variables?: TVariables,
  { headers = {}, signal = AbortSignal.timeout(30_000) }: RequestOptions = {},
): Promise<TResult> {
  const client = createGitAgentClient({ url, headers });
  return await client.query<TResult>(String(operation), { ...variables }, { signal });
}

/** An answer's data; fails the test when there are errors. */
export function dataOf<TResult>(answer: Answer<TResult>): TResult {
  assert.deepEqual(answer.errors ?? [], []);
  assert.ok(answer.data != null, 'the answer has data');
  return answer.data;
}

/** Asks with the typed client and gives the code of the one error that it must be answered with. */
export async function refusal<TResult, TVariables>(
  url: string,
  operation: Operation<TResult, TVariables>,
  variables?: TVariables,
  options: RequestOptions = {},
): Promise<{ code: unknown; message: string; extensions: Readonly<Record<string, unknown>> }> {
  const error: unknown = await query(url, operation, variables, options).then(
    (data) => assert.fail(`it must be refused: ${JSON.stringify(data)}`),
    (reason: unknown) => reason,
  );
  if (!(error instanceof GitAgentError) || error.errors.length !== 1) throw error;
  const { message, extensions } = error;
  return { code: extensions['code'], message, extensions };
}

export interface SocketOptions {
  readonly headers?: Readonly<Record<string, string>>;
  readonly connectionParams?: Record<string, unknown>;
}

/** A graphql-ws client with one socket. */
export interface GraphQLSocket extends AsyncDisposable {
  readonly client: Client;
  /** Resolves once the server has accepted the socket, with the socket itself. */
  connected(): Promise<WebSocket>;
  /** How the socket was closed. */
  readonly closed: Promise<{ readonly code: number; readonly reason: string }>;
  /** Leaving the loop unsubscribes. */
  subscribe<TResult, TVariables>(
    operation: Operation<TResult, TVariables>,
    variables?: TVariables,
  ): AsyncIterableIterator<TResult>;
}

/** Opens a socket at once; it is never opened again. */
export function openSocket(url: string, options: SocketOptions = {}): GraphQLSocket {
  const closed = Promise.withResolvers<{ code: number; reason: string }>();
  const connected = Promise.withResolvers<WebSocket>();
  connected.promise.catch(() => undefined);
  class Socket extends WebSocket {
    constructor(address: string | URL, protocols?: string | string[]) {
      super(address, protocols, { headers: options.headers ?? {} });
    }
  }
  const client = createClient({
    url: `${url.replace(/^http/, 'ws')}/graphql`,
    webSocketImpl: Socket,
    connectionParams: options.connectionParams ?? {},
    lazy: false,
    retryAttempts: 0,
    onNonLazyError: () => undefined,
    on: {
      connected: (socket) => {
        connected.resolve(socket as WebSocket);
      },
      error: (error) => {
        connected.reject(error instanceof Error ? error : new Error('the socket failed'));
      },
      closed: (event) => {
        const { code, reason } = event as { code: number; reason: string };
        closed.resolve({ code, reason });
        connected.reject(new Error(`the socket was closed with ${code} ${reason}`));
      },
    },
  });
  return {
    client,
    connected: async () => await within(connected.promise, 'the socket is accepted'),
    closed: closed.promise,
    subscribe(operation, variables) {
      const payload = { query: String(operation), variables: { ...variables } };
      return mapResults(client.iterate(payload) as AsyncIterableIterator<Answer<never>>);
    },
    async [Symbol.asyncDispose]() {
      await client.dispose();
    },
  };
}

/** Subscribes with server-sent events, as `curl -N` does. Leaving the loop closes the connection. */
export function openEvents<TResult, TVariables>(
  url: string,
  operation: Operation<TResult, TVariables>,
  variables?: TVariables,
  options: RequestOptions = {},
): AsyncIterableIterator<TResult> {
  const left = new AbortController();
  const payload = JSON.stringify({ query: String(operation), variables });
  const results = mapResults(readEvents<TResult>(url, payload, options.headers ?? {}, left.signal));
  return {
    ...results,
    [Symbol.asyncIterator]() {
      return this;
    },
    async return() {
      left.abort();
      return await Promise.resolve({ done: true, value: undefined });
    },
  };
}

async function* readEvents<TResult>(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): AsyncGenerator<Answer<TResult>> {
  const response = await postForEvents(url, body, headers, signal);
  assert.match(response.headers['content-type'] ?? '', /^text\/event-stream/);
  for await (const { event, data } of parseEvents(response)) {
    if (event === 'complete') return;
    yield JSON.parse(data) as Answer<TResult>;
  }
  assert.fail('the events end with "complete"');
}

/** Not by `fetch`: that opens a new connection for each one that is cut, to have it ready. */
export async function postForEvents(
  url: string,
  body: string,
  headers: Readonly<Record<string, string>>,
  signal: AbortSignal,
): Promise<IncomingMessage> {
  const request = createRequest(`${url}/graphql`, {
    agent: false,
    method: 'POST',
    headers: { 'content-type': 'application/json', accept: 'text/event-stream', ...headers },
    signal,
  });
  request.end(body);
  const [response] = (await once(request, 'response')) as [IncomingMessage];
  return response;
}

/** https://html.spec.whatwg.org/multipage/server-sent-events.html, as far as the agent uses it. */
async function* parseEvents(
  body: AsyncIterable<Uint8Array>,
): AsyncGenerator<{ event: string; data: string }> {
  const decoder = new TextDecoder();
  const parts: string[] = [];
  for await (const bytes of body) {
    const text = decoder.decode(bytes, { stream: true });
    parts.push(text);
    if (!text.includes('\n')) continue;
    const blocks = parts.join('').split('\n\n');
    parts.length = 0;
    parts.push(blocks.pop() ?? '');
    for (const block of blocks) {
      const fields = new Map(
        block
          .split('\n')
          .filter((line) => line !== '' && !line.startsWith(':'))
          .map((line) => [line.split(':', 1)[0] ?? '', line.replace(/^[^:]*: ?/, '')]),
      );
      const event = fields.get('event');
      if (event !== undefined) yield { event, data: fields.get('data') ?? '' };
    }
  }
}

/** Gives each result's data, and fails the test at the first error. */
function mapResults<TResult>(
  results: AsyncIterableIterator<Answer<TResult>>,
): AsyncIterableIterator<TResult> {
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      const result = await within(results.next(), 'the next event arrives');
      if (result.done === true) return { done: true, value: undefined };
      return { done: false, value: dataOf(result.value) };
    },
    async return() {
      await results.return?.();
      return { done: true, value: undefined };
    },
  };
}
