import { STATUS_CODES, type Server } from 'node:http';
import type { Duplex } from 'node:stream';
import { formatRefusal } from './respond.ts';

/** What node:http could not read as a request; as it answers itself, but with words. */
const REFUSALS: Readonly<Record<string, readonly [status: number, detail: string]>> = {
  HPE_INVALID_URL: [
    400,
    'the path or the query has characters that must be percent-encoded, such as a space or letters that are not ASCII',
  ],
  HPE_INVALID_METHOD: [405, 'there is no such method'],
  HPE_HEADER_OVERFLOW: [431, 'the headers are too long'],
  ERR_HTTP_REQUEST_TIMEOUT: [408, 'the headers did not come in time'],
};

const CLOSE_MS = 1000;

/** Answers what is no request, and closes the connection. */
export function answerClientErrors(server: Server): void {
  const answering = new WeakSet<Duplex>();
  server.on('request', ({ socket }, response) => {
    answering.add(socket);
    response.once('close', () => answering.delete(socket));
  });
  server.on('clientError', (error: NodeJS.ErrnoException, socket) => {
    // In the middle of an answer another one would be taken for its rest.
    if (!socket.writable || answering.has(socket)) {
      socket.destroy();
      return;
    }
    const [status, detail] = REFUSALS[error.code ?? ''] ?? [400, STATUS_CODES[400] ?? ''];
    const headers = { ...(status === 405 && { Allow: 'GET, HEAD, POST, DELETE' }) };
    socket.end(formatRefusal(status, detail, {}, headers));
    // A client that does not close its side would keep ours.
    setTimeout(() => socket.destroy(), CLOSE_MS).unref();
  });
}
