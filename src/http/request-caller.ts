import type { IncomingMessage } from 'node:http';
import type { Authenticator, Caller } from '../auth/caller.ts';
import { decodePercent } from './percent-encoding.ts';
import type { RequestArguments } from './request-arguments.ts';

/**
 * Who makes a request of the REST interface: its arguments say so, or its header. Of several passwords
 * the first counts, as it was sent.
 * @throws AppError UNAUTHENTICATED
 */
export function authenticateRequest(
  authenticator: Authenticator,
  request: IncomingMessage,
  path: string,
  args: RequestArguments,
): Caller {
  const has = (name: string): boolean => args.all.some(([each]) => each === name);
  return authenticator.authenticate({
    authorization: request.headers.authorization,
    password: args.all.find(([name]) => name === 'password')?.[1],
    ...(has('sign') && {
      signed: {
        method: request.method ?? '',
        path,
        decodedPath: decodePercent(path),
        args: args.all,
      },
    }),
  });
}
