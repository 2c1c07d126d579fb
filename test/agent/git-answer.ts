/** What git itself prints, in the words of the schema. Bytes are text here, a character for each. */
import { isUtf8 } from 'node:buffer';
import { extname } from 'node:path';
import { printed, printedEach } from './git-batch.ts';

/** An answer of GraphQL, as JSON has it. */
export type Answer = Readonly<Record<string, unknown>>;

/** What a field says of bytes: U+FFFD where they are not UTF-8. */
export function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString('utf8');
}

/** What its `Raw` twin says. */
export function raw(bytes: string): string | null {
  const buffer = Buffer.from(bytes, 'latin1');
  return isUtf8(buffer) ? null : buffer.toString('base64');
}

export interface StoredObject {
  readonly type: string;
  readonly body: string;
}

/** All objects, those that no ref reaches too. */
export async function readObjects(dir: string): Promise<Map<string, StoredObject>> {
  const objects = new Map<string, StoredObject>();
  const all = await printed(dir, ['cat-file', '--batch-all-objects', '--batch']);
  for (let at = 0; at < all.length;) {
    const end = all.indexOf('\n', at);
    const [id = '', type = '', size = ''] = all.slice(at, end).split(' ');
    const next = end + 1 + Number(size);
    objects.set(id, { type, body: all.slice(end + 1, next) });
    at = next + 1;
  }
  return objects;
}

const TYPES: Readonly<Record<string, string>> = { commit: 'Commit', tree: 'Tree', blob: 'Blob', tag: 'Tag' }; // prettier-ignore

/** `GitObject`, as far as its type and id say it. */
export function objectAnswer(type: string, oid: string): Answer {
  return { __typename: TYPES[type], oid };
}

const COMMIT = ['H', 'T', 'P', 'an', 'ae', 'ad', 'cn', 'ce', 'cd', 's', 'b', 'B'];

/** Commits by their ids, with the parents that git sees: none at the end of a shallow clone. */
export async function readCommits(
  dir: string,
  objects: ReadonlyMap<string, StoredObject>,
): Promise<Map<string, { answer: Answer; parents: readonly string[] }>> {
  const ids = Array.from(objects).flatMap(([id, { type }]) => (type === 'commit' ? [id] : []));
  const format = COMMIT.map((name) => `%${name}`).join('%x00');
  const args = ['log', '--no-walk=unsorted', '--stdin', '-z', '--date=raw', '--encoding=UTF-8', `--format=${format}`]; // prettier-ignore
  const fields = (await printed(dir, args, `${ids.join('\n')}\n`)).split('\0');
  const commits = new Map<string, { answer: Answer; parents: readonly string[] }>();
  for (let at = 0; at + COMMIT.length <= fields.length; at += COMMIT.length) {
    const [id = '', tree, seen = '', name = '', email = '', date = '', byName = '', byEmail = '', byDate = '', headline = '', body = '', whole = ''] = fields.slice(at); // prettier-ignore
    const stored = objects.get(id)?.body ?? '';
    const headerEnd = stored.indexOf('\n\n');
    const headers = headerEnd === -1 ? stored : stored.slice(0, headerEnd);
    const parents = Array.from(headers.matchAll(/^parent (.*)$/gm), ([, parent = '']) => parent);
    const answer = {
      ...objectAnswer('commit', id),
      hash: id,
      abbreviatedOid: id.slice(0, 7),
      // Where nothing follows the headers git reads past the end.
      message: headerEnd === -1 ? '' : text(whole),
      messageRaw: raw(headerEnd === -1 ? '' : stored.slice(headerEnd + 2)),
      messageHeadline: text(headline),
      // GitHub's has no blank lines at its end.
      messageBody: text(body).replace(/[ \t\r\n]+$/, ''),
      author: actorAnswer(name, email, date),
      committer: actorAnswer(byName, byEmail, byDate),
      tree: { oid: tree },
      parents: { nodes: parents.map((oid) => (objects.has(oid) ? { oid } : null)) },
    };
    commits.set(id, { answer, parents: seen.split(' ').filter(Boolean) });
  }
  return commits;
}

/** `GitActor`; the date is `SECONDS ZONE`, or empty when git finds none. */
export function actorAnswer(name: string, email: string, date: string): Answer {
  const [seconds = '', zone = '+0000'] = date.split(' ');
  return {
    name: text(name),
    email: text(email),
    date: seconds === '' ? null : new Date(Number(seconds) * 1000).toISOString(),
    timezone: zone,
  };
}

/** `Tag`s by their ids, from the refs that lead to them. */
export async function readTags(dir: string): Promise<Map<string, Answer>> {
  const names = ['objecttype', 'objectname', 'tag', 'object', 'type', 'taggername', 'taggeremail:trim', 'taggerdate:raw', 'contents', 'contents:signature']; // prettier-ignore
  const format = `${names.map((name) => `%(${name})`).join('%00')}%00`;
  const fields = (await printed(dir, ['for-each-ref', `--format=${format}`])).split('\0');
  const tags = new Map<string, Answer>();
  for (let at = 0; at + names.length < fields.length; at += names.length) {
    const [type, id = '', name = '', target = '', targetType = '', by = '', email = '', date = '', contents = '', signature = ''] = fields.slice(at); // prettier-ignore
    if (type?.trim() !== 'tag') continue;
    const message = contents.slice(0, contents.length - signature.length);
    tags.set(id, {
      ...objectAnswer('tag', id),
      abbreviatedOid: id.slice(0, 7),
      name: text(name),
      message: text(message),
      messageRaw: raw(message),
      tagger: date === '' ? null : actorAnswer(by, email, date),
      target: objectAnswer(targetType, target),
    });
  }
  return tags;
}

/** A name in a tree, as `ls-tree` lists it. */
export interface Listed {
  readonly mode: string;
  readonly type: string;
  readonly oid: string;
  readonly path: string;
}

/** All that lies in a commit or tree, folders too. */
export async function listPaths(dir: string, treeish: string): Promise<Listed[]> {
  const records = (await printed(dir, ['ls-tree', '-rtz', treeish])).split('\0').slice(0, -1);
  return records.map((record) => {
    const [mode = '', type = '', oid = ''] = record.split(/[ \t]/, 3);
    return { mode, type, oid, path: record.slice(record.indexOf('\t') + 1) };
  });
}

/**
 * `TreeEntry`s of a tree, as `ls-tree` and `rev-list -1` tell of them.
 * @param folder where it lies, with a slash at its end; empty at the top
 * @param commit that it was reached from; null when it was reached by its id
 */
export async function readEntries(
  dir: string,
  tree: string,
  folder = '',
  commit: string | null = null,
): Promise<Answer[]> {
  const records = (await printed(dir, ['ls-tree', '-lz', tree])).split('\0').slice(0, -1);
  const entries = records.map((record) => {
    const [, mode = '', type = '', oid = '', size = '', name = ''] =
      /^(\d+) (\w+) (\w+) +(\S+)\t(.*)$/s.exec(record) ?? [];
    return { mode, type, oid, size, name };
  });
  const walks = entries.map(({ name }) => ['rev-list', '-1', commit ?? '', '--', folder + name]);
  const last = commit === null ? [] : await printedEach(dir, walks);
  return entries.map(({ mode, type, oid, size, name }, n) => {
    const extension = extname(text(name));
    return {
      name: text(name),
      nameRaw: raw(name),
      path: text(folder + name),
      pathRaw: raw(folder + name),
      extension: extension.length > 1 ? extension : null,
      mode: Number.parseInt(mode, 8),
      type,
      size: size === '-' ? null : Number(size),
      oid,
      isSubmodule: type === 'commit',
      object: type === 'commit' ? null : objectAnswer(type, oid),
      lastCommit: commit === null ? null : { oid: last[n]?.trim() },
    };
  });
}

/** `Blob`, of which git knows whether it is binary. */
export function blobAnswer(oid: string, body: string, isBinary: boolean): Answer {
  const start = body.slice(0, 524_288);
  const rows = text(start).split('\n');
  if (rows.at(-1) === '') rows.pop();
  return {
    ...objectAnswer('blob', oid),
    abbreviatedOid: oid.slice(0, 7),
    byteSize: body.length,
    isBinary,
    isTruncated: body.length > 524_288,
    text: isBinary ? null : text(start),
    textRaw: isBinary ? Buffer.from(start, 'latin1').toString('base64') : raw(start),
    lines: isBinary ? null : rows.slice(0, 10_000),
    some: isBinary ? null : rows.slice(1, 3),
  };
}
