/** Why an agent refused something. Other codes may come with newer agents. */
export type GitAgentErrorCode =
  /** No valid credentials came with the request. */
  | 'UNAUTHENTICATED'
  /** The caller is known and may not do this. */
  | 'FORBIDDEN'
  /** What was named does not exist. */
  | 'NOT_FOUND'
  /** The request itself is wrong; sending it again will not help. */
  | 'BAD_USER_INPUT'
  /** Another job holds the repository. */
  | 'BUSY'
  /** The repository's present state forbids it. */
  | 'CONFLICT'
  /** A bound was reached: size, cost, concurrency. */
  | 'LIMIT_EXCEEDED'
  /** A bug of the agent; `extensions.id` is in its log too. */
  | 'INTERNAL';

/** One error of an answer, as GraphQL says it. */
export interface AnswerError {
  readonly message: string;
  readonly path?: readonly (string | number)[] | undefined;
  readonly extensions?: Readonly<Record<string, unknown>> | undefined;
}

/** The agent answered, and refused. Sending the same again gives the same answer, unless the code is `BUSY`. */
export class GitAgentError extends Error {
  override readonly name = 'GitAgentError';
  /** One of `GitAgentErrorCode`, or what a newer agent says. */
  readonly code: string;
  /** The facts behind it, such as the files in the way. */
  readonly extensions: Readonly<Record<string, unknown>>;
  /** All errors of the answer; the message and the code are those of the first. */
  readonly errors: readonly AnswerError[];
  /** What the answer had besides errors, else null. */
  readonly data: unknown;

  constructor(errors: readonly AnswerError[], data: unknown = null) {
    const [first] = errors;
    super(first?.message ?? 'the agent gave no reason');
    const { extensions = {} } = first ?? {};
    this.code = typeof extensions['code'] === 'string' ? extensions['code'] : 'INTERNAL';
    this.extensions = extensions;
    this.errors = errors;
    this.data = data;
  }
}

/**
 * The agent was not reached, or the connection broke, or what answered is no agent. A query may be sent
 * again; of a mutation nobody knows whether it was done.
 */
export class GitAgentNetworkError extends Error {
  override readonly name = 'GitAgentNetworkError';
  /** Of an HTTP answer that is no agent's, such as a proxy's 502; else null. */
  readonly status: number | null;

  constructor(message: string, options: ErrorOptions & { readonly status?: number } = {}) {
    super(message, options);
    this.status = options.status ?? null;
  }
}

/** What is known of a failure of `fetch` or a socket, in few words: a system's code where there is one. */
export function reasonOf(error: unknown): string {
  for (let cause = error; typeof cause === 'object' && cause !== null;) {
    if ('code' in cause && typeof cause.code === 'string') return cause.code;
    if ('cause' in cause && cause.cause !== undefined) cause = cause.cause;
    else if ('error' in cause && cause.error instanceof Error) cause = cause.error;
    else if ('message' in cause && typeof cause.message === 'string' && cause.message !== '')
      return cause.message;
    else break;
  }
  return 'the connection failed';
}
