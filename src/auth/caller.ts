import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback, scopes, type Config, type Scope } from '../config.ts';
import { AppError } from '../error.ts';

/** Who asks, and what that one may do. */
export interface Caller {
  /** As jobs and logs name it: `anonymous`, `password`. */
  readonly name: string;
  /** What it may do on every repository it knows of. */
  readonly scopes: readonly Scope[];
}

/** What came with a request to say who asks. */
export interface Credentials {
  /** The `Authorization` header. */
  readonly authorization?: string | undefined;
  /** The `password` argument of the REST interface. */
  readonly password?: string | undefined;
}

export interface Authenticator {
  /** @throws AppError UNAUTHENTICATED when credentials were given and are wrong; none at all are anonymous */
  authenticate(credentials: Credentials): Caller;
}

export function createAuthenticator(
  config: Pick<Config, 'password' | 'anonymous' | 'bindIp' | 'insecure'>,
): Authenticator {
  const expected = config.password === undefined ? null : digest(config.password);
  const anonymous: Caller = { name: 'anonymous', scopes: anonymousScopes(config) };
  const matches = (given: string): boolean =>
    expected !== null && timingSafeEqual(digest(given), expected);
  return {
    authenticate({ authorization, password }) {
      const secret =
        password ?? (authorization === undefined ? undefined : secretOf(authorization));
      if (secret === undefined || (expected === null && password !== undefined)) return anonymous;
      if (secret !== null && matches(secret)) return { name: 'password', scopes };
      throw new AppError('UNAUTHENTICATED', 'the credentials are wrong');
    },
  };
}

/**
 * The one decision: whether a caller may do something.
 * @throws AppError UNAUTHENTICATED when credentials could help, FORBIDDEN when they cannot
 */
export function requireScope(caller: Caller, scope: Scope): void {
  if (caller.scopes.includes(scope)) return;
  throw caller.name === 'anonymous'
    ? new AppError('UNAUTHENTICATED', `this needs credentials with the scope ${scope}`)
    : new AppError('FORBIDDEN', `${caller.name} has not the scope ${scope}`);
}

/** DESIGN section 3: everything on loopback while no credentials are configured, else nothing. */
function anonymousScopes(
  config: Pick<Config, 'password' | 'anonymous' | 'bindIp' | 'insecure'>,
): readonly Scope[] {
  if (config.anonymous !== undefined) return config.anonymous;
  const isOpen = config.password === undefined && (isLoopback(config.bindIp) || config.insecure);
  return isOpen ? scopes : [];
}

/** The secret in `Basic` (RFC 7617; the user's name does not matter) or `Bearer` (RFC 6750); null when there is none. */
function secretOf(authorization: string): string | null {
  const [, scheme = '', value = ''] = /^(\S+) +(\S+) *$/.exec(authorization) ?? [];
  if (scheme.toLowerCase() === 'bearer') return value;
  if (scheme.toLowerCase() !== 'basic') return null;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon === -1 ? null : pair.slice(colon + 1);
}

/** Of equal length whatever was given, as `timingSafeEqual` needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
