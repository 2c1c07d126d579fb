import type { IncomingMessage } from 'node:http';
import type { GitConfig } from '../git/environment.ts';
import type { Git } from '../git/git.ts';
import type { Limits } from './limiter.ts';
import type { LandOptions, Push, RefUpdate } from './push.ts';
import type { Service } from './route.ts';

/** What a request's URL names. */
export interface RepositoryRequest {
  readonly request: IncomingMessage;
  /**
   * The URL's path before git's own part of it, decoded, without the prefix and the slashes around it:
   * `team/site.git`. Never has a part that is empty, `.` or `..`, a backslash or a control character; is
   * empty for a repository at the root itself.
   */
  readonly name: string;
}

/** A repository that is served, and how. */
export interface ServedRepository {
  /** A bare repository, a working tree, or a linked one. */
  readonly path: string;
  /**
   * Whether its hooks run on a push, with the environment of this process's user. Only for a repository
   * whose folder nobody writes to whom you would not give a shell. Default: false.
   */
  readonly hooks?: boolean;
  /** git configuration for this repository, over its own: `[['receive.maxInputSize', '1g']]`. */
  readonly config?: GitConfig;
}

/** What `authorize` decides. */
export interface Access {
  readonly request: IncomingMessage;
  readonly name: string;
  /** null when there is none: then `allow` gives 404, and everything else what it says, so that an
   * answer need not tell which names exist. */
  readonly repository: ServedRepository | null;
  /** `git-receive-pack` to push; `git-upload-pack` to read, by the dumb protocol too. */
  readonly service: Service;
}

export type Decision =
  /** `caller` names who asks, to the limiter, to `onPush` and to hooks (`REMOTE_USER`). */
  | { readonly kind: 'allow'; readonly caller?: string }
  /** 401: git asks its user, or a credential helper, for a name and password. */
  | { readonly kind: 'challenge'; readonly realm: string; readonly message?: string }
  /** 403. The message is shown to the user. */
  | { readonly kind: 'deny'; readonly message?: string }
  /** 404, as if there were no such repository. */
  | { readonly kind: 'hide' };

export interface GitHttpOptions {
  /** Finds the repository that a request names; null when there is none. */
  readonly resolve: (
    wanted: RepositoryRequest,
  ) => ServedRepository | null | Promise<ServedRepository | null>;
  /** Asked for each request, the POST as well as `info/refs`: git's requests share no session. */
  readonly authorize: (access: Access) => Decision | Promise<Decision>;
  /**
   * Called when a push's commands are known and nothing has landed. It lets the push land, or throws an
   * `AppError`, whose message the pusher sees. The answer ends when it has.
   * Default: let it land.
   */
  readonly onPush?: (
    push: Push,
    land: (options?: LandOptions) => Promise<readonly RefUpdate[]>,
  ) => Promise<void>;
  /**
   * Told of what went wrong on our side, or git's; the client was told no more than that it did. Without
   * a request it is about housekeeping.
   */
  readonly onError?: (error: unknown, request?: IncomingMessage) => void;
  /** The path this is mounted at, where the server leaves it in the URL: `/git`. Default: none. */
  readonly prefix?: string;
  /** Whether the dumb protocol's files are served, unreachable objects among them. Default: false. */
  readonly dumb?: boolean;
  /** Refs that clients neither see nor may push to. Default: `refs/gitagent`. */
  readonly hideRefs?: readonly string[];
  /** Origins whose pages may use the repositories: `https://editor.example.com`, or `*`. Default: none. */
  readonly corsOrigins?: readonly string[];
  /** Default: 32 in all, 24 for one repository, 16 for one caller; 1000 wait, 500 of one caller, 5 minutes. */
  readonly limits?: Partial<Limits>;
  /** Bytes of a fetch's request, or of any request once inflated. Default: 64 MiB. */
  readonly maxRequestBytes?: number;
  /** Bytes of a push's commands, which are held in memory; some 100 each. Default: 16 MiB. */
  readonly maxCommandBytes?: number;
  /** A client that takes nothing, or sends nothing that is waited for, for so long is cut off. Default: 2 minutes. */
  readonly stallMs?: number;
  /** How long git may go on with a push whose client has gone. Default: 10 seconds. */
  readonly graceMs?: number;
  /** Whether `git maintenance run --auto` follows a push, in the background. Default: true. */
  readonly maintenance?: boolean;
  /** Default: git of this process's PATH, in an environment made from an allow list. */
  readonly git?: Git;
}
