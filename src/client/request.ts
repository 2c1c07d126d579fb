import { GitAgentError, GitAgentNetworkError, reasonOf, type AnswerError } from './error.ts';
import type { Payload } from './operation.ts';

export interface RequestDeps {
  /** Of GraphQL, such as `http://127.0.0.1:10000/graphql`. */
  readonly endpoint: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly fetch: typeof globalThis.fetch;
}

/**
 * Sends an operation by POST and gives the data of the answer.
 * @throws GitAgentError when the agent refused, with what it gave nevertheless in `data`
 * @throws GitAgentNetworkError
 * @throws the signal's reason when it is aborted
 */
export async function request(
  { endpoint, headers, fetch }: RequestDeps,
  payload: Payload,
  signal: AbortSignal | undefined,
): Promise<unknown> {
  let status: number;
  let text: string;
  try {
    const response = await fetch(endpoint, {
      method: 'POST',
      headers: { 'content-type': 'application/json', accept: ACCEPT, ...headers },
      body: JSON.stringify(payload),
      ...(signal !== undefined && { signal }),
    });
    ({ status } = response);
    text = await response.text();
  } catch (error) {
    signal?.throwIfAborted();
    throw new GitAgentNetworkError(
      `cannot reach ${endpoint} (${reasonOf(error)}); does the agent run there?`,
      { cause: error },
    );
  }
  return readAnswer(endpoint, status, text);
}

const ACCEPT = 'application/graphql-response+json, application/json;q=0.9';

/** What an agent answers: GraphQL's response, or RFC 9457's problem where GraphQL was not reached. */
interface AnswerBody {
  readonly data?: unknown;
  readonly errors?: readonly AnswerError[];
  readonly title?: string;
  readonly detail?: string;
}

const CODES: Readonly<Record<number, string>> = {
  401: 'UNAUTHENTICATED',
  403: 'FORBIDDEN',
  413: 'LIMIT_EXCEEDED',
  429: 'LIMIT_EXCEEDED',
};

function readAnswer(endpoint: string, status: number, text: string): unknown {
  const body = parse(text);
  if (Array.isArray(body?.errors) && body.errors.length > 0) {
    throw new GitAgentError(body.errors, body.data);
  }
  if (body?.data !== undefined && body.data !== null) return body.data;
  const code = CODES[status];
  if (code !== undefined && body?.title !== undefined) {
    throw new GitAgentError([{ message: body.detail ?? body.title, extensions: { code } }]);
  }
  throw new GitAgentNetworkError(
    `${endpoint} answered with status ${status} and not as an agent does; is the URL right?`,
    { status },
  );
}

function parse(text: string): AnswerBody | null {
  try {
    const body: unknown = JSON.parse(text);
    return typeof body === 'object' ? body : null;
  } catch {
    return null;
  }
}
