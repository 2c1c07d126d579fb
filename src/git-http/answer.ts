import { STATUS_CODES, type OutgoingHttpHeaders, type ServerResponse } from 'node:http';

/** What git's http-backend says of everything that may change. */
export const NO_CACHE: Readonly<Record<string, string>> = {
  Expires: 'Fri, 01 Jan 1980 00:00:00 GMT',
  Pragma: 'no-cache',
  'Cache-Control': 'no-cache, max-age=0, must-revalidate',
};

/**
 * Sends a short text with a status. git shows it to the user (`remote: ...`) when it is the answer to
 * `info/refs` and its type is exactly `text/plain`, parameters or not.
 */
export function sendText(
  response: ServerResponse,
  status: number,
  text: string,
  headers: OutgoingHttpHeaders = {},
): void {
  const body = Buffer.from(`${text}\n`);
  response.writeHead(status, STATUS_CODES[status] ?? 'Error', {
    ...NO_CACHE,
    'Content-Type': 'text/plain; charset=utf-8',
    'Content-Length': body.length,
    'X-Content-Type-Options': 'nosniff',
    ...headers,
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}

/**
 * Ends an answer that has begun and cannot be completed, so that the client can tell: a chunked one
 * lacks its last chunk, any other is reset. What was written before still arrives where it can.
 */
export function breakOff(response: ServerResponse): void {
  const { socket } = response;
  if (socket === null || socket.destroyed) {
    response.destroy();
  } else if (response.chunkedEncoding) {
    // Not the response's own destroy: that throws away what git said last, which is why it failed.
    socket.destroySoon();
  } else {
    socket.resetAndDestroy();
  }
}
