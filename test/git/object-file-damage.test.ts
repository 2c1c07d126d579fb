import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname } from 'node:path';
import { suite, test } from 'node:test';
import { deflateSync } from 'node:zlib';
import { readObject } from '../../src/git/object-file.ts';
import { type Oid, oid } from '../../src/git/oid.ts';
import { formatDelta, writeHandmadePack } from './handmade-pack.ts';
import {
  countOpenFiles,
  createScratchRepository,
  loosePath,
  readAllWithGit,
  type ScratchRepository,
  writeBlob,
} from './scratch-repository.ts';

const MAX_BYTES = 1024 * 1024;

suite('damage', () => {
  test('a whole copy is found behind a damaged one', async () => {
    await using repository = await createScratchRepository();
    const id = writeBlob(repository, 'kept twice');
    repository.git(['pack-objects', '-q', 'objects/pack/pack'], id);
    await overwrite(loosePath(repository, id), Buffer.from('nonsense'));
    assert.equal(
      (await readObject(repository.objectsDir, id, { maxBytes: MAX_BYTES }))?.body.toString(),
      'kept twice',
    );
  });

  test('no flipped byte and no cut of a loose object gives a wrong answer or leaves a file open', async () => {
    await using repository = await createScratchRepository();
    const id = writeBlob(repository, 'some content that is worth a few bytes\n'.repeat(20));
    await assertDamageIsSeen(repository, loosePath(repository, id), 1);
  });

  for (const ending of ['pack', 'idx']) {
    test(`no flipped byte and no cut of a .${ending} gives a wrong answer or leaves a file open`, async () => {
      await using repository = await createScratchRepository();
      const content = Array.from({ length: 90 }, (_, i) => `line ${i * i}`);
      for (const line of [3, 40, 80]) {
        content[line] = 'changed';
        writeBlob(repository, content.join('\n'));
      }
      const ids = [...readAllWithGit(repository).keys()].join('\n');
      repository.git(['pack-objects', '-q', 'objects/pack/pack'], ids);
      repository.git(['prune-packed', '-q']);
      const [pack] = await repository.listPacks();
      await assertDamageIsSeen(repository, `${pack}.${ending}`, 5);
    });
  }
});

suite('hostile data', () => {
  const bomb = Buffer.alloc(64 * 1024 * 1024);

  test('a loose object that inflates past its size is not inflated', async () => {
    await using repository = await createScratchRepository();
    for (const size of [10, 100_000, bomb.length]) {
      const id = oid(
        createHash('sha1').update(`blob ${size}\0`).update(bomb.subarray(0, size)).digest('hex'),
      );
      await mkdir(dirname(loosePath(repository, id)), { recursive: true });
      await writeFile(
        loosePath(repository, id),
        deflateSync(Buffer.concat([Buffer.from(`blob ${size}\0`), bomb])),
      );
      await assertCheapNull(repository, id);
    }
  });

  test('a pack entry that inflates past its size is not inflated', async () => {
    await using repository = await createScratchRepository();
    const id = oid('a'.repeat(40));
    for (const size of [0, 10, 100_000, bomb.length]) {
      await writeHandmadePack(repository.objectsDir, [{ id, kind: 3, content: bomb, size }]);
      await assertCheapNull(repository, id);
    }
  });

  test('a delta that says it makes gigabytes makes none', async () => {
    await using repository = await createScratchRepository();
    const [id, base] = [oid('a'.repeat(40)), oid('b'.repeat(40))];
    // Copies the 65,536 bytes of the base again and again.
    const delta = formatDelta(
      65_536,
      2 ** 32,
      Array.from({ length: 65_536 }, () => 0x80),
    );
    await writeHandmadePack(repository.objectsDir, [
      { id, kind: 7, base, content: delta },
      { id: base, kind: 3, content: Buffer.alloc(65_536) },
    ]);
    await assertCheapNull(repository, id);
  });

  test('a delta whose base lies outside its pack is left to git', async () => {
    await using repository = await createScratchRepository();
    const base = writeBlob(repository, 'A');
    const id = oid(repository.git(['hash-object', '--stdin'], 'B').toString().trim());
    const content = formatDelta(1, 1, [1, 66]);
    await writeHandmadePack(repository.objectsDir, [{ id, kind: 7, base, content }]);
    assert.equal(await readObject(repository.objectsDir, id, { maxBytes: MAX_BYTES }), null);
    await writeHandmadePack(repository.objectsDir, [
      { id, kind: 7, base, content },
      { id: base, kind: 3, content: Buffer.from('A') },
    ]);
    assert.equal(
      (await readObject(repository.objectsDir, id, { maxBytes: MAX_BYTES }))?.body.toString(),
      'B',
    );
  });

  test('deltas that build on each other end', async () => {
    await using repository = await createScratchRepository();
    const [one, two] = [oid('a'.repeat(40)), oid('b'.repeat(40))];
    const content = formatDelta(1, 1, [1, 65]);
    await writeHandmadePack(repository.objectsDir, [
      { id: one, kind: 7, base: two, content },
      { id: two, kind: 7, base: one, content },
    ]);
    await assertCheapNull(repository, one);
  });

  // The last one: what it lets go of would count as what the next one takes.
  test('a long chain of deltas that rebuild maxBytes each is given up', async () => {
    await using repository = await createScratchRepository();
    const ids = Array.from({ length: 500 }, (_, i) => oid(i.toString(16).padStart(40, '0')));
    const size = 0xffffff;
    const copyAll = formatDelta(size, size, [0xf0, 0xff, 0xff, 0xff]);
    await writeHandmadePack(
      repository.objectsDir,
      ids.map((id, i) => {
        const base = ids[i + 1];
        return base
          ? { id, kind: 7, base, content: copyAll }
          : { id, kind: 3, content: Buffer.alloc(size) };
      }),
    );
    const started = performance.now();
    assert.equal(
      await readObject(repository.objectsDir, oid('0'.repeat(40)), { maxBytes: size }),
      null,
    );
    assert.ok(performance.now() - started < 5000);
  });
});

/** Flips each `step`th byte of `path` in turn, and cuts it there, and reads all objects. */
async function assertDamageIsSeen(
  repository: ScratchRepository,
  path: string,
  step: number,
): Promise<void> {
  const expected = readAllWithGit(repository);
  const sound = await readFile(path);
  const openBefore = countOpenFiles();
  let seen = 0;
  for (let at = 0; at < sound.length; at += step) {
    const flipped = Buffer.from(sound);
    flipped[at] = (sound[at] ?? 0) ^ (1 << (at % 8));
    for (const damaged of [flipped, sound.subarray(0, at)]) {
      await overwrite(path, damaged);
      for (const [id, object] of expected) {
        const read = await readObject(repository.objectsDir, id, { maxBytes: MAX_BYTES });
        if (read === null) seen++;
        else
          assert.ok(
            read.type === object.type && read.body.equals(object.body),
            `byte ${at}, ${id}`,
          );
      }
    }
  }
  assert.ok(seen > 0);
  assert.equal(countOpenFiles(), openBefore);
}

async function assertCheapNull(repository: ScratchRepository, id: Oid): Promise<void> {
  const { rss } = process.memoryUsage();
  assert.equal(await readObject(repository.objectsDir, id, { maxBytes: MAX_BYTES }), null);
  const grown = process.memoryUsage().rss - rss;
  assert.ok(grown < 16 * 1024 * 1024, `grew by ${grown} bytes`);
}

/** git's object files are read-only. */
async function overwrite(path: string, content: Buffer): Promise<void> {
  await chmod(path, 0o644);
  await writeFile(path, content);
}
