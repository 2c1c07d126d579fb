import { parseCommit, type Commit } from './commit.ts';
import { oid, type Oid } from './oid.ts';
import { hasOid } from './stored-object.ts';
import type { WalkedCommit } from './walk-state.ts';

/** A commit as `git rev-list --header` prints it. */
export interface CommitRecord extends WalkedCommit {
  /** The commit itself; null when the print does not say every byte of it. */
  readonly commit: Commit | null;
  /** The print's length: names and headers can be as long as messages. */
  readonly bytes: number;
}

/** The options that make `git rev-list` print what is parsed here, in the encoding of each commit. */
export const RECORD_FORMAT = ['--header', '--encoding=none'] as const;

/**
 * Cuts what `rev-list --header` prints into its records, each ended by a NUL. `push` takes the next
 * piece and gives the records that are whole now.
 */
export function createRecordSplitter(): { push(bytes: Buffer): Buffer[] } {
  /** Of a record that is not whole yet. Looked through once each: a record can be of any length. */
  let parts: Buffer[] = [];
  return {
    push(bytes) {
      const records: Buffer[] = [];
      let start = 0;
      for (let end = bytes.indexOf(0); end !== -1; end = bytes.indexOf(0, start)) {
        const last = bytes.subarray(start, end);
        records.push(parts.length === 0 ? last : Buffer.concat([...parts, last]));
        parts = [];
        start = end + 1;
      }
      if (start < bytes.length) parts.push(bytes.subarray(start));
      return records;
    },
  };
}

/**
 * Parses one record: `OID[ PARENT...]\n`, the headers byte for byte, and the message indented by four
 * blanks. git trims white space from the message's lines and end; so the object is put together again
 * and hashed, and only what has the commit's own id is taken for it. Parents are printed with
 * `--parents` only, none at the boundary of a shallow clone.
 */
export function parseRecord(record: Buffer): CommitRecord {
  const { ids, headers, message } = splitRecord(record);
  const walked = walkedCommit(ids, headers);
  const commit = rebuild(walked.oid, headers, unindent(message));
  return { ...walked, commit, bytes: record.length };
}

/** Parses the same record, and of the commit only what a walk needs. */
export function parseWalkedCommit(record: Buffer): WalkedCommit {
  const { ids, headers } = splitRecord(record);
  return walkedCommit(ids, headers);
}

function splitRecord(record: Buffer): { ids: string; headers: string; message: string } {
  // Latin-1 gives one character for each byte.
  const text = record.toString('latin1');
  const lineEnd = text.indexOf('\n');
  const headerEnd = text.indexOf('\n\n', lineEnd);
  return {
    ids: text.slice(0, lineEnd),
    headers: text.slice(lineEnd + 1, headerEnd === -1 ? undefined : headerEnd + 1),
    message: headerEnd === -1 ? '' : text.slice(headerEnd + 2),
  };
}

function walkedCommit(ids: string, headers: string): WalkedCommit {
  const [id = '', ...parents] = ids.split(' ');
  return { oid: oid(id), walkParents: parents.map(oid), time: readTime(headers) };
}

function unindent(message: string): string {
  return message.startsWith(INDENT)
    ? message.slice(INDENT.length).replaceAll(`\n${INDENT}`, '\n')
    : message;
}

const INDENT = '    ';

function rebuild(id: Oid, headers: string, message: string): Commit | null {
  // As git writes it; and as programs do that do not end the last line.
  const bodies = [`${headers}\n${message}`, `${headers}\n${message.replace(/\n$/, '')}`];
  for (const text of bodies) {
    const body = Buffer.from(text, 'latin1');
    if (hasOid({ type: 'commit', body }, id)) return parseCommit(id, body);
  }
  return null;
}

/** Beyond this the commit-graph, which keeps 34 bits, and the object would say different things. */
const MAX_TIME = 2 ** 34;

/** As git's `parse_commit_date` has it: the lines must stand where they belong. */
function readTime(headers: string): number | null {
  let at = headers.indexOf('\n') + 1;
  while (headers.startsWith('parent ', at)) at = headers.indexOf('\n', at) + 1;
  DATE.lastIndex = at;
  const digits = DATE.exec(headers)?.[1];
  const time = Number(digits);
  return digits !== undefined && time < MAX_TIME ? time : null;
}

const DATE = /author [^\n]*\ncommitter [^<>\n]*<[^<>\n]*> (\d{1,11}) [+-]\d{4}(?:\n|$)/y;
