import type { IncomingMessage } from 'node:http';
import type { Oid } from '../git/oid.ts';
import type { ServedRepository } from './options.ts';

/** A ref that a push moves. */
export interface RefUpdate {
  /** In full, as in `refs/heads/main`. */
  readonly name: string;
  /** What the pusher believes it to be; null when it is to be created. */
  readonly beforeOid: Oid | null;
  /** null when it is to be deleted. */
  readonly afterOid: Oid | null;
}

/** A push whose commands have arrived. Its objects have not. */
export interface Push {
  readonly request: IncomingMessage;
  readonly repository: ServedRepository;
  /** As `authorize` named it. */
  readonly caller: string | undefined;
  readonly updates: readonly RefUpdate[];
  /** What the pusher gave as `git push -o`. */
  readonly options: readonly string[];
  /** All of it or nothing. */
  readonly isAtomic: boolean;
}

export interface LandOptions {
  /** Ends the push. */
  readonly signal?: AbortSignal;
  /** What the pusher is shown meanwhile: progress, and what hooks print. */
  readonly onOutput?: (bytes: Buffer) => void;
}
