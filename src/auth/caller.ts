import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback, scopes, type Config, type Scope } from '../config.ts';
import { AppError } from '../error.ts';
import { createReplayGuard } from './replay-guard.ts';
import { verifySignature, type Signature, type SignedRequest } from './signature.ts';

/** Who asks, and what that one may do. */
export interface Caller {
  /** As jobs and logs name it: `anonymous`, `password`. */
  readonly name: string;
  /** What it may do on every repository it knows of. */
  readonly scopes: readonly Scope[];
  /** What it proved itself with, when that is good for this one request only. */
  readonly signature?: Signature;
}

/** What came with a request to say who asks. */
export interface Credentials {
  /** The `Authorization` header. */
  readonly authorization?: string | undefined;
  /** The `password` argument of the REST interface. */
  readonly password?: string | undefined;
  /** A request of the REST interface that has a `sign` argument. */
  readonly signed?: SignedRequest | undefined;
}

export interface Authenticator {
  /**
   * None at all are anonymous, and so are any while none are configured. Of several the first right one
   * counts, arguments before the header, which may be meant for a proxy.
   * @throws AppError UNAUTHENTICATED when credentials were given and are wrong
   */
  authenticate(credentials: Credentials): Caller;
  /**
   * Takes note that a request of this caller changes something. false when it is a signed one that came
   * before: then somebody may only have listened.
   * @throws AppError LIMIT_EXCEEDED
   */
  spend(caller: Caller): boolean;
}

export function createAuthenticator(
  config: Pick<Config, 'password' | 'anonymous' | 'bindIp' | 'insecure'>,
): Authenticator {
  const { password: expected } = config;
  const anonymous: Caller = { name: 'anonymous', scopes: anonymousScopes(config) };
  if (expected === undefined) return { authenticate: () => anonymous, spend: () => true };

  const replays = createReplayGuard();
  const expectedDigest = digest(expected);
  const matches = (given: string | null | undefined): boolean =>
    given != null && timingSafeEqual(digest(given), expectedDigest);
  return {
    authenticate({ authorization, password, signed }) {
      if (matches(password)) return { name: 'password', scopes };
      if (signed !== undefined) {
        const signature = verifySignature(signed, expected, Date.now());
        if (!signature.isAmbiguous) return { name: 'password', scopes, signature };
        // Who hears it must not be able to use it for what else it could mean.
        replays.spend(signature);
        throw new AppError(
          'UNAUTHENTICATED',
          'these arguments cannot be signed, for their signed text could be read as others: ' +
            'use no "=" or "&" in a name, and no "&" before a "=" in a value, or send the password itself',
        );
      }
      if (authorization !== undefined && matches(secretOf(authorization))) {
        return { name: 'password', scopes };
      }
      if (password === undefined && authorization === undefined) return anonymous;
      throw new AppError('UNAUTHENTICATED', 'the credentials are wrong');
    },
    spend: ({ signature }) => signature === undefined || replays.spend(signature),
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
