import { createHash, timingSafeEqual } from 'node:crypto';
import { AppError } from '../error.ts';

type Argument = readonly [name: string, value: string];

/** A request that proves with `time` and `sign` that its sender knows the password. */
export interface SignedRequest {
  readonly method: string;
  /** As it was sent, percent-encoded. */
  readonly path: string;
  /** Decoded; null when it is not UTF-8. */
  readonly decodedPath: string | null;
  /** All arguments, of query and body, as they were sent. */
  readonly args: readonly Argument[];
}

/** A signature that was found right. */
export interface Signature {
  readonly sign: string;
  /** The signed text could be read as other arguments than these, so it proves nothing. */
  readonly isAmbiguous: boolean;
  /** When its time has run out; milliseconds since 1970. */
  readonly expiresAt: number;
}

/** How far a signed request's `time` may be from the agent's clock, either way. */
const WINDOW_SECONDS = 60;

/**
 * The Python GitAgent's signature: the hexadecimal MD5 of `METHOD + path + '?' + arguments + password`,
 * the arguments being all but `sign`, as `name=value`, sorted by name, joined by `&`, without any escaping.
 */
export function signatureOf(
  method: string,
  path: string,
  args: Iterable<Argument>,
  password: string,
): string {
  const text = formatArguments(sortArguments(args));
  return createHash('md5').update(`${method}${path}?${text}${password}`).digest('hex');
}

/**
 * Checks a signed request. A repeated name is refused: the original signed the first value and obeyed the
 * last.
 * @param now milliseconds since 1970
 * @throws AppError UNAUTHENTICATED
 */
export function verifySignature(request: SignedRequest, password: string, now: number): Signature {
  const args = new Map(request.args);
  const sign = args.get('sign');
  const time = /^\s*(\d{1,12})\s*$/.exec(args.get('time') ?? '')?.[1];
  if (sign === undefined || time === undefined) {
    throw refusal('a signed request needs "time", in seconds since 1970, and "sign"');
  }
  if (args.size < request.args.length) {
    const names = request.args.map(([name]) => name);
    const repeated = names.find((name, index) => names.indexOf(name) !== index) ?? '';
    throw refusal(
      `a signed request must give each argument once, and this gives ${JSON.stringify(repeated.slice(0, 80))} again`,
    );
  }
  args.delete('sign');
  const signed = sortArguments(args);
  if (Math.abs(Number(time) - Math.floor(now / 1000)) > WINDOW_SECONDS) {
    throw refusal(
      `the signature's time is not within ${WINDOW_SECONDS} seconds of the agent's, ` +
        `which is ${Math.floor(now / 1000)}: set the clock, and sign each request anew`,
    );
  }
  // The Python client signs the path before it encodes it. A question mark in it could be the one
  // before the arguments.
  const paths = [request.path];
  if (request.decodedPath?.includes('?') === false) paths.push(request.decodedPath);
  const rights = paths.map((path) => signatureOf(request.method, path, signed, password));
  if (!rights.map((right) => isSame(sign, right)).includes(true)) {
    throw refusal(
      'the signature is wrong: see docs/rest.md for what is signed, and check the password',
    );
  }
  const expiresAt = (Number(time) + WINDOW_SECONDS + 1) * 1000;
  return { sign, isAmbiguous: !isUnambiguous(signed), expiresAt };
}

/** By code points, as Python does, which is by the bytes of UTF-8. */
function sortArguments(args: Iterable<Argument>): Argument[] {
  return [...args].toSorted(([a], [b]) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
}

function formatArguments(args: readonly Argument[]): string {
  return args.map(([name, value]) => `${name}=${value}`).join('&');
}

/**
 * Whether reading the signed text gives these arguments and no others, so that a signature stands for one
 * request. It is read like a form, except that what has no `=` belongs to the value before it: nobody
 * signs a name without one. So `command=a b&c` is fine, and `git_branch=dev&git_hash=1234` in one value
 * is not.
 */
function isUnambiguous(sorted: readonly Argument[]): boolean {
  const read: [string, string][] = [];
  for (const piece of formatArguments(sorted).split('&')) {
    const equals = piece.indexOf('=');
    const last = read.at(-1);
    if (equals !== -1) read.push([piece.slice(0, equals), piece.slice(equals + 1)]);
    else if (last === undefined) return false;
    else last[1] += `&${piece}`;
  }
  return (
    read.length === sorted.length &&
    read.every(([name, value], i) => name === sorted[i]?.[0] && value === sorted[i]?.[1])
  );
}

/** In a time that does not tell how much of it is right. */
function isSame(given: string, right: string): boolean {
  const [a, b] = [given, right].map((text) => createHash('sha256').update(text).digest());
  return a !== undefined && b !== undefined && timingSafeEqual(a, b);
}

function refusal(message: string): AppError {
  return new AppError('UNAUTHENTICATED', message);
}
