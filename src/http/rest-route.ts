import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Caller } from '../auth/caller.ts';
import type { RequestArguments } from './request-arguments.ts';

/** What a route of the REST interface works with. */
export interface Exchange {
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  readonly args: RequestArguments;
  readonly caller: Caller;
  /** Aborted when the client has gone. */
  readonly signal: AbortSignal;
  /** The decoded groups of the route's pattern. */
  readonly params: readonly string[];
  /** @throws AppError UNAUTHENTICATED when the same signed request has changed something before */
  readonly refuseReplay: () => void;
}

export interface Route {
  /** A GET route answers HEAD too: `send` leaves the body out. */
  readonly method: 'GET' | 'POST' | 'DELETE';
  /** Matches the whole path as it was sent. */
  readonly path: RegExp;
  /** The route calls `refuseReplay` itself, before it changes anything. */
  readonly looksForReplays?: true;
  /** @throws AppError */
  answer(exchange: Exchange): Promise<void> | void;
}

/** A route that asks nobody who he is, and takes no arguments. */
export interface PublicRoute {
  readonly method: 'GET';
  readonly path: RegExp;
  answerAnybody(request: IncomingMessage, response: ServerResponse): void;
}
