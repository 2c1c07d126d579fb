import type { IncomingMessage } from 'node:http';
import { AppError } from '../error.ts';

/** Enough for any form of ours; who sends more is told so before it is read. */
const MAX_BODY_BYTES = 1024 * 1024;

/** The arguments of a REST request, wherever they stood. */
export interface RequestArguments {
  /** The last value of this name, without surrounding white space; the body's come after the query's. */
  get(name: string): string | undefined;
  /** All of them, in that order, as they were sent. */
  readonly all: readonly (readonly [name: string, value: string])[];
}

/**
 * Reads a request's arguments from its query and its body, on any method, for the Python client sends
 * GET with a form: `application/x-www-form-urlencoded`, or a JSON object of strings, numbers and booleans.
 * @throws AppError BAD_USER_INPUT, LIMIT_EXCEEDED
 */
export async function readArguments(
  request: IncomingMessage,
  query: string,
): Promise<RequestArguments> {
  const body = await readBody(request);
  const all = [...parseForm(query), ...parseBody(body, request.headers['content-type'] ?? '')];
  return {
    all,
    get: (name) => all.findLast(([each]) => each === name)?.[1].trim(),
  };
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request) {
    if (!Buffer.isBuffer(chunk)) throw new Error('a request without encoding gives buffers');
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      throw new AppError('LIMIT_EXCEEDED', `the body is longer than ${MAX_BODY_BYTES} bytes`);
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks, size);
}

function parseBody(body: Buffer, contentType: string): [string, string][] {
  if (body.length === 0) return [];
  const type = contentType.split(';', 1)[0]?.trim().toLowerCase();
  if (type === 'application/x-www-form-urlencoded') return parseForm(body.toString('latin1'));
  if (type === 'application/json') return parseJson(body.toString('utf8'));
  throw new AppError(
    'BAD_USER_INPUT',
    `a body of type ${JSON.stringify(contentType)} is not understood: send application/x-www-form-urlencoded or application/json`,
  );
}

function parseForm(text: string): [string, string][] {
  return text
    .split('&')
    .filter((pair) => pair !== '')
    .map((pair) => {
      const [name = '', ...value] = pair.split('=');
      return [decode(name), decode(value.join('='))];
    });
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text.replaceAll('+', ' '));
  } catch (error) {
    throw new AppError(
      'BAD_USER_INPUT',
      `the argument ${JSON.stringify(text.slice(0, 80))} is not percent-encoded UTF-8`,
      undefined,
      { cause: error },
    );
  }
}

function parseJson(text: string): [string, string][] {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw new AppError('BAD_USER_INPUT', 'the body is not JSON', undefined, { cause: error });
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) {
    throw new AppError('BAD_USER_INPUT', 'a JSON body must be an object of arguments');
  }
  return Object.entries(value)
    .filter(([, each]) => each !== null)
    .map(([name, each]) => {
      if (!['string', 'number', 'boolean'].includes(typeof each)) {
        throw new AppError('BAD_USER_INPUT', `the argument ${JSON.stringify(name)} must be text`);
      }
      return [name, typeof each === 'boolean' ? String(Number(each)) : String(each)];
    });
}
