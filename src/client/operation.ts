import type { TypedDocumentString } from './generated/graphql.ts';

/** A typed document, such as `repoDocument`, or a text whose result is not typed. */
export type Operation<TResult, TVariables> = TypedDocumentString<TResult, TVariables> | string;

/** An operation's variables, which may be left out where none is needed, and options. */
export type OperationArguments<TVariables, TOptions> =
  Record<string, never> extends TVariables
    ? [variables?: TVariables, options?: TOptions]
    : [variables: TVariables, options?: TOptions];

/** What is sent, on either transport. */
export interface Payload {
  readonly query: string;
  readonly variables: Record<string, unknown>;
}

export function payloadOf<TResult, TVariables>(
  operation: Operation<TResult, TVariables>,
  variables: TVariables | undefined,
): Payload {
  return { query: String(operation), variables: { ...variables } };
}
