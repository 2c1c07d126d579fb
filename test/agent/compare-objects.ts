/** Objects as the agent tells them, beside what git prints of them. */
import assert from 'node:assert/strict';
import {
  blobAnswer,
  listPaths,
  objectAnswer,
  raw,
  readEntries,
  text,
  type Answer,
} from './git-answer.ts';
import { printed } from './git-batch.ts';
import { findBinaries } from './git-change.ts';
import { pick } from './odd-history.ts';
import { page, type Page } from './pages.ts';
import { ACTOR, base64, byOid, draw, type Subject } from './subject.ts';

export const COMMIT = `{
  __typename oid hash abbreviatedOid message messageRaw messageHeadline messageBody
  author ${ACTOR} committer ${ACTOR} tree { oid } parents(first: 100) { nodes { oid } }
}`;

export async function compareCommits({ explorer, repo, commits, sample }: Subject): Promise<void> {
  const answers = await explorer.each(repo.name, sample.map(byOid), `on Commit ${COMMIT}`);
  for (const [n, id] of sample.entries()) assert.deepEqual(answers[n], commits.get(id)?.answer, id);
}

/** The parents of a commit by pages, from either end. */
export async function compareParents({ explorer, repo, commits }: Subject): Promise<void> {
  for (const [id, { answer }] of commits) {
    const parents = (answer['parents'] as { nodes: ({ oid: string } | null)[] }).nodes;
    if (parents.length < 3) continue;
    const ask = async (args: string): Promise<Page> => {
      const object = `${byOid(id)} { ... on Commit { parents(${args}) ${page('{ oid }')} } }`;
      const found = await explorer.repo(repo.name, object);
      return (found['object'] as { parents: Page }).parents;
    };
    const one = await ask('first: 1');
    const two = await ask(`first: 1, after: "${one.pageInfo.endCursor}"`);
    const last = await ask('last: 1');
    const before = await ask(`last: 1, before: "${last.pageInfo.startCursor}"`);
    const nodes = [one, two, before, last].map(({ edges }) => edges.map(({ node }) => node));
    assert.deepEqual(nodes, [parents.slice(0, 1), parents.slice(1, 2), parents.slice(-2, -1), parents.slice(-1)]); // prettier-ignore
    assert.deepEqual([one, last].map(({ pageInfo }) => pageInfo.hasNextPage), [true, false]); // prettier-ignore
    assert.deepEqual([one, last].map(({ pageInfo }) => pageInfo.hasPreviousPage), [false, true]); // prettier-ignore
    assert.equal(one.edges[0]?.cursor, one.pageInfo.endCursor);
    return;
  }
}

const ENTRY =
  'name nameRaw path pathRaw extension mode type size oid isSubmodule object { __typename oid } lastCommit { oid }';
const ENTRIES = `entries(first: 50) { ${ENTRY} }`;

/** Trees by their ids, and reached from commits, where entries know their last commits. */
export async function compareTrees(subject: Subject): Promise<void> {
  const { explorer, repo, random, objects, sample } = subject;
  const trees = Array.from(objects).flatMap(([id, { type }]) => (type === 'tree' ? [id] : []));
  const ids = new Set([...repo.odd.filter((id) => trees.includes(id)), ...draw(trees, 2, random)]);
  const fragment = `on Tree { __typename oid abbreviatedOid entryCount ${ENTRIES} some: entries(skip: 1, first: 2) { oid } }`;
  const answers = await explorer.each(repo.name, [...ids].map(byOid), fragment);
  for (const [n, id] of [...ids].entries()) {
    const entries = await readEntries(repo.oracle, id);
    const some = entries.slice(1, 3).map(({ oid }) => ({ oid }));
    const tree = { ...objectAnswer('tree', id), abbreviatedOid: id.slice(0, 7) };
    assert.deepEqual(answers[n], { ...tree, entryCount: entries.length, entries, some }, id);
  }
  const commit = pick(random(2) === 0 ? repo.landmarks : sample, random);
  const folders = (await listPaths(repo.oracle, commit)).filter(({ type }) => type === 'tree');
  const top = { path: '', oid: `${commit}^{tree}` };
  const [below = top] = draw(folders, 1, random);
  const file = `below: file(pathRaw: "${base64(below.path)}") { ${ENTRY} object { ... on Tree { ${ENTRIES} } } }`;
  const fields = `top: tree { ${ENTRIES} } ${below === top ? '' : file}`;
  const [answer = {}] = await explorer.each(repo.name, [byOid(commit)], `on Commit { ${fields} }`);
  for (const { path, oid } of new Set([top, below])) {
    const entries = await readEntries(repo.oracle, oid, path === '' ? '' : `${path}/`, commit);
    const given = path === '' ? answer['top'] : (answer['below'] as Answer)['object'];
    assert.deepEqual((given as Answer)['entries'], entries, `${commit} ${path}`);
  }
}

const BLOB =
  '... on Blob { abbreviatedOid byteSize isBinary isTruncated text textRaw lines some: lines(start: 2, end: 3) }';

/** Files found by their paths, and their contents. */
export async function compareFiles(subject: Subject): Promise<void> {
  const { busy, root } = subject.repo;
  for (const commit of [busy, root]) if (commit !== null) await compareFilesOf(subject, commit);
}

async function compareFilesOf(subject: Subject, commit: string): Promise<void> {
  const { explorer, repo, random, objects } = subject;
  const binaries = await findBinaries(repo.oracle, commit);
  const listed = await listPaths(repo.oracle, commit);
  const paths = listed.map(({ path }) => path);
  const wanted = [...paths, 'none', `${pick(paths, random)}/none`];
  const fields = wanted.map((path, n) => {
    const where = raw(path) === null ? `path: ${JSON.stringify(text(path))}` : `pathRaw: "${base64(path)}"`; // prettier-ignore
    return `f${n}: file(${where}) { path object { __typename oid ${BLOB} } }`;
  });
  const [answer] = await explorer.each(repo.name, [byOid(commit)], `on Commit { ${fields.join('\n')} }`); // prettier-ignore
  for (const [n, path] of wanted.entries()) {
    const { type = '', oid = '' } = listed[n] ?? {};
    const { body = '' } = objects.get(oid) ?? {};
    const blob = type === 'blob' ? blobAnswer(oid, body, binaries.has(oid)) : null;
    const object = type === 'tree' ? objectAnswer(type, oid) : blob;
    const expected = type === '' ? null : { path: text(path), object };
    assert.deepEqual(answer?.[`f${n}`], expected, `${commit} ${path}`);
  }
}

const STATES: Readonly<Record<string, string>> = { G: 'VALID', U: 'UNTRUSTED', B: 'INVALID' };

/** Signatures as `git log` checks them; what was signed is the commit without its signature. */
export async function compareSignatures(subject: Subject): Promise<void> {
  const { explorer, repo, objects, sample } = subject;
  const fragment =
    'on Commit { signature { kind state isValid signer email keyId fingerprint signature payload payloadRaw } }';
  const answers = await explorer.each(repo.name, sample.map(byOid), fragment);
  const format = '--format=%G?%x00%GS%x00%GK%x00%GF%x00';
  const fields = (await printed(repo.oracle, ['log', '--no-walk=unsorted', format, ...sample])).split('\0'); // prettier-ignore
  for (const [n, id] of sample.entries()) {
    const [letter = '', signer = '', keyId = '', fingerprint = ''] = fields.slice(n * 4).map((each) => each.trim()); // prettier-ignore
    const [header = '', value = ''] = /^gpgsig(?:-sha256)? (.*(?:\n .*)*)\n/m.exec(objects.get(id)?.body ?? '') ?? []; // prettier-ignore
    const payload = (objects.get(id)?.body ?? '').replace(header, '');
    const expected = {
      kind: 'SSH',
      state: STATES[letter],
      isValid: letter === 'G',
      signer: signer || null,
      email: signer || null,
      keyId: keyId || null,
      fingerprint: fingerprint || null,
      signature: `${value.replaceAll('\n ', '\n')}\n`,
      payload: text(payload),
      payloadRaw: base64(payload),
    };
    assert.deepEqual(answers[n]?.['signature'], header === '' ? null : expected, id);
  }
}
