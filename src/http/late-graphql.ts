import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Caller } from '../auth/caller.ts';
import type { GraphQLHandler } from './graphql.ts';

/** GraphQL whose code may still have to be loaded. */
export interface LateGraphQL {
  /** As `GraphQLHandler.handle`. */
  handle(request: IncomingMessage, response: ServerResponse, caller: Caller): Promise<void>;
  /** As `GraphQLHandler.upgrade`, once it is loaded. @throws AppError LIMIT_EXCEEDED */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): Promise<void>;
  /** As `GraphQLHandler.close`. */
  close(graceMs: number): Promise<void>;
  /** Begins to load it, unless somebody has asked for it before. */
  warm(): void;
}

/**
 * GraphQL is more than half of all that the agent loads, and takes longest: REST, git and health need
 * none of it. So it is loaded when it is first asked for, or when the agent has been up for a while.
 */
export function createLateGraphQL(load: () => Promise<GraphQLHandler>): LateGraphQL {
  let loading: Promise<GraphQLHandler> | undefined;
  const loaded = async (): Promise<GraphQLHandler> => await (loading ??= load());
  return {
    async handle(request, response, caller) {
      await (await loaded()).handle(request, response, caller);
    },
    async upgrade(request, socket, head) {
      (await loaded()).upgrade(request, socket, head);
    },
    async close(graceMs) {
      await (await loading)?.close(graceMs);
    },
    warm() {
      loaded().catch(() => undefined); // Whoever asks for it is told.
    },
  };
}
