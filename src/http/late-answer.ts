import type { ServerResponse } from 'node:http';
import { formatLegacyJson, LEGACY_JSON, send } from './respond.ts';

/**
 * An answer that may take hours. Proxies drop a connection on which nothing comes for a minute, so when it
 * takes long this sends the head, and a newline now and then: JSON may begin with any number of them
 * (RFC 8259, section 2). An answer in time is sent whole, with its length.
 */
export interface LateAnswer extends Disposable {
  /** @param value for `formatLegacyJson` */
  send(value: unknown): void;
}

/** Its status is 200, which goes out before the outcome is known. Disposing of it ends the newlines. */
export function createLateAnswer(
  response: ServerResponse,
  headers: Readonly<Record<string, string>>,
  heartbeatSeconds: number,
): LateAnswer {
  const beat = (): void => {
    if (!response.headersSent) {
      // nginx would keep the newlines for itself.
      const streamed = { 'X-Accel-Buffering': 'no', ...headers };
      response.writeHead(200, { 'Content-Type': LEGACY_JSON, ...streamed });
    }
    response.write('\n');
  };
  const timer = setInterval(beat, heartbeatSeconds * 1000);
  return {
    send(value) {
      const body = formatLegacyJson(value);
      if (response.headersSent) response.end(body);
      else send(response, 200, LEGACY_JSON, body, headers);
    },
    [Symbol.dispose]() {
      clearInterval(timer);
    },
  };
}
