import type { IncomingMessage, ServerResponse } from 'node:http';

const PREFLIGHT: Readonly<Record<string, string>> = {
  'Access-Control-Allow-Methods': 'GET, HEAD, POST',
  'Access-Control-Allow-Headers': 'Authorization, Content-Type, Content-Encoding, Git-Protocol',
  'Access-Control-Max-Age': '86400',
};

/**
 * Lets pages of other origins (git clients in a browser) use the repositories. They send their
 * credentials in a header of their own: a browser's stored ones are not offered to them.
 * @returns whether the request was a preflight, which is answered now
 */
export function answerCors(
  request: IncomingMessage,
  response: ServerResponse,
  origins: readonly string[],
): boolean {
  const { origin } = request.headers;
  if (origin === undefined || origins.length === 0) return false;
  response.setHeader('Vary', 'Origin');
  const isAllowed = origins.includes('*') || origins.includes(origin);
  if (!isAllowed) return false;
  response.setHeader('Access-Control-Allow-Origin', origin);
  response.setHeader('Access-Control-Expose-Headers', 'WWW-Authenticate, Retry-After');
  if (request.method !== 'OPTIONS') return false;
  response.writeHead(204, PREFLIGHT).end();
  return true;
}
