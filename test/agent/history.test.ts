import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { query, refusal } from '../support/graphql-client.ts';
import { git } from '../support/git-fixture.ts';
import { createScene } from './scene.ts';

interface Connection {
  readonly pageInfo: { readonly endCursor: string | null; readonly hasNextPage: boolean };
  readonly nodes: readonly {
    readonly oid: string;
    readonly message: string;
    readonly author: { readonly name: string };
    readonly parents: { readonly nodes: readonly { readonly oid: string }[] };
  }[];
}

const PAGE = `query ($first: Int, $after: String) { repo(name: "site") { head {
  history(first: $first, after: $after) {
    pageInfo { endCursor hasNextPage }
    nodes { oid message author { name } parents { nodes { oid message } } }
  } } } }`;

async function readPage(url: string, variables: object): Promise<Connection> {
  const { repo } = await query<{ repo: { head: { history: Connection } } }>(url, PAGE, variables);
  return repo.head.history;
}

test('a page of history is one git child at most, with all that is asked about its commits', async () => {
  await using scene = await createScene({
    git: (dir) => [`echo "$1" >> '${dir}/log'`, 'exec "$REAL_GIT" "$@"'],
  });
  for (let n = 0; n < 8; n++) await scene.commit({ files: { a: `${n}\n` }, message: `change ${n}\n\nBody\n` }); // prettier-ignore
  await git(scene.copy, 'pull', '--quiet');
  const expected = (await git(scene.copy, 'log', '--format=%H %P %s')).split('\n');
  const log = scene.fixture.path('log');
  const found: string[] = [];
  const walks: string[][] = [];
  let after: string | null = null;
  for (;;) {
    await writeFile(log, '');
    const page: Connection = await readPage(scene.url, { first: 3, after });
    const children = (await readFile(log, 'utf8')).split('\n').filter(Boolean);
    // Where HEAD stands is asked once, and what could change it, until the repository is watched.
    const ofHistory = children.filter((name) => name !== 'status' && name !== 'config');
    walks.push(ofHistory);
    for (const { oid, message, author, parents } of page.nodes) {
      assert.equal(author.name, 'Ada');
      const [headline = ''] = message.split('\n');
      found.push(`${oid} ${parents.nodes.map((each) => each.oid).join(' ')} ${headline}`);
    }
    if (!page.pageInfo.hasNextPage) break;
    after = page.pageInfo.endCursor;
    // It begins elsewhere now; the pages stay what they were.
    await scene.commit({ files: { b: after ?? '' } });
    await git(scene.copy, 'pull', '--quiet');
  }
  assert.deepEqual(found, expected);
  // The third one came with the second.
  assert.deepEqual(walks, [['rev-list'], ['rev-list'], []]);
});

test('a history by path, author and time is what git log has', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { 'dir/x': '1' }, author: 'Zoë <zoe@example.com>', message: 'x\n' });
  await scene.commit({ files: { 'dir/x': '2' }, message: 'x again\n' });
  await git(scene.copy, 'pull', '--quiet');
  const ask = async (args: string): Promise<string[]> => {
    const text = `{ repo(name: "site") { head { history(${args}) { edges { cursor node { messageHeadline } } } } } }`;
    const { repo } = await query<{
      repo: { head: { history: { edges: { node: { messageHeadline: string } }[] } } };
    }>(scene.url, text);
    return repo.head.history.edges.map(({ node }) => node.messageHeadline);
  };
  assert.deepEqual(await ask('path: "dir/"'), ['x again', 'x']);
  assert.deepEqual(await ask('path: "dir", first: 1'), ['x again']);
  assert.deepEqual(await ask(`pathRaw: "${Buffer.from('a').toString('base64')}"`), ['first']);
  assert.deepEqual(await ask('path: ""'), ['x again', 'x', 'first']);
  assert.deepEqual(await ask('author: { emails: ["ZOE@example.com"] }'), ['x']);
  assert.deepEqual(await ask('firstParent: true, until: "2023-11-14T22:13:20Z"'), ['first']);
  assert.deepEqual(await ask('since: "2023-11-14T22:15:20Z"'), ['x again']);
  assert.deepEqual(await ask('first: 0'), []);
});

test('what is no place, path or person is refused with the reason', async () => {
  await using scene = await createScene();
  for (const [args, message] of [
    ['after: "nonsense"', /not a cursor/],
    ['path: "../secret"', /not a path in a tree/],
    ['path: "/etc/passwd"', /not a path in a tree/],
    ['path: "a", pathRaw: "YQ=="', /not both/],
    ['author: { emails: ["a\\nb"] }', /not an address/],
    ['last: 3', /paged forwards/],
    ['first: -1', /not be negative/],
    ['until: "1969-01-01T00:00:00Z"', /before 1970/],
  ] as const) {
    const text = `{ repo(name: "site") { head { history(${args}) { nodes { oid } } } } }`;
    const refused = await refusal(scene.url, text);
    assert.equal(refused.code, 'BAD_USER_INPUT', args);
    assert.match(refused.message, message);
  }
});
