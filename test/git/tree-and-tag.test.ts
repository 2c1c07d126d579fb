import assert from 'node:assert/strict';
import { test } from 'node:test';
import { AppError } from '../../src/error.ts';
import { pathBytes } from '../../src/git/git-path.ts';
import { oid as toOid } from '../../src/git/oid.ts';
import { parseTag } from '../../src/git/tag.ts';
import { parseTree } from '../../src/git/tree.ts';
import { readTree } from '../../src/git/tree-path.ts';
import { untilDone } from '../support/git-door.ts';
import { git, runGit, writeCommit } from '../support/git-fixture.ts';
import {
  createObjectScene,
  createRandom,
  listObjects,
  writeObject,
  writeRandomHistory,
} from './object-scene.ts';

const ADA = 'Ada <ada@example.com> 1700000000 +0100';
const ID = toOid('1'.repeat(40));
const isConflict = (error: unknown) => error instanceof AppError && error.code === 'CONFLICT';

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`${objectFormat} trees are read as git ls-tree prints them, odd modes and names too`, async (t) => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    t.diagnostic(`SEED=${seed}`);
    await using scene = await createObjectScene({
      objectFormat,
      fill: async (dir) => await writeRandomHistory(dir, createRandom(seed), 40),
    });
    const blob = await writeObject(scene.dir, 'blob', 'x');
    const bytes = Buffer.from(blob, 'hex');
    const entry = (start: string) => [Buffer.from(`${start}\0`, 'latin1'), bytes];
    const odd = [
      '100664 a',
      '100600 b',
      '100755 c',
      '100711 d',
      '120777 e',
      '040000 f',
      '40755 g',
      '160000 h',
      '0 i',
      '100644 \xff\n',
      '100644 a/b',
      '100644 ..',
    ];
    const trees = [await writeObject(scene.dir, 'tree', Buffer.concat(odd.flatMap(entry)))];
    for (const { oid, type } of await listObjects(scene.dir)) if (type === 'tree') trees.push(oid);
    for (const tree of trees.slice(0, 40)) {
      const printed = await runGit(scene.dir, ['ls-tree', '-z', tree]);
      const entries = await readTree(scene.objects, scene.repository, tree, untilDone);
      const lines = entries.flatMap(({ mode, type, oid, name }) => [
        Buffer.from(`${mode.toString(8).padStart(6, '0')} ${type} ${oid}\t`),
        pathBytes(name),
        Buffer.from('\0'),
      ]);
      assert.equal(Buffer.concat(lines).toString('latin1'), printed.toString('latin1'));
    }
  });
}

test('a damaged tree is a conflict that names it', () => {
  for (const body of [
    '100644 a',
    '100644 a\0short',
    'a',
    '100644\0',
    `x a\0${'i'.repeat(20)}`,
    `100644 \0${'i'.repeat(20)}`,
  ]) {
    assert.throws(() => parseTree(ID, Buffer.from(body)), isConflict, body);
  }
  assert.deepEqual(parseTree(ID, Buffer.alloc(0)), []);
});

test('tags are read as git for-each-ref prints them', async () => {
  await using scene = await createObjectScene();
  const commit = await writeCommit(scene.dir);
  const head = `object ${commit}\ntype commit\ntag v1\n`;
  const bodies: (string | Buffer)[] = [
    `${head}tagger ${ADA}\n\nsubject\n\nbody\n`,
    `${head}tagger ${ADA}\n\n`,
    `${head}tagger ${ADA}\n`,
    `${head}\nno tagger\n`,
    `${head}tagger nobody\n\nodd\n`,
    `${head}tagger ${ADA}\n\nsigned\n-----BEGIN PGP SIGNATURE-----\n\niQ\n-----END PGP SIGNATURE-----\n`,
    `${head}tagger ${ADA}\n\n-----BEGIN SSH SIGNATURE-----\nU1\n-----END SSH SIGNATURE-----\n`,
    `${head}tagger ${ADA}\n\nsays -----BEGIN PGP SIGNATURE-----\nwithin a line\n`,
    Buffer.from(`${head}tagger ${ADA}\n\ncaf\xe9\n`, 'latin1'),
  ];
  for (const [index, body] of bodies.entries()) {
    const id = await writeObject(scene.dir, 'tag', body);
    await git(scene.dir, 'update-ref', `refs/tags/t${index}`, id);
    const tag = parseTag(id, Buffer.from(body));
    const fields = [
      '*objectname',
      'tag',
      'taggername',
      'taggeremail:trim',
      'taggerdate:unix',
      'contents',
      'contents:signature',
    ];
    const format = fields.map((field) => `%(${field})`).join('%00');
    const printed = await runGit(scene.dir, [
      'for-each-ref',
      `--format=${format}`,
      `refs/tags/t${index}`,
    ]);
    const [target, name, tagger, email, date, contents = '', signature = ''] = printed
      .toString()
      .slice(0, -1)
      .split('\0');
    assert.equal(tag.targetOid, target);
    assert.equal(tag.targetType, 'commit');
    assert.equal(tag.name, name);
    if (tagger !== 'nobody' && tagger !== '') assert.equal(tag.tagger?.name, tagger);
    assert.equal(tag.tagger?.email ?? '', email);
    assert.equal(String((tag.tagger?.date?.getTime() ?? 0) / 1000), date === '' ? '0' : date);
    assert.equal(tag.signed, signature !== '');
    assert.equal(
      tag.message.trimEnd(),
      contents.slice(0, contents.length - signature.length).trimEnd(),
    );
    assert.deepEqual(
      tag.messageRaw,
      index === bodies.length - 1 ? Buffer.from('caf\xe9\n', 'latin1') : null,
    );
  }
  for (const body of [
    '',
    '\n\nx',
    'object x\ntype commit\ntag v\n',
    `object ${ID}\ntype thing\ntag v\n`,
    `object ${ID}\n`,
  ]) {
    assert.throws(() => parseTag(ID, Buffer.from(body)), isConflict, body);
  }
});
