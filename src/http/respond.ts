import { createHash } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import { AppError, type ErrorCode } from '../error.ts';

/** The one table from our errors to HTTP's. */
export const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
  UNAUTHENTICATED: 401,
  FORBIDDEN: 403,
  NOT_FOUND: 404,
  BAD_USER_INPUT: 400,
  BUSY: 409,
  CONFLICT: 409,
  LIMIT_EXCEEDED: 429,
  COMMAND_FAILED: 500,
  CANCELLED: 499,
};

/** What a 401 offers: RFC 7617 and RFC 6750. */
export const CHALLENGE = 'Basic realm="GitAgent", charset="UTF-8", Bearer realm="GitAgent"';

/** Sends a whole body, and none to HEAD. */
export function send(
  response: ServerResponse,
  status: number,
  contentType: string,
  body: string | Buffer,
  headers: Readonly<Record<string, string>> = {},
): void {
  const bytes = typeof body === 'string' ? Buffer.from(body) : body;
  response.writeHead(status, {
    'Content-Type': contentType,
    'Content-Length': bytes.length,
    ...headers,
  });
  response.end(response.req.method === 'HEAD' ? undefined : bytes);
}

/**
 * Sends JSON as the Python GitAgent wrote it, byte for byte: keys sorted, four spaces, non-ASCII as it
 * is, no newline at the end; with its ETag on an answer to GET, and 304 to who has that already.
 */
export function sendLegacyJson(
  request: IncomingMessage,
  response: ServerResponse,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = JSON.stringify(sortKeys(value), null, 4);
  const contentType = 'application/json; charset=UTF-8';
  if (request.method !== 'GET') {
    send(response, 200, contentType, body, headers);
    return;
  }
  const etag = `"${createHash('sha1').update(body).digest('hex')}"`;
  const known = request.headers['if-none-match']?.split(',').map((tag) => tag.trim()) ?? [];
  if (known.includes(etag) || known.includes('*')) {
    response.writeHead(304, { Etag: etag, ...headers }).end();
    return;
  }
  send(response, 200, contentType, body, { Etag: etag, ...headers });
}

function sortKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sortKeys);
  if (typeof value !== 'object' || value === null) return value;
  const entries = Object.entries(value).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(entries.map(([key, each]) => [key, sortKeys(each)]));
}

/** Sends an error as RFC 9457 has it. */
export function sendProblem(
  response: ServerResponse,
  status: number,
  detail: string,
  members: Readonly<Record<string, unknown>> = {},
  headers: Readonly<Record<string, string>> = {},
): void {
  const problem = { title: STATUS_CODES[status] ?? 'Error', status, detail, ...members };
  const challenge: Record<string, string> = status === 401 ? { 'WWW-Authenticate': CHALLENGE } : {};
  send(response, status, 'application/problem+json', `${JSON.stringify(problem, null, 2)}\n`, {
    ...challenge,
    ...headers,
  });
}

/** Sends what was thrown. What no caller may see goes to `onBug`, whose id the answer names. */
export function sendError(
  response: ServerResponse,
  error: unknown,
  onBug: (error: unknown) => string,
): void {
  if (response.headersSent) {
    // Too late for a status: an answer that breaks off must not look whole.
    response.destroy();
    if (!(error instanceof AppError)) onBug(error);
    return;
  }
  if (error instanceof AppError) {
    const { code, message, detail } = error;
    sendProblem(response, STATUS_OF[code], message, { code, ...detail });
    return;
  }
  const id = onBug(error);
  sendProblem(response, 500, 'the agent failed; its log says how', { code: 'INTERNAL', id });
}
