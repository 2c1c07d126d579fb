import { isOid, type Oid } from './oid.ts';
import type { ObjectType } from './stored-object.ts';

/** One line for `git cat-file --batch-command`. */
export interface CatFileRequest {
  readonly command: 'info' | 'contents';
  /** An object id or another revision; without newline and NUL, which end a line. */
  readonly name: string;
}

/** What git knows of an object without its content. */
export interface ObjectInfo {
  readonly oid: Oid;
  readonly type: ObjectType;
  /** Bytes of content. */
  readonly size: number;
}

/** What `git cat-file --batch-command` says to one request. */
export type CatFileAnswer =
  | {
      readonly kind: 'object';
      readonly info: ObjectInfo;
      /** null for `info`, and for a content that is larger than what is allowed. */
      readonly body: Buffer | null;
    }
  | { readonly kind: 'missing' }
  /** An abbreviated id that several objects have. */
  | { readonly kind: 'ambiguous' };

/** A name is at most some kilobytes, and is all that a header repeats. */
const MAX_HEADER_BYTES = 16 * 1024;
const NEWLINE = 0x0a;
/** Fifteen digits stay within JavaScript's exact integers. */
const HEADER = /^([0-9a-f]+) (commit|tree|blob|tag) (0|[1-9][0-9]{0,14})$/;

export interface AnswerParser {
  /**
   * Takes what git printed next.
   * @returns false once it must not be fed any more: git is about to print more than is allowed
   * @throws Error when that is no answer to what was asked
   */
  push(chunk: Buffer): boolean;
}

/**
 * Parses the output of `git cat-file --batch-command` (git-cat-file(1), "BATCH OUTPUT"), which answers in the
 * order of the requests. A body is put together once, in memory of its own, however many pieces it comes in.
 * @param deps.next the request whose answer comes next, if any
 */
export function createAnswerParser(deps: {
  readonly next: () => CatFileRequest | undefined;
  readonly onAnswer: (answer: CatFileAnswer) => void;
  /** Larger contents are not read. */
  readonly maxBytes: (type: ObjectType) => number;
}): AnswerParser {
  let rest: Buffer = Buffer.alloc(0);
  let info: ObjectInfo | null = null;
  let body: Buffer = rest;
  let filled = 0;

  /** @returns where the next answer begins, or -1 when more has to come */
  function readHeader(chunk: Buffer, at: number): number {
    const end = chunk.indexOf(NEWLINE, at);
    const piece = chunk.subarray(at, end === -1 ? chunk.length : end);
    if (rest.length + piece.length > MAX_HEADER_BYTES) throw new Error('git cat-file: a long line');
    const line = rest.length === 0 ? piece : Buffer.concat([rest, piece]);
    // Copied where it is kept: the chunk is the stream's.
    rest = end === -1 ? Buffer.from(line) : Buffer.alloc(0);
    if (end === -1) return -1;
    const request = deps.next();
    if (request === undefined) throw new Error('git cat-file answered what nobody asked');
    const answer = parseHeader(line.toString('utf8'), request);
    if (answer.kind !== 'object' || request.command === 'info') {
      deps.onAnswer(answer);
    } else {
      ({ info } = answer);
      if (info.size > deps.maxBytes(info.type)) return -1;
      body = Buffer.allocUnsafeSlow(info.size);
      filled = 0;
    }
    return end + 1;
  }

  /** @returns where the next answer begins, or -1 when more has to come */
  function readBody(chunk: Buffer, at: number, found: ObjectInfo): number {
    const copied = chunk.copy(body, filled, at);
    filled += copied;
    const end = at + copied;
    if (filled < body.length || end === chunk.length) return -1;
    if (chunk[end] !== NEWLINE) throw new Error(`git cat-file: ${found.oid} has another size`);
    info = null;
    deps.onAnswer({ kind: 'object', info: found, body });
    return end + 1;
  }

  return {
    push(chunk) {
      for (let at = 0; at !== -1 && at < chunk.length;) {
        at = info === null ? readHeader(chunk, at) : readBody(chunk, at, info);
        if (info !== null && info.size > deps.maxBytes(info.type)) {
          deps.onAnswer({ kind: 'object', info, body: null });
          return false;
        }
      }
      return true;
    },
  };
}

function parseHeader(line: string, { name }: CatFileRequest): CatFileAnswer {
  if (line === `${name} missing`) return { kind: 'missing' };
  if (line === `${name} ambiguous`) return { kind: 'ambiguous' };
  const [, oid = '', type, size] = HEADER.exec(line) ?? [];
  // The expression lets only the four types through.
  if (isOid(oid))
    return {
      kind: 'object',
      info: { oid, type: type as ObjectType, size: Number(size) },
      body: null,
    };
  // A later git says so of the commit of a submodule.
  if (/^[0-9a-f]+ submodule$/.test(line)) return { kind: 'missing' };
  throw new Error(`git cat-file: ${JSON.stringify(line.slice(0, 100))} is no answer`);
}
