import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import { parseCommit } from '../../src/git/commit.ts';
import {
  createHistoryReader,
  type HistoryFilter,
  type HistoryReader,
} from '../../src/git/history.ts';
import type { Git } from '../../src/git/git.ts';
import { oid, type Oid } from '../../src/git/oid.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  runGit,
  writeCommit,
} from '../support/git-fixture.ts';
import { AUTHORS, createRandom, PATHS, writeRandomHistory } from './random-history.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000));

async function printed(dir: string, ...args: (string | Buffer)[]): Promise<string[]> {
  const output = await git(dir, '--no-replace-objects', '--literal-pathspecs', 'rev-list', ...args.map(String)); // prettier-ignore
  return output === '' ? [] : output.split('\n');
}

/** Counts the children that a door starts. */
function counting(door: Git): { git: Git; count: () => number } {
  let count = 0;
  return {
    git: {
      ...door,
      scan: async (...args) => {
        count++;
        return await door.scan(...args);
      },
    },
    count: () => count,
  };
}

const CACHE_BYTES = 2 ** 20;

/** One that remembers nothing. */
function forgetful(door: Git): HistoryReader {
  return createHistoryReader({ git: door, cacheBytes: 0 });
}

async function readAll(
  reader: HistoryReader,
  dir: string,
  start: Oid,
  filter: HistoryFilter,
  pageSize: () => number,
): Promise<{ ids: Oid[]; pages: number; cursors: number }> {
  const repository = await openRepository(dir);
  const ids: Oid[] = [];
  let after: string | undefined;
  for (let pages = 1, cursors = 0; ; pages++) {
    const first = pageSize();
    const page = await reader.read(repository, start, { first, after, filter, signal: untilDone });
    ids.push(...page.commits.map((each) => each.oid));
    assert.ok(page.commits.length === first || !page.hasNextPage);
    if (!page.hasNextPage) return { ids, pages, cursors };
    // A page may be left at any of its commits.
    const index = pageSize() % page.commits.length;
    ids.length -= page.commits.length - 1 - index;
    after = page.cursorAt(index);
    cursors = Math.max(cursors, after.length);
  }
}

const KINDS = [
  { title: 'clocks agree', commits: 150, skew: 0, step: 60, leastStep: 1 },
  { title: 'many commits are of one second', commits: 150, skew: 0, step: 1 },
  { title: 'clocks are a little wrong', commits: 150, skew: 300, step: 60 },
  { title: 'clocks are very wrong', commits: 120, skew: 5000, step: 10 },
  { title: 'some commits are dated 1970', commits: 120, skew: 30, step: 60, brokenClock: 25 },
] as const;

for (const [kind, { title, ...options }] of KINDS.entries()) {
  // Ids are only longer there, so that one kind is enough.
  for (const objectFormat of kind === 0 ? (['sha1', 'sha256'] as const) : (['sha1'] as const)) {
    test(`pages one after the other are what git rev-list prints where ${title} (${objectFormat}, seed ${SEED})`, async (context) => {
      await using fixture = await createFixture();
      const { git: door } = await openDoor(fixture);
      const random = createRandom(SEED * 10 + kind);
      const dir = await initRepository(fixture.path('r.git'), { bare: true, objectFormat });
      await writeRandomHistory(dir, random, options);
      const start = oid(await git(dir, 'rev-parse', 'main'));
      for (const firstParent of [false, true]) {
        const expected = await printed(dir, ...(firstParent ? ['--first-parent'] : []), start);
        const isStraight = firstParent || title === 'clocks agree';
        const counted = counting(door);
        // Nothing, a part and all of it is remembered.
        for (const cacheBytes of [0, 30_000, CACHE_BYTES]) {
          const reader = createHistoryReader({ git: counted.git, cacheBytes });
          const read = async () =>
            await readAll(reader, dir, start, { firstParent }, () => 1 + random(40));
          const before = counted.count();
          const { ids, pages, cursors } = await read();
          assert.deepEqual(ids, expected);
          const children = counted.count() - before;
          context.diagnostic(`${expected.length} commits, ${pages} pages, ${children} children, cursors of ${cursors} at most`); // prettier-ignore
          if (isStraight) assert.ok(cacheBytes === 0 ? children === pages : children <= pages);
          if (cacheBytes !== CACHE_BYTES) continue;
          assert.deepEqual((await read()).ids, expected);
          if (isStraight) assert.equal(counted.count() - before, children);
        }
      }
    });
  }
}

test(`a filter gives what git gives with it (seed ${SEED})`, async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const random = createRandom(SEED);
  const dir = await initRepository(fixture.path('r.git'), { bare: true });
  await writeRandomHistory(dir, random, { commits: 120, skew: 200, step: 60 });
  for (const content of 'xy') {
    await writeCommit(dir, { files: PATHS.map((path): [Buffer, string] => [path, content]) });
  }
  const start = oid(await git(dir, 'rev-parse', 'main'));
  const all = await printed(dir, '--timestamp', start);
  const at = (): number => Number(all[random(all.length)]?.split(' ')[0]);
  const pageSize = (): number => 8 + random(40);
  const check = async (filter: HistoryFilter, ...args: string[]): Promise<void> => {
    const { ids } = await readAll(forgetful(door), dir, start, filter, pageSize);
    assert.deepEqual(ids, await printed(dir, ...args), JSON.stringify(args));
  };
  for (const path of [...PATHS, Buffer.from('dir'), Buffer.from('nowhere'), Buffer.from('*')]) {
    if (path.equals(Buffer.from(path.toString()))) {
      await check({ path }, start, '--', path.toString());
      await check({ path, firstParent: true }, '--first-parent', start, '--', path.toString());
    } else {
      const { ids } = await readAll(forgetful(door), dir, start, { path }, pageSize);
      const input = Buffer.concat([Buffer.from(`${start}\n--\n`), path, Buffer.from('\n')]);
      const output = await runGit(dir, ['--literal-pathspecs', 'rev-list', '--stdin'], { input });
      assert.deepEqual(ids, output.toString().split('\n').filter(Boolean));
      assert.ok(ids.length > 0);
    }
  }
  for (let i = 0; i < 3; i++) {
    const [since, until] = [at(), at()];
    await check({ since: new Date(since * 1000) }, `--max-age=${since}`, start);
    await check({ until: new Date(until * 1000 + 999) }, `--min-age=${until}`, start);
    const exclude = oid(all[random(all.length)]?.split(' ')[1] ?? '');
    await check({ exclude }, start, `^${exclude}`);
  }
  const emails = ['zoe@EXAMPLE.com', 'x.ample@y'];
  const authors = emails.map((email) => `--author=<${email}>`);
  await check({ emails }, '-F', '-i', ...authors, start);
  // Not a pattern, and the whole address.
  for (const email of ['x_ample@y', '.*', 'ample@y', '--all']) await check({ emails: [email] }, '-n0', start); // prettier-ignore
  assert.ok(AUTHORS.length === 3);
});

test('a commit of a page is the object, byte for byte, or is left to the reader', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('r.git'), { bare: true });
  await writeRandomHistory(dir, createRandom(SEED), { commits: 300, skew: 0, step: 60 });
  const tree = await git(dir, 'mktree', '--missing');
  const write = async (...lines: string[]): Promise<Oid> => {
    const main = await git(dir, 'rev-parse', 'main');
    const input = Buffer.from([`tree ${tree}`, `parent ${main}`, ...lines].join('\n'), 'latin1');
    const args = ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'];
    const id = oid((await runGit(dir, args, { input })).toString().trim());
    await git(dir, 'update-ref', 'refs/heads/main', id);
    return id;
  };
  const people = ['author A <a@b> 1700000000 +0100', 'committer C <c@d> 1800000000 -0100'];
  const proven = [
    await write(...people, 'encoding ISO-8859-1', '', 'caf\xe9\n'),
    await write(...people, 'gpgsig -----BEGIN SSH SIGNATURE-----', ' \xff', ' -----END', '', 'm\n'),
    await write(...people, 'encoding nonsense', '', '\ttab \xe9\n\n    four\n'),
    await write('author \xe9 <> 1 +0000', 'committer  < <x> 99 +99', '', 'odd people\n'),
  ];
  const left = [await write(...people, '', 'with a\0NUL\n'), await write(...people, '', 'end \n')];
  const start = oid(await git(dir, 'rev-parse', 'main'));
  const repository = await openRepository(dir);
  const { commits } = await forgetful(door).read(repository, start, {
    first: 1000,
    filter: {},
    signal: untilDone,
  });
  assert.equal(commits.length, 306);
  for (const { oid: id, commit } of commits) {
    if (commit === null) continue;
    assert.deepEqual(commit, parseCommit(id, await runGit(dir, ['cat-file', 'commit', id])));
  }
  const isProven = new Map(commits.map(({ oid: id, commit }) => [id, commit !== null]));
  for (const id of proven) assert.equal(isProven.get(id), true, id);
  for (const id of left) assert.equal(isProven.get(id), false, id);
  assert.ok(commits.filter(({ commit }) => commit !== null).length > 40);
});

test('new commits do not shift the pages, and a cursor is of one history only', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('r.git'), { bare: true });
  for (let n = 0; n < 6; n++) await writeCommit(dir, { message: `${n}\n` });
  const old = oid(await git(dir, 'rev-parse', 'main'));
  const expected = await printed(dir, old);
  const repository = await openRepository(dir);
  const options = { first: 2, filter: {}, signal: untilDone };
  const reader = createHistoryReader({ git: door, cacheBytes: CACHE_BYTES });
  const page = await reader.read(repository, old, options);
  const moved = await writeCommit(dir, { message: 'new\n' });
  const after = page.cursorAt(1);
  const rest = await reader.read(repository, moved, { ...options, first: 10, after });
  assert.deepEqual([...page.commits, ...rest.commits].map((each) => each.oid), expected); // prettier-ignore
  const wrong = async (cursor: string, filter: HistoryFilter = {}): Promise<string> =>
    await reader.read(repository, old, { ...options, filter, after: cursor }).then(
      () => 'no error',
      (error: unknown) => (error as { code?: string }).code ?? 'another error',
    );
  assert.equal(await wrong(after, { firstParent: true }), 'BAD_USER_INPUT');
  for (const cursor of ['', 'x', after.slice(0, 40), after.slice(0, -3), old]) {
    assert.equal(await wrong(cursor), 'BAD_USER_INPUT', cursor);
  }
  const other = await initRepository(fixture.path('other.git'), { bare: true });
  const there = await openRepository(other);
  await assert.rejects(reader.read(there, old, { ...options, after }), { code: 'NOT_FOUND' });
});

test('a shallow clone, a replaced commit and a graft show the commits as they are', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  await writeRandomHistory(origin, createRandom(7), { commits: 60, skew: 0, step: 60 });
  const start = oid(await git(origin, 'rev-parse', 'main'));
  const reader = createHistoryReader({ git: door, cacheBytes: CACHE_BYTES });
  const shallow = await cloneRepository(`file://${origin}`, fixture.path('shallow'), '--depth=4');
  const expected = await printed(shallow, start);
  assert.ok(expected.length < 60);
  assert.deepEqual((await readAll(reader, shallow, start, {}, () => 2)).ids, expected);

  // The boundary moves: what was remembered of it is not true any more.
  await runGit(shallow, ['fetch', '--quiet', '--deepen=3']);
  const deeper = await printed(shallow, start);
  assert.ok(deeper.length > expected.length);
  assert.deepEqual((await readAll(reader, shallow, start, {}, () => 2)).ids, deeper);

  const all = await printed(origin, start);
  const [tip = '', second = ''] = all;
  await git(origin, 'replace', tip, all.at(-1) ?? '');
  await writeCommit(origin, { branch: 'other', parents: [] });
  assert.deepEqual((await readAll(reader, origin, start, {}, () => 7)).ids, all);
  await runGit(origin, ['replace', '-d', tip]);
  await mkdir(`${origin}/info`, { recursive: true });
  await writeFile(`${origin}/info/grafts`, `${second}\n${tip}\n`);
  assert.ok((await printed(origin, start)).length < all.length, 'git itself follows the graft');
  assert.deepEqual((await readAll(reader, origin, start, {}, () => 7)).ids, all);
});
