import { createHash, timingSafeEqual } from 'node:crypto';
import { isLoopback, scopes, type Config, type Scope } from '../config.ts';
import { AppError } from '../error.ts';
import type { AccessFile } from './access-file.ts';
import { createReplayGuard } from './replay-guard.ts';
import { verifySignature, type Signature, type SignedRequest } from './signature.ts';

/** Who asks, and what that one may do. */
export interface Caller {
  /** As jobs and logs name it: `anonymous`, `password`. */
  readonly name: string;
  /** What it may do on every repository it knows of. */
  readonly scopes: readonly Scope[];
  /** Of a user of the access file: whether that lets it push there, besides the scope `push`. */
  readonly mayPush?: (repo: string) => boolean;
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

/** What decides who callers are. */
type AccessConfig = Pick<Config, 'password' | 'anonymous' | 'bindIp' | 'insecure'>;

export function createAuthenticator(
  config: AccessConfig,
  accessFile: AccessFile | null = null,
): Authenticator {
  const { password: expected } = config;
  const anonymous: Caller = {
    name: 'anonymous',
    scopes: anonymousScopes(config, accessFile !== null),
  };
  if (expected === undefined && accessFile === null) {
    return { authenticate: () => anonymous, spend: () => true };
  }

  const replays = createReplayGuard();
  const expectedDigest = expected === undefined ? null : digest(expected);
  const matches = (given: string | null | undefined): boolean =>
    given != null && expectedDigest !== null && timingSafeEqual(digest(given), expectedDigest);
  const findUser = (authorization: string): Caller | null => {
    const [user, password] = readBasic(authorization) ?? [];
    if (user === undefined || password === undefined) return null;
    if (accessFile?.knows(user, password) !== true) return null;
    return { name: user, scopes: ['read'], mayPush: (repo) => accessFile.mayPush(user, repo) };
  };
  return {
    authenticate({ authorization, password, signed }) {
      if (matches(password)) return { name: 'password', scopes };
      if (signed !== undefined && expected !== undefined) {
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
      if (authorization !== undefined) {
        if (matches(secretOf(authorization))) return { name: 'password', scopes };
        const user = findUser(authorization);
        if (user !== null) return user;
      }
      if (password === undefined && authorization === undefined && signed === undefined) {
        return anonymous;
      }
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
function anonymousScopes(config: AccessConfig, hasAccessFile: boolean): readonly Scope[] {
  if (config.anonymous !== undefined) return config.anonymous;
  const hasCredentials = config.password !== undefined || hasAccessFile;
  const isOpen = !hasCredentials && (isLoopback(config.bindIp) || config.insecure);
  return isOpen ? scopes : [];
}

/** The secret in `Basic` (the user's name does not matter) or `Bearer` (RFC 6750); null when there is none. */
function secretOf(authorization: string): string | null {
  const bearer = /^bearer +(\S+) *$/i.exec(authorization)?.[1];
  return bearer ?? readBasic(authorization)?.[1] ?? null;
}

/** RFC 7617: base64 of `user:password`, where only the password may contain colons. */
function readBasic(authorization: string): [user: string, password: string] | null {
  const value = /^basic +(\S+) *$/i.exec(authorization)?.[1];
  if (value === undefined) return null;
  const pair = Buffer.from(value, 'base64').toString('utf8');
  const colon = pair.indexOf(':');
  return colon === -1 ? null : [pair.slice(0, colon), pair.slice(colon + 1)];
}

/** Of equal length whatever was given, as `timingSafeEqual` needs. */
function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
