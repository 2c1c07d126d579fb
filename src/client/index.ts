/** What `import 'gitagent/client'` gives: a typed client of a running agent, for Node and browsers. */
export {
  createGitAgentClient,
  type GitAgentClient,
  type GitAgentClientOptions,
  type RequestOptions,
  type SubscribeOptions,
} from './client.ts';
export * from './documents.ts';
export {
  GitAgentError,
  GitAgentNetworkError,
  type AnswerError,
  type GitAgentErrorCode,
} from './error.ts';
export type { FollowOutputOptions, OutputChunk } from './follow-output.ts';
export type * from './generated/graphql.ts';
export type { Operation, OperationArguments } from './operation.ts';
export type { ReconnectOptions } from './subscription.ts';
