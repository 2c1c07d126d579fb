import type { IncomingMessage } from 'node:http';
import { isIP } from 'node:net';
import { AppError } from '../error.ts';

/** Refuses requests that a foreign web page makes a browser send. */
export interface Guard {
  /** @throws AppError FORBIDDEN */
  check(request: IncomingMessage): void;
}

const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/**
 * Two attacks need no more than a page that somebody opens (FIELD.md, section 3.3). DNS rebinding makes
 * a foreign name point here: so where callers without credentials may do something, the name in `Host`
 * must be ours. A cross-site request carries the browser's stored credentials: so what changes
 * something, or opens a socket, must come from our own pages, or from no page at all.
 *
 * @param options.hosts names besides loopback that the agent answers to
 * @param options.isOpen whether callers without credentials may do something
 */
export function createGuard(options: {
  readonly hosts: readonly string[];
  readonly isOpen: boolean;
}): Guard {
  // A rebound name is never an address.
  const isOurs = (host: string): boolean => isLocal(host) || options.hosts.includes(host);
  return {
    check(request) {
      const given = request.headers.host ?? '';
      const host = hostnameOf(`http://${given}`);
      // Who gives none is no browser.
      if (options.isOpen && given !== '' && (host === null || !isOurs(host))) {
        throw new AppError(
          'FORBIDDEN',
          `this agent does not answer to the name ${JSON.stringify(host ?? given)}: add it to "hosts" in the configuration`,
        );
      }
      const changes =
        !SAFE_METHODS.has(request.method ?? '') || request.headers.upgrade !== undefined;
      if (changes) checkOrigin(request, options.hosts);
    },
  };
}

function checkOrigin(request: IncomingMessage, hosts: readonly string[]): void {
  const { origin, host } = request.headers;
  if (origin === undefined) {
    if (request.headers['sec-fetch-site'] !== 'cross-site') return;
    throw new AppError('FORBIDDEN', 'a page of another site may not do this');
  }
  const name = hostnameOf(origin);
  const isSame = name !== null && origin.replace(/^\w+:\/\//, '') === host;
  if (isSame) return;
  // Behind a proxy `Host` may be another one. Of an address that would let in what other programs serve
  // on its other ports.
  if (name !== null && hosts.includes(name) && !isLocal(name)) return;
  throw new AppError(
    'FORBIDDEN',
    `pages from ${JSON.stringify(origin)} may not do this: add their host to "hosts" in the configuration`,
  );
}

/** An address, or a name that always means this machine. */
function isLocal(host: string): boolean {
  return isIP(host) !== 0 || host === 'localhost' || host.endsWith('.localhost');
}

/** Lower-case and without port or brackets; null when it is no URL. */
function hostnameOf(url: string): string | null {
  return URL.parse(url)?.hostname.replace(/^\[|\]$/g, '') ?? null;
}
