import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startAgent, type AgentProcess } from '../support/agent-process.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  runGit,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';
import { ask, query, refusal } from '../support/graphql-client.ts';

const RAW = Buffer.from('d/caf\xe9', 'latin1');

interface Scene extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly agent: AgentProcess;
  readonly url: string;
  readonly dir: string;
}

/** One of everything, in a bare repository that the agent serves as `site`; a shallow and a SHA-256 one besides. */
async function createScene(): Promise<Scene> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await createFixture());
  const dir = await initRepository(fixture.path('site.git'), { bare: true });
  await fill(dir);
  const sha256 = await initRepository(fixture.path('sha256.git'), {
    bare: true,
    objectFormat: 'sha256',
  });
  await fill(sha256);
  const shallow = await cloneRepository(
    `file://${dir}`,
    fixture.path('shallow'),
    '--bare',
    '--depth=1',
  );
  const empty = await initRepository(fixture.path('empty'));
  const agent = stack.use(
    await startAgent({
      config: {
        repo: {
          site: { repo_path: dir },
          sha256: { repo_path: sha256 },
          shallow: { repo_path: shallow },
          empty: { repo_path: empty },
        },
      },
    }),
  );
  const kept = stack.move();
  return {
    fixture,
    agent,
    url: agent.url,
    dir,
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
    },
  };
}

async function fill(dir: string): Promise<void> {
  const first = await writeCommit(dir, {
    files: [
      ['README.md', '# Site\n\nwords\n'],
      ['d/a', 'one\ntwo\nthree'],
      ['d/empty', ''],
      ['d/run.sh', { mode: '100755', content: '#!/bin/sh\n' }],
      ['d/link', { mode: '120000', content: 'a' }],
      ['d/deep/x', 'x\n'],
      [RAW, Buffer.from('caf\xe9\n', 'latin1')],
      ['binary', Buffer.from([0, 1, 2, 255])],
      ['big', '0123456789abcde\n'.repeat(40_000)],
    ],
    message: 'first\n',
  });
  const side = await writeCommit(dir, {
    branch: 'side',
    parents: [first],
    files: { 'd/a': 'side\n' },
  });
  const other = await writeCommit(dir, {
    branch: 'other',
    parents: [first],
    files: { 'd/deep/x': 'y\n' },
  });
  await writeCommit(dir, {
    files: { sub: { mode: '160000', content: first } },
    message: 'a submodule\n',
  });
  await writeCommit(dir, {
    parents: ['main', side, other],
    files: { 'd/a': 'side\n', 'd/deep/x': 'y\n' },
    message: 'octopus\n',
  });
  await writeCommit(dir, { message: 'empty\n' });
  await git(dir, 'tag', '-a', '-m', 'the first\n\nbody', 'v1', first);
  await git(dir, 'tag', '-a', '-m', 'again', 'v1-again', 'v1');
  await git(dir, 'tag', 'light', first);
  await git(dir, 'tag', '-a', '-m', 'of a blob', 'blob', 'main:README.md');
  await git(dir, 'replace', 'main', 'main~2');
}

/** What git says when it follows no replacements. */
const plain = async (dir: string, ...args: string[]): Promise<string> =>
  await git(dir, '--no-replace-objects', ...args);

const OBJECT = `
  query ($repo: String!, $expression: String, $oid: String) {
    repo(name: $repo) {
      object(expression: $expression, oid: $oid) {
        __typename
        id
        oid
        abbreviatedOid
        repository { name }
        ... on Commit { message tree { oid } }
        ... on Tree { entryCount entries { name mode type oid } }
        ... on Blob { byteSize isBinary isTruncated }
        ... on Tag { name message tagger { name } target { __typename oid } }
      }
    }
  }
`;

interface Found {
  readonly __typename: string;
  readonly abbreviatedOid: string;
  readonly id: string;
  readonly oid: string;
  readonly [field: string]: unknown;
}

async function find(
  url: string,
  variables: { repo: string; expression?: string; oid?: string },
): Promise<Found | null> {
  const { repo } = await query<{ repo: { object: Found | null } }>(url, OBJECT, variables);
  return repo.object;
}

test('objects are found by expression and by id, as git finds them, and again as nodes', async () => {
  await using scene = await createScene();
  const { url } = scene;
  for (const repo of ['site', 'sha256']) {
    const dir = scene.fixture.path(`${repo}.git`);
    for (const [expression, type] of [
      ['main', 'Commit'], ['HEAD', 'Commit'], ['HEAD~2', 'Commit'], ['HEAD^^2', 'Commit'], ['main^{tree}', 'Tree'], ['main:', 'Tree'],
      ['main:d', 'Tree'], ['main:d/', 'Tree'], ['main:d/deep/x', 'Blob'], ['main:d/link', 'Blob'], ['v1', 'Tag'], ['v1-again', 'Tag'],
      ['v1^{}', 'Commit'], ['v1-again:d/a', 'Blob'], ['main^{tree}:d/a', 'Blob'], ['blob', 'Tag'], ['light', 'Commit'],
    ] as const) {
      const found = await find(url, { repo, expression });
      const oid = await plain(dir, 'rev-parse', '--verify', expression.replace(/\/$/, ''));
      assert.deepEqual([found?.['__typename'], found?.oid, found?.abbreviatedOid], [type, oid, oid.slice(0, 7)], expression);
      assert.deepEqual(found?.['repository'], { name: repo });
      assert.deepEqual((await find(url, { repo, oid }))?.oid, oid);
      const short = await find(url, { repo, expression: oid.slice(0, 12) });
      assert.equal(short?.oid, oid);
      const { node } = await query<{ node: object }>(url, 'query ($id: ID!) { node(id: $id) { __typename id } }', { id: found.id });
      assert.deepEqual(node, { __typename: type, id: found.id });
    } // prettier-ignore
    for (const expression of [
      'none',
      'main:none',
      'main:README.md/x',
      'HEAD~99',
      'main:sub',
      'main^3',
      'f00dface',
      'blob:x',
    ]) {
      assert.equal(await find(url, { repo, expression }), null, expression);
    }
  }
  assert.equal(await find(url, { repo: 'site', oid: '1'.repeat(40) }), null);
  assert.equal(await find(url, { repo: 'shallow', expression: 'HEAD~1' }), null);
  assert.equal(await find(url, { repo: 'empty', expression: 'HEAD' }), null);
  for (const variables of [
    { expression: ':/first' }, { expression: 'main@{1}' }, { expression: '--all' }, { expression: 'a..b' }, { oid: 'abc' }, {},
    { expression: 'main', oid: '1'.repeat(40) },
  ]) {
    assert.equal((await refusal(url, OBJECT, { repo: 'site', ...variables })).code, 'BAD_USER_INPUT');
  } // prettier-ignore
});

test('a commit is walked to its tree, its files and their last commits', async () => {
  await using scene = await createScene();
  const { url, dir } = scene;
  const { repo } = await query<{
    repo: {
      head: {
        tree: { oid: string; entries: Entry[] };
        d: Entry & { object: { entries: Entry[] } };
      };
    };
  }>(
    url,
    `query {
      repo(name: "site") {
        head {
          tree { oid entries { ...Entry } }
          d: file(path: "d") { ...Entry object { ... on Tree { entries { ...Entry } } } }
        }
      }
    }
    fragment Entry on TreeEntry {
      name nameRaw path pathRaw extension mode type size oid isSubmodule
      object { __typename oid }
      lastCommit { oid }
    }`,
  );
  interface Entry {
    name: string; nameRaw: string | null; path: string; pathRaw: string | null; extension: string | null; mode: number;
    type: string; size: number | null; oid: string; isSubmodule: boolean; object: { __typename: string; oid: string } | null;
    lastCommit: { oid: string };
  } // prettier-ignore
  const { tree, d } = repo.head;
  assert.equal(tree.oid, await plain(dir, 'rev-parse', 'main^{tree}'));
  assert.deepEqual([d.name, d.path, d.type], ['d', 'd', 'tree']);
  for (const [folder, entries] of [
    ['', tree.entries],
    ['d/', d.object.entries],
  ] as const) {
    const printed = await runGit(dir, [
      '--no-replace-objects',
      'ls-tree',
      '-lz',
      `main:${folder.slice(0, -1)}`,
    ]);
    const lines = printed.toString('latin1').split('\0').slice(0, -1);
    assert.equal(entries.length, lines.length);
    for (const [index, entry] of entries.entries()) {
      const [, mode = '', type, oid, size = '', name = ''] =
        /^(\d+) (\w+) (\w+) +(\S+)\t(.*)$/s.exec(lines[index] ?? '') ?? [];
      const raw =
        entry.nameRaw === null ? Buffer.from(entry.name) : Buffer.from(entry.nameRaw, 'base64');
      assert.equal(raw.toString('latin1'), name);
      assert.deepEqual([entry.mode, entry.type, entry.oid], [Number.parseInt(mode, 8), type, oid]);
      assert.equal(entry.size, size === '-' ? null : Number(size));
      assert.equal(entry.isSubmodule, type === 'commit');
      assert.equal(entry.object?.oid ?? null, type === 'commit' ? null : oid);
      assert.equal(entry.path, `${folder}${entry.name}`);
      // rev-list takes paths of any bytes from its input.
      const input = Buffer.from(`main\n--\n${folder}${name}\n`, 'latin1');
      const last = await runGit(dir, ['--no-replace-objects', 'rev-list', '-1', '--stdin'], {
        input,
      });
      assert.equal(entry.lastCommit.oid, last.toString().trim(), entry.path);
    }
  }
  const cafe = d.object.entries.find(({ nameRaw }) => nameRaw !== null);
  assert.deepEqual([cafe?.name, cafe?.pathRaw], ['caf\u{FFFD}', RAW.toString('base64')]);
  assert.equal(tree.entries.find(({ name }) => name === 'README.md')?.extension, '.md');
});

test('blobs say their text, its bytes or some lines, and what is cut off', async () => {
  await using scene = await createScene();
  const { repo } = await query<{
    repo: { head: Record<string, { object: Record<string, unknown> } | null> };
  }>(
    scene.url,
    `query ($raw: Base64) {
      repo(name: "site") {
        head {
          text: file(path: "d/deep/x") { ...B }
          raw: file(pathRaw: $raw) { ...B }
          binary: file(path: "binary") { ...B }
          empty: file(path: "d/empty") { ...B }
          link: file(path: "d/link") { ...B }
          big: file(path: "big") { object { ... on Blob { byteSize isTruncated text lines(start: 2, end: 3) } } }
          lines: file(path: "README.md") { object { ... on Blob { all: lines some: lines(start: 2) none: lines(start: 9) one: lines(start: 1, end: 1) } } }
          missing: file(path: "d/none") { ...B }
          top: file(path: "") { ...B }
        }
      }
    }
    fragment B on TreeEntry { object { ... on Blob { byteSize isBinary isTruncated text textRaw } } }`,
    { raw: RAW.toString('base64') },
  );
  const { head } = repo;
  const whole = { isBinary: false, isTruncated: false, textRaw: null };
  assert.deepEqual(head['text']?.object, { ...whole, byteSize: 2, text: 'y\n' });
  assert.deepEqual(head['raw']?.object, {
    ...whole, byteSize: 5, text: 'caf\u{FFFD}\n', textRaw: Buffer.from('caf\xe9\n', 'latin1').toString('base64'),
  }); // prettier-ignore
  const bytes = Buffer.from([0, 1, 2, 255]).toString('base64');
  assert.deepEqual(head['binary']?.object, {
    ...whole,
    isBinary: true,
    byteSize: 4,
    text: null,
    textRaw: bytes,
  });
  assert.deepEqual(head['empty']?.object, { ...whole, byteSize: 0, text: '' });
  assert.deepEqual(head['link']?.object, { ...whole, byteSize: 1, text: 'a' });
  const { text, ...big } = head['big']?.object ?? {};
  assert.deepEqual(big, {
    byteSize: 640_000,
    isTruncated: true,
    lines: ['0123456789abcde', '0123456789abcde'],
  });
  assert.equal(text, '0123456789abcde\n'.repeat(32_768));
  assert.deepEqual(head['lines']?.object, {
    all: ['# Site', '', 'words'], some: ['', 'words'], none: [], one: ['# Site'],
  }); // prettier-ignore
  assert.deepEqual([head['missing'], head['top']], [null, null]);
});

test('refs are listed in pages, found by name, and lead to their objects', async () => {
  await using scene = await createScene();
  const { url, dir } = scene;
  interface Ref {
    name: string;
    prefix: string;
    target: { __typename: string; oid: string };
    commit: { oid: string } | null;
  }
  interface Page {
    nodes: Ref[];
    pageInfo: { hasNextPage: boolean; endCursor: string | null };
  }
  const PAGE = `
    query ($after: String, $prefix: String, $orderBy: RefOrder, $query: String) {
      repo(name: "site") {
        refs(first: 2, after: $after, prefix: $prefix, orderBy: $orderBy, query: $query) {
          nodes { name prefix target { __typename oid } commit { oid } }
          pageInfo { hasNextPage endCursor }
        }
      }
    }`;
  const all = async (variables: object): Promise<Ref[]> => {
    const refs: Ref[] = [];
    for (let after: string | null = null, more = true; more;) {
      const { repo }: { repo: { refs: Page } } = await query(url, PAGE, { after, ...variables });
      refs.push(...repo.refs.nodes);
      ({ hasNextPage: more, endCursor: after } = repo.refs.pageInfo);
    }
    return refs;
  };
  for (const [prefix, field, direction, sort] of [
    ['refs/', 'ALPHABETICAL', 'ASC', ['--sort=refname']],
    ['refs/heads/', 'ALPHABETICAL', 'DESC', ['--sort=-refname']],
    ['refs/tags', 'TAG_COMMIT_DATE', 'DESC', ['--sort=refname', '--sort=-creatordate']],
  ] as const) {
    const refs = await all({ prefix, orderBy: { field, direction } });
    const printed = await plain(
      dir,
      'for-each-ref',
      ...sort,
      '--format=%(refname) %(objectname)',
      prefix,
    );
    const lines = refs.map((ref) => `${ref.prefix}${ref.name} ${ref.target.oid}`);
    assert.equal(lines.join('\n'), printed);
    for (const ref of refs) {
      const commit = await plain(
        dir,
        'rev-parse',
        '--verify',
        '-q',
        `${ref.prefix}${ref.name}^{commit}`,
      ).catch(() => null);
      assert.equal(ref.commit?.oid ?? null, commit, ref.name);
    }
  }
  assert.deepEqual(
    (await all({ query: 'AGAIN' })).map(({ name }) => name),
    ['v1-again'],
  );

  const { repo } = await query<{ repo: Record<string, unknown> }>(
    url,
    `{ repo(name: "site") {
      branches { nodes { name } }
      tags(query: "v1", first: 1) { nodes { name target { ... on Tag { message target { oid } } } } }
      defaultBranchRef { id qualifiedName }
      short: ref(qualifiedName: "side") { name }
      full: ref(qualifiedName: "refs/tags/light") { name prefix symbolicTarget }
      none: ref(qualifiedName: "refs/heads/none") { name }
    } }`,
  );
  const first = await plain(dir, 'rev-parse', 'light');
  const { defaultBranchRef, ...rest } = repo as {
    defaultBranchRef: { id: string; qualifiedName: string };
  };
  assert.deepEqual(rest, {
    branches: { nodes: [{ name: 'main' }, { name: 'other' }, { name: 'side' }] },
    tags: {
      nodes: [{ name: 'v1', target: { message: 'the first\n\nbody\n', target: { oid: first } } }],
    },
    short: { name: 'side' },
    full: { name: 'light', prefix: 'refs/tags/', symbolicTarget: null },
    none: null,
  });
  assert.equal(defaultBranchRef.qualifiedName, 'refs/heads/main');
  const NODE = 'query ($id: ID!) { node(id: $id) { ... on Ref { name } } }';
  assert.deepEqual(await query(url, NODE, { id: defaultBranchRef.id }), { node: { name: 'main' } });
  assert.deepEqual(
    await query(
      url,
      '{ repo(name: "empty") { defaultBranchRef { name } tags { nodes { name } } } }',
    ),
    {
      repo: { defaultBranchRef: null, tags: { nodes: [] } },
    },
  );
  for (const variables of [{ prefix: 'heads/' }, { prefix: 'refs/*' }, { after: 'nonsense' }]) {
    assert.equal((await refusal(url, PAGE, variables)).code, 'BAD_USER_INPUT');
  }
});

test('a query that could read too much is refused with its cost, and one for a page is not', async () => {
  await using scene = await createScene();
  const { url } = scene;
  const texts = (first: number): string =>
    `{ repo(name: "site") { head { tree { entries(first: ${first}) { object { ... on Blob { text } } } } } } }`;
  assert.equal((await refusal(url, texts(1000))).code, 'LIMIT_EXCEEDED');
  assert.equal((await ask(url, texts(100))).errors, undefined);
  const nested =
    '{ repo(name: "site") { head { tree { entries { object { ... on Tree { entries { name } } } } } } } }';
  assert.equal((await refusal(url, nested)).code, 'LIMIT_EXCEEDED');
});
