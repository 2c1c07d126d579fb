import { isUtf8 } from 'node:buffer';
import { type GitActor, parseActor } from './actor.ts';
import { type Oid, oid as toOid } from './oid.ts';

/**
 * A commit as its object says it (git's Documentation: gitformat-signature, git-commit-tree, i18n).
 */
export interface Commit {
  readonly oid: Oid;
  readonly treeOid: Oid;
  /**
   * As written in the commit: past the boundary of a shallow clone these are not in the repository.
   */
  readonly parentOids: readonly Oid[];
  readonly author: GitActor;
  readonly committer: GitActor;
  /**
   * Everything after the headers, decoded as `encoding` says; ends in a newline where the commit
   * does.
   */
  readonly message: string;
  /** The message's bytes when they are not valid UTF-8, else null. */
  readonly messageRaw: Buffer | null;
  /** The `encoding` header, as written; null means UTF-8. */
  readonly encoding: string | null;
  /**
   * Whether the commit carries a signature (`gpgsig` or `gpgsig-sha256`, OpenPGP, X.509 or SSH);
   * not whether it is good.
   */
  readonly signed: boolean;
}

/**
 * Parses the body of a commit object. Odd people, dates and bytes are read as far as they make
 * sense (`GitActor`); bytes that the encoding does not know become U+FFFD.
 * @throws Error when the tree or a parent is not an object id: git refuses such a commit as well.
 */
export function parseCommit(oid: Oid, body: Buffer): Commit {
  const headerEnd = findHeaderEnd(body);
  // Latin-1 gives one character for each byte, so nothing is lost before the encoding is known.
  const headers = parseHeaders(body.toString('latin1', 0, headerEnd));
  const messageBytes = body.subarray(headerEnd + 1);

  // As git's parse_commit_buffer does: the tree, then the parents, and none after another header.
  const [tree, ...rest] = headers;
  const parentsEnd = rest.findIndex(({ name }) => name !== 'parent');
  const parents = parentsEnd === -1 ? rest : rest.slice(0, parentsEnd);

  const find = (name: string) => headers.find((header) => header.name === name)?.value;
  const encoding = find('encoding') ?? null;
  const decode = createDecoder(encoding);
  const actor = (name: string) => parseActor(decode(Buffer.from(find(name) ?? '', 'latin1')));

  return {
    oid,
    treeOid: toOid(tree?.name === 'tree' ? tree.value : ''),
    parentOids: parents.map(({ value }) => toOid(value)),
    author: actor('author'),
    committer: actor('committer'),
    message: decode(messageBytes),
    messageRaw: isUtf8(messageBytes) ? null : messageBytes,
    encoding,
    signed: headers.some(({ name }) => name === 'gpgsig' || name === 'gpgsig-sha256'),
  };
}

/** Where the empty line between headers and message begins, or the end of the body. */
function findHeaderEnd(body: Buffer): number {
  if (body[0] === NEWLINE) return 0;
  const end = body.indexOf('\n\n');
  return end === -1 ? body.length : end + 1;
}

const NEWLINE = 0x0a;

/** `name value` lines; one that begins with a space continues the value before it. */
function parseHeaders(text: string): { name: string; value: string }[] {
  return text
    .split(/\n(?! )/)
    .filter((header) => header !== '')
    .map((header) => {
      const space = header.indexOf(' ');
      if (space === -1) return { name: header, value: '' };
      return {
        name: header.slice(0, space),
        value: header.slice(space + 1).replaceAll('\n ', '\n'),
      };
    });
}

function createDecoder(encoding: string | null): (bytes: Buffer) => string {
  // The web reads "ISO-8859-1" as Windows-1252, and so does TextDecoder. git and iconv do not.
  if (encoding !== null && /^(?:iso-?8859-1|latin-?1)$/i.test(encoding))
    return (bytes) => bytes.toString('latin1');
  const decoder =
    findTextDecoder(encoding ?? 'utf-8') ?? new TextDecoder('utf-8', { ignoreBOM: true });
  return (bytes) => decoder.decode(bytes);
}

function findTextDecoder(label: string): TextDecoder | null {
  try {
    return new TextDecoder(label, { ignoreBOM: true });
  } catch (error) {
    // That is how TextDecoder says that it does not know the label.
    if (error instanceof RangeError) return null;
    throw error;
  }
}
