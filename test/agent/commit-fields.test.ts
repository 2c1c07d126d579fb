import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { query, refusal } from '../support/graphql-client.ts';
import { git, runGit, writeCommit } from '../support/git-fixture.ts';
import { createScene } from './scene.ts';

interface Changes {
  readonly totalCount: number;
  readonly additions: number | null;
  readonly deletions: number | null;
  readonly renamed: readonly string[];
  readonly files: readonly {
    readonly path: string;
    readonly status: string;
    readonly additions: number | null;
    readonly isBinary: boolean | null;
    readonly patch: { readonly text: string; readonly isTruncated: boolean } | null;
  }[];
}

const CHANGES =
  'totalCount additions deletions renamed files { path status additions isBinary patch { text isTruncated } }';

test('what a commit changed is told with lines and patches, by three git children', async () => {
  await using scene = await createScene({
    git: (dir) => [`echo "$1" >> '${dir}/log'`, 'exec "$REAL_GIT" "$@"'],
  });
  const poem = 'line\n'.repeat(30);
  await scene.commit({ files: { moved: poem, binary: Buffer.from([0, 1]) } });
  await scene.commit({ files: { a: 'three\n', moved: null, here: poem, binary: Buffer.from([0, 2]) } }); // prettier-ignore
  await git(scene.copy, 'pull', '--quiet');
  const log = scene.fixture.path('log');
  await writeFile(log, '');
  const { repo } = await query<{ repo: { head: { changedFiles: Changes } } }>(
    scene.url,
    `{ repo(name: "site") { head { changedFiles { ${CHANGES} } } } }`,
  );
  const children = (await readFile(log, 'utf8')).split('\n').filter(Boolean);
  assert.deepEqual(children.toSorted(), ['diff-tree', 'diff-tree', 'diff-tree', 'status']);
  const { files, ...totals } = repo.head.changedFiles;
  assert.deepEqual(totals, { totalCount: 3, additions: 1, deletions: 1, renamed: ['here'] });
  assert.deepEqual(
    files.map(({ path, status, additions, isBinary }) => [path, status, additions, isBinary]),
    [
      ['a', 'MODIFIED', 1, false],
      ['binary', 'MODIFIED', null, true],
      ['here', 'RENAMED', 0, false],
    ],
  );
  const whole = await runGit(scene.copy, ['diff-tree', '-r', '-M', '-p', 'HEAD~1', 'HEAD']);
  assert.equal(files.map(({ patch }) => patch?.text ?? '').join(''), whole.toString());
  assert.deepEqual(files.map(({ patch }) => patch?.isTruncated), [false, false, false]); // prettier-ignore
});

test('a merge is compared with the parent that is asked for, and a root with nothing', async () => {
  await using scene = await createScene();
  const side = await writeCommit(scene.copy, { branch: 'side', parents: [scene.first], files: { side: '1\n' } }); // prettier-ignore
  const main = await writeCommit(scene.copy, { files: { main: '1\n' } });
  await writeCommit(scene.copy, { parents: [main, side], files: { side: '1\n' } });
  const ask = async (args: string, at = 'head'): Promise<string[]> => {
    const text = `{ repo(name: "site") { ${at} { changedFiles${args} { files { path } } parents { nodes { changedFiles { files { path } } } } } } }`;
    const { repo } = await query<{ repo: { head: { changedFiles: Changes } } }>(scene.url, text);
    return repo.head.changedFiles.files.map(({ path }) => path);
  };
  assert.deepEqual(await ask(''), ['side']);
  assert.deepEqual(await ask('(parent: 2)'), ['main']);
  const refused = await refusal(scene.url, '{ repo(name: "site") { head { changedFiles(parent: 3) { totalCount } } } }'); // prettier-ignore
  assert.equal(refused.code, 'BAD_USER_INPUT');
  await git(scene.copy, 'update-ref', 'refs/heads/main', scene.first);
  assert.deepEqual(await ask(''), ['a']);
});

interface Compared {
  readonly aheadBy: number;
  readonly behindBy: number;
  readonly status: string;
  readonly mergeBase: { readonly oid: string } | null;
  readonly commits: {
    readonly nodes: readonly { readonly oid: string }[];
    readonly pageInfo: { readonly endCursor: string | null };
  };
  readonly changedFiles: { readonly files: readonly { readonly path: string }[] };
}

test('two branches are compared as git compares them, whatever is committed between two pages', async () => {
  await using scene = await createScene();
  const { copy, first } = scene;
  for (let n = 0; n < 5; n++) await writeCommit(copy, { branch: 'topic', ...(n === 0 ? { parents: [first] } : {}), files: { [`t${n}`]: '' }, message: `topic ${n}\n` }); // prettier-ignore
  await writeCommit(copy, { files: { m: '' }, message: 'main\n' });
  await writeCommit(copy, { branch: 'alone', parents: [], files: { alone: '' } });
  const compare = async (base: string, head: string, page = ''): Promise<Compared> => {
    const text = `query ($base: String!, $head: String!) { repo(name: "site") { compare(base: $base, head: $head) {
      aheadBy behindBy status mergeBase { oid } commits(first: 3${page}) { nodes { oid } pageInfo { endCursor } } changedFiles { files { path } } } } }`;
    const { repo } = await query<{ repo: { compare: Compared } }>(scene.url, text, { base, head });
    return repo.compare;
  };
  const expected = (await git(copy, 'rev-list', 'main..topic')).split('\n');
  const one = await compare('main', 'topic');
  assert.deepEqual([one.aheadBy, one.behindBy, one.status], [5, 1, 'DIVERGED']);
  assert.equal(one.mergeBase?.oid, first);
  assert.deepEqual(one.changedFiles.files.map(({ path }) => path), ['t0', 't1', 't2', 't3', 't4']); // prettier-ignore
  await writeCommit(copy, { branch: 'topic', files: { t5: '' } });
  await writeCommit(copy, { parents: ['main', 'topic'] });
  const two = await compare('main', 'topic', `, after: "${one.commits.pageInfo.endCursor ?? ''}"`);
  assert.deepEqual([...one.commits.nodes, ...two.commits.nodes].map(({ oid }) => oid), expected); // prettier-ignore
  assert.deepEqual([two.aheadBy, two.status], [0, 'BEHIND']);
  const none = await compare('alone', 'topic~2');
  assert.equal(none.mergeBase, null);
  assert.equal((await compare('topic', 'refs/heads/topic')).status, 'IDENTICAL');
  assert.equal((await compare(first.slice(0, 8), 'topic^0')).status, 'AHEAD');
  for (const [revision, code] of [
    ['nowhere', 'NOT_FOUND'],
    ['topic:t0', 'NOT_FOUND'],
    ['--all', 'BAD_USER_INPUT'],
    ['-h', 'BAD_USER_INPUT'],
    ['', 'BAD_USER_INPUT'],
    ['a\u0000b', 'BAD_USER_INPUT'],
    [':/topic', 'BAD_USER_INPUT'],
    ['topic^{/x}', 'BAD_USER_INPUT'],
    ['main..topic', 'NOT_FOUND'],
    ['^main', 'BAD_USER_INPUT'],
  ] as const) {
    const text = `query ($head: String!) { repo(name: "site") { compare(base: "main", head: $head) { aheadBy } } }`;
    assert.equal((await refusal(scene.url, text, { head: revision })).code, code, revision);
  }
});

test('blame and signature are asked of a commit', async () => {
  await using scene = await createScene();
  const { repo } = await query<{ repo: { head: { blame: unknown; signature: unknown } } }>(
    scene.url,
    `{ repo(name: "site") { head { signature { state isValid } blame(path: "a") {
      ranges { startingLine endingLine commit { oid author { name } } originalPath } } } } }`,
  );
  const commit = { oid: scene.first, author: { name: 'Ada' } };
  const range = { startingLine: 1, endingLine: 1, commit, originalPath: 'a' };
  assert.deepEqual(repo.head, { signature: null, blame: { ranges: [range] } });
});
