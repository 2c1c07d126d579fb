import { isUtf8 } from 'node:buffer';
import { AppError } from '../error.ts';
import { parseActor, type GitActor } from './actor.ts';
import { isOid, type Oid } from './oid.ts';
import type { ObjectType } from './stored-object.ts';

/** An annotated tag as its object says it (git-mktag(1)). */
export interface Tag {
  readonly oid: Oid;
  /** What the tag calls itself; the ref that leads here may be called otherwise. */
  readonly name: string;
  readonly targetOid: Oid;
  readonly targetType: ObjectType;
  /** null of a very old tag. */
  readonly tagger: GitActor | null;
  /** All that follows the headers but the signature. */
  readonly message: string;
  /** The message's bytes when they are not UTF-8, else null. */
  readonly messageRaw: Buffer | null;
  /** Whether a signature follows the message; not whether it is good. */
  readonly signed: boolean;
}

/** Lines that begin a signature, as git's gpg-interface.c knows them. */
const SIGNATURES = [
  '-----BEGIN PGP SIGNATURE-----',
  '-----BEGIN PGP MESSAGE-----',
  '-----BEGIN SIGNED MESSAGE-----',
  '-----BEGIN SSH SIGNATURE-----',
];

/**
 * Parses the body of a tag object. Odd people, dates and bytes are read as far as they make sense
 * (`GitActor`); what is not UTF-8 becomes U+FFFD.
 * @throws AppError CONFLICT when it does not say what it tags: git refuses such a tag as well
 */
export function parseTag(id: Oid, body: Buffer): Tag {
  const headerEnd = body[0] === 0x0a ? 0 : body.indexOf('\n\n') + 1;
  // Without an empty line there is no message.
  const isBare = headerEnd === 0 && body[0] !== 0x0a;
  const headers = body.toString('utf8', 0, isBare ? body.length : headerEnd).split('\n');
  const [, target = ''] = /^object (.*)$/.exec(headers[0] ?? '') ?? [];
  const [, type] = /^type (commit|tree|blob|tag)$/.exec(headers[1] ?? '') ?? [];
  const [, name] = /^tag (.*)$/.exec(headers[2] ?? '') ?? [];
  if (!isOid(target) || type === undefined || name === undefined) {
    throw new AppError(
      'CONFLICT',
      `the tag ${id} is damaged, it does not say what it tags: look at the repository with git fsck`,
    );
  }
  const [, tagger] = /^tagger (.*)$/.exec(headers[3] ?? '') ?? [];
  const rest = isBare ? Buffer.alloc(0) : body.subarray(headerEnd + 1);
  const signature = findSignature(rest);
  const message = rest.subarray(0, signature);
  return {
    oid: id,
    name,
    targetOid: target,
    targetType: type as ObjectType,
    tagger: tagger === undefined ? null : parseActor(tagger),
    message: message.toString('utf8'),
    messageRaw: isUtf8(message) ? null : Buffer.from(message),
    signed: signature < rest.length || headers.some((line) => /^gpgsig(?:-sha256)? /.test(line)),
  };
}

/** Where the last line begins that begins a signature; the end when there is none. */
function findSignature(bytes: Buffer): number {
  const starts = SIGNATURES.map((line) => {
    for (let at = bytes.lastIndexOf(line); at > 0; at = bytes.lastIndexOf(line, at - 1)) {
      if (bytes[at - 1] === 0x0a) return at;
    }
    return bytes.subarray(0, line.length).equals(Buffer.from(line)) ? 0 : -1;
  });
  const start = Math.max(...starts);
  return start === -1 ? bytes.length : start;
}
