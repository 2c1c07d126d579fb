/** Refs and what expressions mean as the agent tells them, beside what git prints of them. */
import assert from 'node:assert/strict';
import { objectAnswer, raw, readTags, text, type Answer } from './git-answer.ts';
import { lines, printedEach } from './git-batch.ts';
import { pick } from './odd-history.ts';
import { page, readPages, type Page } from './pages.ts';
import { ACTOR, byOid, type Subject } from './subject.ts';

const REF = '{ name nameRaw prefix qualifiedName symbolicTarget target { __typename oid } commit { oid } }'; // prettier-ignore

/** `Ref`s, each with its name in bytes. */
async function listRefs(dir: string): Promise<{ bytes: string; answer: Answer }[]> {
  const names = ['refname', 'refname:lstrip=1', 'refname:lstrip=2', 'objecttype', 'objectname', 'symref']; // prettier-ignore
  const format = names.map((name) => `%(${name})`).join('%00');
  const refs = await lines(dir, ['for-each-ref', `--format=${format}`]);
  const input = refs.map((line) => `${line.split('\0')[0] ?? ''}^{commit}\n`).join('');
  const commits = await lines(dir, ['cat-file', '--batch-check=%(objectname)'], input);
  return refs.map((line, n) => {
    const [bytes = '', short = '', shorter = '', type = '', oid = '', symref = ''] = line.split('\0'); // prettier-ignore
    const name = shorter === '' ? short : shorter;
    const answer = {
      name: text(name),
      nameRaw: raw(bytes),
      prefix: text(bytes.slice(0, bytes.length - name.length)),
      qualifiedName: text(bytes),
      symbolicTarget: symref === '' ? null : text(symref),
      target: objectAnswer(type, oid),
      commit: /^[0-9a-f]{40,64}$/.test(commits[n] ?? '') ? { oid: commits[n] } : null,
    };
    return { bytes, answer };
  });
}

/** Refs in each order, by folder and by text. */
export async function compareRefLists({ explorer, repo }: Subject): Promise<void> {
  const all = await listRefs(repo.oracle);
  const lists = [
    ['refs', [], 12, [], ''],
    ['refs', ['prefix: "refs/heads/"', 'orderBy: { field: ALPHABETICAL, direction: DESC }'], 20, ['--sort=-refname', 'refs/heads'], ''],
    ['refs', ['query: "V1"'], 20, [], 'v1'],
    ['branches', ['query: "WRIT"', 'orderBy: { field: TAG_COMMIT_DATE, direction: ASC }'], 4, ['--sort=refname', '--sort=creatordate', 'refs/heads'], 'writ'],
    ['tags', ['query: "g"', 'orderBy: { field: TAG_COMMIT_DATE, direction: DESC }'], 4, ['--sort=refname', '--sort=-creatordate', 'refs/tags'], 'g'],
  ] as const; // prettier-ignore
  const commands = lists.map(([, , , options]) => [
    'for-each-ref',
    '--format=%(refname)',
    ...options,
  ]);
  const printed = await printedEach(repo.oracle, commands);
  for (const [n, [field, args, first, , word]] of lists.entries()) {
    const found = await readPages(async (more) => {
      const answer = await explorer.repo(
        repo.name,
        `${field}(${[...args, more].join(' ')}) ${page(REF)}`,
      );
      return answer[field] as Page;
    }, first);
    const names = printed[n]?.split('\n').slice(0, -1) ?? [];
    const listed = names.map((name) => all.find(({ bytes }) => bytes === name)?.answer);
    const expected = listed.filter((ref) => String(ref?.['name']).includes(word));
    assert.deepEqual(found, { nodes: expected, hasMore: false }, `${field} ${args.join(' ')}`);
  }
}

/** Refs by their names, and as nodes; and which one HEAD is. */
export async function compareRefs({ explorer, repo }: Subject): Promise<void> {
  const refs = await listRefs(repo.oracle);
  const answers = await explorer.repo(repo.name, 'refs(first: 100) { nodes { id qualifiedName } }');
  const { nodes } = answers['refs'] as { nodes: Answer[] };
  const found = await explorer.nodes(nodes.map(({ id }) => id), `on Ref { id ${REF.slice(1)}`); // prettier-ignore
  assert.deepEqual(found, refs.map(({ answer }, n) => ({ id: nodes[n]?.['id'], ...answer }))); // prettier-ignore
  const named = refs.filter(({ bytes }) => raw(bytes) === null);
  const fields = named.map(({ bytes }) => `ref(qualifiedName: ${JSON.stringify(text(bytes))})`);
  assert.deepEqual(await explorer.each(repo.name, fields, `on Ref ${REF}`), named.map(({ answer }) => answer)); // prettier-ignore
  const [head] = await lines(repo.oracle, ['symbolic-ref', '--quiet', 'HEAD']);
  const [commit] = await lines(repo.oracle, ['rev-parse', 'HEAD']);
  const rest = await explorer.repo(repo.name, `none: ref(qualifiedName: "refs/heads/none") ${REF} defaultBranchRef ${REF} head { oid }`); // prettier-ignore
  const branch = refs.find(({ bytes }) => bytes === head)?.answer ?? null;
  assert.deepEqual(rest, { none: null, defaultBranchRef: branch, head: { oid: commit } });
}

export async function compareTags({ explorer, repo }: Subject): Promise<void> {
  const tags = await readTags(repo.oracle);
  const ids = [...tags.keys()];
  const fragment = `on Tag { __typename oid abbreviatedOid name message messageRaw tagger ${ACTOR} target { __typename oid } }`;
  const answers = await explorer.each(repo.name, ids.map(byOid), fragment);
  for (const [n, id] of ids.entries()) assert.deepEqual(answers[n], tags.get(id), id);
}

const SUFFIXES = [
  '', '^{}', '^{tree}', '~1', '~3', '^2', '^3', '^0', '~2^2~1', '^{blob}', '^{tag}',
  ':', ':lib', ':lib/deep/c', ':a.txt', ':-dash', ':none', '^{commit}:.dot',
]; // prettier-ignore

/** What expressions mean, and that each object is found again by its id in the graph. */
export async function compareExpressions(subject: Subject): Promise<void> {
  const { explorer, repo, random, objects } = subject;
  const refs = await lines(repo.oracle, ['for-each-ref', '--format=%(refname)']);
  const names = refs.filter((name) => raw(name) === null).map(text);
  const ids = [...objects.keys()];
  const ofEachType = ['v1-again', 'HEAD', 'HEAD^{tree}', 'light-blob'];
  const drawn = Array.from({ length: 44 }, () => {
    const id = pick(ids, random);
    const name = pick(names, random);
    const base = pick([name, name.replace(/^refs\/\w+\//, ''), id, id.slice(0, 12), 'HEAD'], random); // prettier-ignore
    return `${base}${pick(SUFFIXES, random)}`;
  });
  const expressions = [...ofEachType, ...drawn];
  const input = expressions.map((each) => `${Buffer.from(each).toString('latin1')}\n`).join('');
  const checked = await lines(repo.oracle, ['cat-file', '--batch-check'], input);
  const fields = expressions.map((each) => `object(expression: ${JSON.stringify(each)})`);
  const fragment = 'on GitObject { __typename id oid abbreviatedOid repository { name } }';
  const answers = await explorer.each(repo.name, fields, fragment);
  const seen = new Set<unknown>();
  for (const [n, expression] of expressions.entries()) {
    const pattern = /^([0-9a-f]{40,64}) (commit|tree|blob|tag) \d+$/;
    const [, oid = '', type = ''] = pattern.exec(checked[n] ?? '') ?? [];
    if (oid === '') {
      assert.equal(answers[n], null, expression);
      continue;
    }
    const object = objectAnswer(type, oid);
    const { id, ...answer } = answers[n] ?? {};
    const common = { abbreviatedOid: oid.slice(0, 7), repository: { name: repo.name } };
    assert.deepEqual(answer, { ...object, ...common }, expression);
    if (seen.has(type)) continue;
    seen.add(type);
    const [found] = await explorer.nodes([id], `on ${String(object['__typename'])} { id oid repository { name } }`); // prettier-ignore
    assert.deepEqual(found, { id, oid, repository: common.repository });
  }
}

/** What is paged forwards only. */
export async function comparePagesBackwards({ explorer, repo }: Subject): Promise<void> {
  for (const args of ['last: 1', 'before: "x"']) {
    for (const field of [
      `refs(${args}) { nodes { name } }`,
      `branches(${args}) { nodes { name } }`,
      `tags(${args}) { nodes { name } }`,
      `object(expression: "HEAD") { ... on Commit { history(${args}) { nodes { oid } } } }`,
      `compare(base: "HEAD", head: "HEAD") { commits(${args}) { nodes { oid } } }`,
    ]) {
      assert.deepEqual(await explorer.refusals(repo.name, field), ['BAD_USER_INPUT'], field);
    }
  }
}
