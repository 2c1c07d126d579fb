/**
 * What went wrong, in the one vocabulary that every boundary translates:
 * `http` to a status, `schema` to `extensions.code`, the command line to an exit code.
 */
export type ErrorCode =
  /** No valid credentials came with the request. */
  | 'UNAUTHENTICATED'
  /** The caller is known and may not do this. */
  | 'FORBIDDEN'
  /** The thing that was named does not exist (or the caller may not know that it does). */
  | 'NOT_FOUND'
  /** The request itself is wrong; sending it again will not help. */
  | 'BAD_USER_INPUT'
  /** Another job holds the repository's lock. */
  | 'BUSY'
  /** The repository's present state forbids it: dirty files, a diverged branch, a merge in progress. */
  | 'CONFLICT'
  /** A bound was reached: size, cost, concurrency. */
  | 'LIMIT_EXCEEDED'
  /** A git or configured command ran and failed. */
  | 'COMMAND_FAILED'
  /** The caller cancelled the work. */
  | 'CANCELLED';

/**
 * An error whose message may be shown to the caller. Everything else that is thrown is a bug:
 * it is masked as `INTERNAL` and logged once with an id.
 *
 * Messages are short, lower-case and factual, and end with the way out.
 */
export class AppError extends Error {
  override readonly name = 'AppError';
  readonly code: ErrorCode;
  /** Facts behind the message that a program may use: the files in the way, who holds the lock. */
  readonly detail: Readonly<Record<string, unknown>> | undefined;

  constructor(
    code: ErrorCode,
    message: string,
    detail?: Readonly<Record<string, unknown>>,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.code = code;
    this.detail = detail;
  }
}
