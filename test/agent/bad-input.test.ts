import assert from 'node:assert/strict';
import { readdir, readFile, writeFile } from 'node:fs/promises';
import { after, before, test } from 'node:test';
import {
  cancelDocument,
  jobDocument,
  pullDocument,
  repoDocument,
  runDocument,
  watchJobDocument,
  watchOutputDocument,
} from '../../src/client/documents.ts';
import { ask, openSocket, query, refusal } from '../support/graphql-client.ts';
import { exists, treeState } from '../support/git-fixture.ts';
import { createScene, type Scene } from './scene.ts';

/** Keeps what git is started with: a file for each child, the arguments ended by NUL. */
const recordGit = (dir: string): string[] => [
  `printf '%s\\0' "$@" > '${dir}'/git.$$`,
  'exec "$REAL_GIT" "$@"',
];

let scene: Scene;
before(async () => {
  scene = await createScene({ git: recordGit, commands: { quick: 'true' } });
  // What is recorded is seen: a branch that is none of the bad ones does reach git.
  const { pull } = await query(scene.url, pullDocument, {
    input: { repo: 'site', branch: 'unheard-of', wait: true },
  });
  assert.equal(pull.job.error?.code, 'NOT_FOUND');
  const given = await gitArguments();
  assert.ok(given.includes('fetch') && given.includes('refs/heads/unheard-of'), given.join(' '));
});
after(async () => {
  await scene[Symbol.asyncDispose]();
});

/** Every argument that a git child of the agent was ever given. */
async function gitArguments(): Promise<string[]> {
  const names = (await readdir(scene.fixture.dir)).filter((name) => name.startsWith('git.'));
  const calls = await Promise.all(
    names.toSorted().map((name) => readFile(scene.fixture.path(name), 'utf8')),
  );
  return calls.flatMap((call) => call.split('\0'));
}

async function restPull(form: Readonly<Record<string, string>>): Promise<Response> {
  return await fetch(`${scene.url}/repo/site/pull`, {
    method: 'POST',
    body: new URLSearchParams({ block: '1', ...form }),
  });
}

const BAD_BRANCHES = [
  '--upload-pack=touch x',
  '--upload-pack=touch${IFS}x',
  '-h',
  '-',
  'a..b',
  '@{u}',
  '@',
  'HEAD',
  '',
  'x'.repeat(10_000),
  'a\0b',
  'a b',
  'a\nb',
  'a~1',
  'a:b',
  'refs/../x',
  '.lock',
  '\ud800',
];

for (const branch of BAD_BRANCHES) {
  const title = JSON.stringify(
    branch.length > 40 ? `${branch.slice(0, 5)}… (${branch.length})` : branch,
  );
  test(`the branch name ${title} is refused as bad input, and git never sees it`, async () => {
    const tree = await treeState(scene.copy);
    const given = await gitArguments();
    const refused = await refusal(scene.url, pullDocument, {
      input: { repo: 'site', branch, wait: true },
    });
    assert.equal(refused.code, 'BAD_USER_INPUT');
    assert.match(refused.message, /is not a branch name: /);
    assert.ok(refused.message.length < 300);

    // REST takes white space around a value away, and a form cannot say a lone surrogate.
    if (branch === branch.trim() && branch.isWellFormed()) {
      assert.equal((await restPull({ git_branch: branch })).status, 400);
    }
    assert.equal(await exists(`${scene.copy}/x`), false);
    assert.deepEqual(await treeState(scene.copy), tree);
    // Not even to look: no child has been started since.
    assert.deepEqual(await gitArguments(), given);
  });
}

const BAD_HASHES = [
  '',
  '-h',
  '--all',
  'HEAD',
  'abc',
  'main',
  'a..b',
  'g'.repeat(40),
  'a'.repeat(65),
  'abcd\0',
  '@{u}',
];

for (const hash of BAD_HASHES) {
  test(`the hash ${JSON.stringify(hash.slice(0, 10))} is refused as bad input`, async () => {
    const variables = { input: { repo: 'site', hash, wait: true } };
    const refused = await refusal(scene.url, pullDocument, variables);
    assert.equal(refused.code, 'BAD_USER_INPUT');
    assert.match(refused.message, /is not a commit hash/);
    assert.equal((await restPull({ git_hash: hash })).status, 400);
  });
}

test('names that are too long, or of nothing, are refused', async () => {
  for (const repo of ['', 'x'.repeat(256)]) {
    assert.equal(
      (await refusal(scene.url, pullDocument, { input: { repo } })).code,
      'BAD_USER_INPUT',
    );
  }
  const long = { repo: 'site', command: 'x'.repeat(256) };
  assert.equal((await refusal(scene.url, runDocument, { input: long })).code, 'BAD_USER_INPUT');
  const unknown = { repo: '../site', command: 'quick' };
  assert.equal((await refusal(scene.url, runDocument, { input: unknown })).code, 'NOT_FOUND');
});

function globalId(type: string, key: string): string {
  return Buffer.from(`${type}:${key}`).toString('base64');
}

test('bad ids are refused as bad input, unknown ones are null', async () => {
  const nobody = '00000000-0000-4000-8000-000000000000';
  for (const id of [
    '',
    'x',
    '../x',
    '-h',
    globalId('Job', 'x'),
    globalId('Repo', nobody),
    `${nobody}/..`,
  ]) {
    assert.equal((await refusal(scene.url, jobDocument, { id })).code, 'BAD_USER_INPUT', id);
    const cancelled = await refusal(scene.url, cancelDocument, { input: { job: id } });
    assert.equal(cancelled.code, 'BAD_USER_INPUT', id);
  }
  assert.equal((await query(scene.url, jobDocument, { id: nobody })).job, null);

  const NODE = 'query ($id: ID!) { node(id: $id) { __typename id } }';
  for (const id of [
    '',
    'x',
    globalId('Nope', 'x'),
    globalId('Commit', 'x'),
    globalId('Commit', `--help:site`),
  ]) {
    const { data, errors = [] } = await ask(scene.url, NODE, { id });
    const codes = errors.map(({ extensions }) => extensions?.['code']);
    assert.deepEqual([data?.['node'], codes], [null, ['BAD_USER_INPUT']], id);
  }
  for (const id of [globalId('Job', nobody), globalId('Repo', 'nope')]) {
    assert.deepEqual(await query(scene.url, NODE, { id }), { node: null }, id);
  }
});

test('bad cursors and page sizes are refused as bad input', async () => {
  const { run } = await query(scene.url, runDocument, {
    input: { repo: 'site', command: 'quick', wait: true },
  });
  const { key } = run.job;
  const PAGES = [
    '{ repos(first: -1) { nodes { name } } }',
    '{ repos(after: "x") { nodes { name } } }',
    '{ repos(first: 1, last: 1, before: "x") { nodes { name } } }',
    '{ jobs(first: -1) { nodes { key } } }',
    '{ jobs(after: "x") { nodes { key } } }',
    '{ jobs(last: 1) { nodes { key } } }',
    '{ repo(name: "site") { untrackedFiles(first: -1) } }',
    '{ repo(name: "site") { untrackedFiles(first: 100001) } }',
    '{ repo(name: "site") { changedFiles { files(first: -1) { path } } } }',
    `{ job(id: "${key}") { output(first: -1) { nodes { text } } } }`,
    `{ job(id: "${key}") { output(after: "x") { nodes { text } } } }`,
    `{ job(id: "${key}") { output(after: "${key}:-1") { nodes { text } } } }`,
    `{ job(id: "${key}") { output(last: 1) { nodes { text } } } }`,
  ];
  for (const page of PAGES) {
    assert.equal((await refusal(scene.url, page)).code, 'BAD_USER_INPUT', page);
  }
});

test('bad arguments of subscriptions are refused as bad input', async () => {
  const nobody = '00000000-0000-4000-8000-000000000000';
  const { run } = await query(scene.url, runDocument, {
    input: { repo: 'site', command: 'quick', wait: true },
  });
  await using socket = openSocket(scene.url);
  const first = async (query: string, variables: Record<string, unknown>) => {
    const results = socket.client.iterate({ query, variables });
    const error: unknown = await results.next().then(
      ({ value }) => (value as { errors?: unknown } | undefined)?.errors,
      (reason: unknown) => reason,
    );
    const [{ extensions } = {}] = error as { extensions?: { code?: unknown } }[];
    return extensions?.code;
  };
  const cases: [{ toString(): string }, Record<string, unknown>, string][] = [
    [watchOutputDocument, {}, 'BAD_USER_INPUT'],
    [watchOutputDocument, { job: 'x' }, 'BAD_USER_INPUT'],
    [watchOutputDocument, { after: 'x' }, 'BAD_USER_INPUT'],
    [watchOutputDocument, { after: `${run.job.key}:x` }, 'BAD_USER_INPUT'],
    [watchOutputDocument, { job: run.job.key, repo: 'site' }, 'BAD_USER_INPUT'],
    [watchOutputDocument, { job: nobody }, 'NOT_FOUND'],
    [watchOutputDocument, { repo: 'nope' }, 'NOT_FOUND'],
    [watchJobDocument, { id: 'x' }, 'BAD_USER_INPUT'],
    [watchJobDocument, { id: nobody }, 'NOT_FOUND'],
  ];
  for (const [operation, variables, code] of cases) {
    assert.equal(await first(operation.toString(), variables), code, JSON.stringify(variables));
  }
});

test('a document that is too long, or none, is refused, and the socket lives on', async () => {
  const long = `{ ${'viewer { name } '.repeat(3000)}}`;
  const syntax = '{ viewer { name }';
  assert.match((await refusal(scene.url, long)).message, /token/i);
  assert.match((await refusal(scene.url, syntax)).message, /Syntax Error/);
  const huge = await fetch(`${scene.url}/graphql`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ query: `{ viewer { name } } #${'x'.repeat(2 ** 20)}` }),
  });
  assert.equal(huge.status, 413);

  await using socket = openSocket(scene.url);
  for (const document of [
    long,
    syntax,
    '{ nope }',
    'query A { viewer { name } } query B { viewer { name } }',
  ]) {
    await assert.rejects(
      async () => {
        for await (const _ of socket.client.iterate({ query: document }));
      },
      (errors) => Array.isArray(errors),
    );
  }
  const answers = [];
  for await (const answer of socket.client.iterate({ query: '{ viewer { name } }' }))
    answers.push(answer);
  assert.deepEqual(answers, [{ data: { viewer: { name: 'anonymous' } } }]);
});

const COSTLY = [
  '{ repos(first: 100) { nodes { jobs(first: 100) { nodes { repo { jobs(first: 100) { nodes { key } } } } } } } }',
  'query ($n: Int = 100) { repos(first: $n) { nodes { jobs(first: $n) { edges { node { repo { jobs(first: $n) { nodes { key } } } } } } } } }',
  'query { ...A } fragment A on Query { repos(first: 100) { nodes { ...B } } } fragment B on Repo { jobs(first: 100) { nodes { ... on Job { repo { ...C } } } } } fragment C on Repo { jobs(first: 100) { nodes { key } } }',
  '{ jobs(first: 100) { nodes { output(first: 100) { nodes { text } } } } }',
  'subscription { busy { jobs(first: 100) { nodes { repo { jobs(first: 100) { nodes { repo { jobs { nodes { key } } } } } } } } } }',
];

test('an operation that could ask for too much is refused before anything is read, on each transport', async () => {
  await using socket = openSocket(scene.url);
  for (const document of COSTLY) {
    assert.equal((await refusal(scene.url, document)).code, 'LIMIT_EXCEEDED', document);
    const results = socket.client.iterate({ query: document });
    const { value } = (await results.next()) as {
      value: { errors?: { extensions?: { code?: string } }[] };
    };
    assert.deepEqual(value.errors?.[0]?.extensions?.code, 'LIMIT_EXCEEDED', document);
  }
  await query(scene.url, '{ repos(first: 100) { nodes { jobs(first: 100) { nodes { key } } } } }');
});

test('more than ten operations on one socket trouble nobody', async () => {
  await using socket = openSocket(scene.url);
  const asked = Array.from({ length: 40 }, async () => {
    const answers = socket.client.iterate({ query: '{ repo(name: "site") { dirty } }' });
    return ((await answers.next()) as { value: unknown }).value;
  });
  for (const answer of await Promise.all(asked)) {
    assert.deepEqual(answer, { data: { repo: { dirty: false } } });
  }
});

test('what no caller may see is masked, with an id that the log has', async () => {
  await using broken = await createScene({ expectsBug: true });
  await writeFile(`${broken.copy}/.git/config`, '[core\n');
  const { data, errors = [] } = await ask(broken.url, repoDocument, { name: 'site' });
  assert.equal(data?.repo ?? null, null);
  const [error] = errors;
  assert.equal(error?.extensions?.['code'], 'INTERNAL');
  assert.doesNotMatch(JSON.stringify(errors), /bad config|gitagent-git|spawn/);
  const id = error?.extensions?.['id'];
  const logged = broken.agent.log().filter((line) => line['id'] === id);
  assert.equal(logged.length, 1);
  assert.match(JSON.stringify(logged), /internal error/);
});
