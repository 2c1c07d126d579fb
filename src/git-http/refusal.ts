import type { OutgoingHttpHeaders } from 'node:http';
import { AppError, type ErrorCode } from '../error.ts';
import { PktLineError } from './pkt-line.ts';

/** A request that is answered with a status of its own, and a text for the client, before git has said anything. */
export class Refusal extends Error {
  override readonly name = 'Refusal';
  readonly status: number;
  readonly headers: OutgoingHttpHeaders;

  constructor(status: number, message: string, headers: OutgoingHttpHeaders = {}) {
    super(message);
    this.status = status;
    this.headers = headers;
  }
}

/** The one table from our errors to statuses. */
const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  BAD_USER_INPUT: 400,
  BUSY: 503,
  CONFLICT: 409,
  LIMIT_EXCEEDED: 429,
  COMMAND_FAILED: 500,
  CANCELLED: 503,
};

/** git from 2.55 on waits so long and tries again, when it is told to (`http.maxRetries`). */
const RETRY_AFTER_SECONDS = 10;

/** The answer that an error stands for; null for one that is our mistake, or git's. */
export function toRefusal(error: unknown): Refusal | null {
  if (error instanceof Refusal) return error;
  if (error instanceof AppError) {
    const status = STATUS_OF[error.code];
    const mayRetry = status === 429 || status === 503;
    const headers = mayRetry ? { 'Retry-After': RETRY_AFTER_SECONDS } : {};
    return new Refusal(status, error.message, headers);
  }
  if (error instanceof PktLineError) return new Refusal(400, error.message);
  if (error instanceof Error && 'code' in error && String(error.code).startsWith('Z_')) {
    return new Refusal(400, 'the request is no gzip');
  }
  return null;
}

/** 401, with which git asks its user, or a credential helper, for a name and password (RFC 7617). */
export function challenge(realm: string, message?: string): Refusal {
  const quoted = realm.replaceAll(/["\\]/g, String.raw`\$&`);
  return new Refusal(401, message ?? 'Authorization needed to access this repository', {
    'WWW-Authenticate': `Basic realm="${quoted}", charset="UTF-8"`,
  });
}
