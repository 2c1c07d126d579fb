import type { IncomingMessage } from 'node:http';
import { AppError } from '../error.ts';
import { decodePercent } from './percent-encoding.ts';

/** Enough for any form of ours. */
export const MAX_BODY_BYTES = 1024 * 1024;
const MAX_ARGUMENTS = 100;

type Argument = [name: string, value: string];

/** The arguments of a REST request, wherever they stood. */
export interface RequestArguments {
  /** The last value of this name, without surrounding white space; the body's come after the query's. */
  get(name: string): string | undefined;
  /** All of them, in that order, as they were sent. */
  readonly all: readonly (readonly [name: string, value: string])[];
}

/**
 * Reads a request's arguments from its query and its body, on any method, for the Python client sends
 * GET with a form: `application/x-www-form-urlencoded`, `multipart/form-data`, or a JSON object of
 * strings, numbers and booleans. null when the body is longer than `MAX_BODY_BYTES`, and then not all read.
 * @throws AppError BAD_USER_INPUT; its message has no value in it, for that may be the password
 */
export async function readArguments(
  request: IncomingMessage,
  query: string,
): Promise<RequestArguments | null> {
  const body = await readBody(request);
  if (body === null) return null;
  const type = request.headers['content-type'] ?? '';
  return createArguments([...parseForm(query), ...(await parseBody(body, type))]);
}

/** The arguments of a request without a body. @throws AppError BAD_USER_INPUT */
export function readQuery(query: string): RequestArguments {
  return createArguments(parseForm(query));
}

/** Called before anything is decoded, which for a million arguments takes seconds. */
function refuseTooMany(count: number): void {
  if (count <= MAX_ARGUMENTS) return;
  throw new AppError('BAD_USER_INPUT', `more than ${MAX_ARGUMENTS} arguments are too many`);
}

function createArguments(all: readonly Argument[]): RequestArguments {
  refuseTooMany(all.length);
  return {
    all,
    get: (name) => all.findLast(([each]) => each === name)?.[1].trim(),
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let size = 0;
  // Leaving the loop must not destroy the request: its socket carries the answer that says why.
  for await (const chunk of request.iterator({ destroyOnReturn: false })) {
    if (!Buffer.isBuffer(chunk)) throw new Error('a request without encoding gives buffers');
    size += chunk.length;
    if (size > MAX_BODY_BYTES) return null;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

async function parseBody(body: Buffer, contentType: string): Promise<Argument[]> {
  if (body.length === 0) return [];
  switch (contentType.split(';', 1)[0]?.trim().toLowerCase()) {
    case 'application/x-www-form-urlencoded':
      return parseForm(body.toString('latin1'));
    case 'multipart/form-data':
      return await parseMultipart(body, contentType);
    case 'application/json':
      return parseJson(body.toString('utf8'));
    default:
      throw new AppError(
        'BAD_USER_INPUT',
        `a body of type ${JSON.stringify(contentType.slice(0, 80))} is not understood: ` +
          'send application/x-www-form-urlencoded, multipart/form-data or application/json',
      );
  }
}

/** @param text a character for each byte */
function parseForm(text: string): Argument[] {
  // Empty ones do not count, but a limit is needed for them, too.
  const pairs = text.split('&', MAX_ARGUMENTS * 10).filter((pair) => pair !== '');
  refuseTooMany(pairs.length);
  return pairs.map((pair) => {
    const [name = '', value = ''] = pair.replaceAll('+', ' ').split(/=(.*)/s, 2);
    const decoded = decodePercent(name);
    if (decoded === null) throw new AppError('BAD_USER_INPUT', 'an argument is not UTF-8');
    const decodedValue = decodePercent(value);
    if (decodedValue !== null) return [decoded, decodedValue];
    throw new AppError('BAD_USER_INPUT', `the argument ${quote(decoded)} is not UTF-8`);
  });
}

async function parseMultipart(body: Buffer, contentType: string): Promise<Argument[]> {
  // Each part says how it is to be taken.
  refuseTooMany(
    body.toString('latin1').split(/content-disposition/i, MAX_ARGUMENTS + 3).length - 1,
  );
  const headers = { 'Content-Type': contentType };
  const form = await new Response(new Uint8Array(body), { headers })
    .formData()
    .catch((error: unknown) => {
      throw new AppError('BAD_USER_INPUT', 'the body is not multipart/form-data', undefined, {
        cause: error,
      });
    });
  // Files are no arguments.
  return [...form].filter((entry): entry is Argument => typeof entry[1] === 'string');
}

function parseJson(text: string): Argument[] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('BAD_USER_INPUT', 'the body is not JSON', undefined, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('BAD_USER_INPUT', 'a JSON body must be an object of arguments');
  }
  const entries = Object.entries(value);
  refuseTooMany(entries.length);
  return entries
    .filter(([, each]) => each !== null)
    .map(([name, each]) => {
      if (typeof each === 'boolean') return [name, each ? '1' : '0'];
      if (typeof each === 'string' || typeof each === 'number') return [name, String(each)];
      throw new AppError('BAD_USER_INPUT', `the argument ${quote(name)} must be text`);
    });
}

function quote(name: string): string {
  return JSON.stringify(name.slice(0, 80));
}
