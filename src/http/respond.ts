import { createHash } from 'node:crypto';
import { STATUS_CODES, type IncomingMessage, type ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { AppError, type ErrorCode } from '../error.ts';

/** The one table from our errors to HTTP's. */
const STATUS_OF: Readonly<Record<ErrorCode, number>> = {
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
const CHALLENGE = 'Basic realm="GitAgent", charset="UTF-8", Bearer realm="GitAgent"';

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

export const LEGACY_JSON = 'application/json; charset=UTF-8';

/** JSON as the Python GitAgent wrote it, byte for byte: keys sorted, four spaces, non-ASCII as it is. */
export function formatLegacyJson(value: unknown): string {
  return JSON.stringify(sortKeys(value), null, 4);
}

/** Sends that, with its ETag on an answer to GET, and 304 to who has it already. */
export function sendLegacyJson(
  request: IncomingMessage,
  response: ServerResponse,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): void {
  const body = formatLegacyJson(value);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    send(response, 200, LEGACY_JSON, body, headers);
    return;
  }
  const etag = `"${createHash('sha1').update(body).digest('hex')}"`;
  const tags = request.headers['if-none-match']?.split(',') ?? [];
  // A proxy that compressed the body made the tag a weak one.
  const known = new Set(tags.map((tag) => tag.trim().replace(/^W\//, '')));
  if (known.has(etag) || known.has('*')) {
    response.writeHead(304, { Etag: etag, ...headers }).end();
    return;
  }
  send(response, 200, LEGACY_JSON, body, { Etag: etag, ...headers });
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
  const problem = formatProblem(status, detail, members);
  send(response, status, PROBLEM_JSON, problem, { ...challenge(status), ...headers });
}

const PROBLEM_JSON = 'application/problem+json';

function formatProblem(
  status: number,
  detail: string,
  members: Readonly<Record<string, unknown>>,
): string {
  const problem = { title: STATUS_CODES[status] ?? 'Error', status, detail, ...members };
  return `${JSON.stringify(problem, null, 2)}\n`;
}

function challenge(status: number): Record<string, string> {
  return status === 401 ? { 'WWW-Authenticate': CHALLENGE } : {};
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
  const { status, detail, members } = problemOf(error, onBug);
  try {
    sendProblem(response, status, detail, members);
  } catch (again) {
    // What could not be answered has left a head that Node does not send; thrown here it would end the agent.
    response.destroy();
    onBug(again);
  }
}

/** The same, to a handshake, which has no response but its bare socket. */
export function refuseUpgrade(
  socket: Duplex,
  error: unknown,
  onBug: (error: unknown) => string,
): void {
  const { status, detail, members } = problemOf(error, onBug);
  socket.end(formatRefusal(status, detail, members));
}

/** A whole answer for a bare socket, which is closed after it. */
export function formatRefusal(
  status: number,
  detail: string,
  members: Readonly<Record<string, unknown>>,
  headers: Readonly<Record<string, string>> = {},
): string {
  const body = formatProblem(status, detail, members);
  const lines = Object.entries({
    Connection: 'close',
    'Content-Type': PROBLEM_JSON,
    'Content-Length': Buffer.byteLength(body),
    ...challenge(status),
    ...headers,
  }).map(([name, value]) => `${name}: ${value}`);
  const head = [`HTTP/1.1 ${status} ${STATUS_CODES[status] ?? 'Error'}`, ...lines];
  return `${head.join('\r\n')}\r\n\r\n${body}`;
}

function problemOf(
  error: unknown,
  onBug: (error: unknown) => string,
): { status: number; detail: string; members: Readonly<Record<string, unknown>> } {
  if (error instanceof AppError) {
    const { code, message, detail } = error;
    return { status: STATUS_OF[code], detail: message, members: { code, ...detail } };
  }
  const id = onBug(error);
  const members = { code: 'INTERNAL', id };
  return { status: 500, detail: 'the agent failed; its log says how', members };
}
