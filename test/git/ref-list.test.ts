import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { AppError } from '../../src/error.ts';
import { pathBytes } from '../../src/git/git-path.ts';
import {
  findListedRefs,
  listRefs,
  parseRefCursor,
  parseRefPrefix,
  refCursor,
  type ListedRef,
  type RefListOptions,
} from '../../src/git/ref-list.ts';
import { parseRefName } from '../../src/git/ref-name.ts';
import { untilDone } from '../support/git-door.ts';
import { git, runGit, writeCommit } from '../support/git-fixture.ts';
import { createObjectScene, writeObject, type ObjectScene } from './object-scene.ts';

async function createRefScene(): Promise<ObjectScene> {
  return await createObjectScene({
    fill: async (dir) => {
      const ids = [];
      for (const n of [1, 2, 3, 4]) {
        ids.push(
          await writeCommit(dir, { files: { a: `${n}\n` }, date: 1_700_000_000 + (n % 3) * 100 }),
        );
      }
      const [one = '', two = '', three = ''] = ids;
      const blob = await writeObject(dir, 'blob', 'x');
      await git(dir, 'tag', '-a', '-m', 'a', 'v1', one);
      await git(dir, 'tag', '-a', '-m', 'b', 'v1-again', 'v1');
      await git(dir, 'symbolic-ref', 'refs/heads/alias', 'refs/heads/main');
      const refs = [
        ['refs/tags/blob', blob], ['refs/tags/light', two], ['refs/heads/feature/A', one], ['refs/heads/feature/b', two],
        ['refs/heads/feature-x', three], ['refs/heads/Ünï', two], ['refs/notes/commits', one], ['refs/heads/z', three],
      ] as const; // prettier-ignore
      for (const [name, id] of refs) await git(dir, 'update-ref', name, id);
      const raw = Buffer.concat([Buffer.from(`${two} refs/heads/caf`), Buffer.from([0xe9, 0x0a])]);
      await runGit(dir, ['pack-refs', '--all']);
      const packed = await readFile(join(dir, 'packed-refs'));
      const at = packed.indexOf(`${one} refs/heads/feature/A`);
      const start = at === -1 ? packed.length : at;
      // No command takes such a name; sorted, as git expects the file.
      await writeFile(
        join(dir, 'packed-refs'),
        Buffer.concat([packed.subarray(0, start), raw, packed.subarray(start)]),
      );
    },
  });
}

async function listAll(
  scene: ObjectScene,
  options: Pick<RefListOptions, 'prefix' | 'field' | 'descending' | 'first'> & { query?: string },
): Promise<ListedRef[]> {
  const all: ListedRef[] = [];
  let after: RefListOptions['after'];
  for (let page = 0; page < 50; page++) {
    const { refs, hasMore } = await listRefs(scene.git, scene.repository, {
      ...options,
      after,
      signal: untilDone,
    });
    assert.ok(refs.length <= options.first);
    all.push(...refs);
    const last = refs.at(-1);
    if (!hasMore) return all;
    assert.ok(last !== undefined);
    after = parseRefCursor(refCursor(last));
  }
  throw new Error('the pages do not end');
}

test('pages of refs, by name and by date, are what git for-each-ref prints', async () => {
  await using scene = await createRefScene();
  for (const prefix of [
    'refs/',
    'refs/heads/',
    'refs/tags/',
    'refs/heads/feature/',
    'refs/none/',
  ]) {
    for (const [field, descending, sort] of [
      ['NAME', false, ['--sort=refname']],
      ['NAME', true, ['--sort=-refname']],
      ['DATE', false, ['--sort=refname', '--sort=creatordate']],
      ['DATE', true, ['--sort=refname', '--sort=-creatordate']],
    ] as const) {
      const format = '--format=%(refname) %(objectname) %(objecttype) %(*objectname) %(symref)';
      const printed = await runGit(scene.dir, ['for-each-ref', ...sort, format, prefix]);
      const first = field === 'NAME' ? 100 : 3;
      const refs = await listAll(scene, { prefix, field, descending, first });
      const lines = refs.map(({ name, oid, type, peeledOid, symbolicTarget }) => {
        const peeled = type === 'tag' ? peeledOid : '';
        return `${pathBytes(name).toString('latin1')} ${oid} ${type} ${peeled} ${symbolicTarget ?? ''}\n`;
      });
      assert.equal(lines.join(''), printed.toString('latin1'), `${prefix} ${sort.join(' ')}`);
    }
  }
});

test('a page goes on where the last one ended, whatever came or went meanwhile', async () => {
  await using scene = await createRefScene();
  const options = {
    prefix: 'refs/heads/',
    field: 'NAME',
    descending: false,
    first: 3,
    signal: untilDone,
  } as const;
  const page = await listRefs(scene.git, scene.repository, options);
  const last = page.refs.at(-1);
  assert.ok(last !== undefined && page.hasMore);
  const after = parseRefCursor(refCursor(last));
  const before = await listRefs(scene.git, scene.repository, { ...options, after });
  await git(scene.dir, 'update-ref', '-d', last.name.text);
  await git(scene.dir, 'update-ref', 'refs/heads/AAA', 'refs/heads/main');
  const now = await listRefs(scene.git, scene.repository, { ...options, after });
  assert.deepEqual(now, before);
});

test('a query finds text in the names behind the prefix, in whichever case', async () => {
  await using scene = await createRefScene();
  const all = { prefix: 'refs/heads/', field: 'NAME', descending: false, first: 100 } as const;
  const names = async (query: string) =>
    (await listAll(scene, { ...all, query })).map(({ name }) => name.text);
  assert.deepEqual(await names('feature/a'), ['refs/heads/feature/A']);
  assert.deepEqual(await names('üNÏ'), ['refs/heads/Ünï']);
  assert.deepEqual(await names('heads'), []);
});

test('refs are found by their full names only', async () => {
  await using scene = await createRefScene();
  const names = ['refs/heads/feature', 'refs/heads/main', 'refs/tags/v1', 'refs/heads/none'];
  const found = await findListedRefs(
    scene.git,
    scene.repository,
    names.map(parseRefName),
    untilDone,
  );
  assert.deepEqual([...found.keys()].toSorted(), ['refs/heads/main', 'refs/tags/v1']);
  const commit = await git(scene.dir, 'rev-parse', 'v1^{commit}');
  assert.equal(found.get('refs/tags/v1')?.peeledOid, commit);
});

test('prefixes, names and cursors that could mean something else are refused', () => {
  assert.equal(parseRefPrefix('refs/heads'), 'refs/heads/');
  assert.equal(parseRefPrefix('refs/'), 'refs/');
  const refused = (error: unknown) => error instanceof AppError && error.code === 'BAD_USER_INPUT';
  for (const text of [
    '',
    'heads',
    'refs/*',
    'refs/heads/[a]',
    '--all',
    'refs/../x',
    'refs/heads//',
  ]) {
    assert.throws(() => parseRefPrefix(text), refused, text);
  }
  for (const text of ['main', 'HEAD', 'refs/heads/a b', 'refs/heads/-x\n', 'refs/']) {
    assert.throws(() => parseRefName(text), refused, text);
  }
  for (const text of ['', 'x', Buffer.from('1 heads/x').toString('base64url')]) {
    assert.throws(() => parseRefCursor(text), refused, text);
  }
});
