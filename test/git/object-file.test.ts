import assert from 'node:assert/strict';
import { readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join, relative } from 'node:path';
import { after, before, suite, test } from 'node:test';
import { readObject } from '../../src/git/object-file.ts';
import { type Oid, oid } from '../../src/git/oid.ts';
import { parsePackEntry } from '../../src/git/pack-entry.ts';
import {
  countOpenFiles,
  createScratchRepository,
  loosePath,
  readAllWithGit,
  type ScratchRepository,
  writeBlob,
  writeHistory,
} from './scratch-repository.ts';

const MAX_BYTES = 1024 * 1024;

/** How one history may lie on the disk. Each begins with the pack that fast-import wrote. */
const LAYOUTS: Record<string, (repository: ScratchRepository) => Promise<void>> = {
  'the pack that fast-import writes': async () => {},
  'loose objects': async (repository) => {
    for (const pack of await takePacks(repository)) repository.git(['unpack-objects', '-q'], pack);
    assert.deepEqual(await repository.listPacks(), []);
  },
  'long chains of offset deltas': async (repository) => {
    repository.git(['repack', '-adfq', '--depth=50', '--window=50']);
    const { longest, byId } = await describeDeltas(repository);
    assert.ok(longest >= 40, `the longest chain is ${longest}`);
    assert.equal(byId, 0);
  },
  'the longest chains that git makes': async (repository) => {
    repository.git(['repack', '-adfq', '--depth=4095', '--window=100']);
    const { longest } = await describeDeltas(repository);
    assert.ok(longest > 50, `the longest chain is ${longest}`);
  },
  'long chains of deltas by id': async (repository) => {
    repository.git([
      '-c',
      'repack.useDeltaBaseOffset=false',
      'repack',
      '-adfq',
      '--depth=50',
      '--window=50',
    ]);
    const { longest, byId } = await describeDeltas(repository);
    assert.ok(
      longest >= 40 && byId > 50,
      `the longest chain is ${longest}, ${byId} deltas are by id`,
    );
  },
  'an index with 64-bit offsets': async (repository) => {
    const [pack] = await repository.listPacks();
    await rm(`${pack}.idx`, { force: true });
    repository.git(['index-pack', '--index-version=2,0x100', '-o', `${pack}.idx`, `${pack}.pack`]);
  },
  'many packs and a multi-pack-index': async (repository) => {
    for (const pack of await takePacks(repository)) repository.git(['unpack-objects', '-q'], pack);
    for (const n of [70, 50, 30, 10]) {
      const ids = repository.git(['rev-list', '--objects', '--no-object-names', `main~${n}`]);
      repository.git(['pack-objects', '-q', '--incremental', 'objects/pack/pack'], ids);
    }
    repository.git(['repack', '-dq']);
    repository.git(['multi-pack-index', 'write']);
    assert.equal((await repository.listPacks()).length, 5);
  },
  'packs and loose objects mixed': async (repository) => {
    const [pack = Buffer.alloc(0)] = await takePacks(repository);
    repository.git(['unpack-objects', '-q'], pack);
    repository.git(['repack', '-dq', '--no-write-bitmap-index']);
    repository.git(['unpack-objects', '-q'], pack);
    repository.git(['hash-object', '-w', '--stdin'], 'only loose');
  },
};

for (const [format, commits] of [
  ['sha1', 90],
  ['sha256', 80],
] as const) {
  suite(`every object of a ${format} history is what git cat-file says`, () => {
    for (const [layout, arrange] of Object.entries(LAYOUTS)) {
      test(layout, async () => {
        await using repository = await createScratchRepository({ format });
        writeHistory(repository, commits);
        await arrange(repository);
        await assertSameAsGit(repository);
      });
    }

    test('borrowed by a shared clone of a shared clone', async () => {
      await using origin = await createScratchRepository({ format });
      writeHistory(origin, 30);
      await using clone = await createScratchRepository({ from: origin });
      clone.git(['commit-tree', '-m', 'of the clone', 'main^{tree}']);
      await using cloneOfClone = await createScratchRepository({ from: clone });
      cloneOfClone.git(['hash-object', '-w', '--stdin'], 'its own');
      await assertSameAsGit(cloneOfClone);
    });

    test('fetched as a thin pack that git completed', async () => {
      await using origin = await createScratchRepository({ format });
      writeHistory(origin, 100);
      await using clone = await createScratchRepository({ format });
      origin.git(['branch', 'old', 'main~40']);
      for (const branch of ['old', 'main']) {
        clone.git(['-c', 'fetch.unpackLimit=1', 'fetch', '-q', origin.dir, `${branch}:${branch}`]);
      }
      assert.equal((await clone.listPacks()).length, 2);
      assert.ok((await describeDeltas(clone)).byId > 0);
      await assertSameAsGit(clone);
    });
  });
}

suite('alternates', () => {
  let origin: ScratchRepository;
  before(async () => {
    origin = await createScratchRepository();
  });
  after(() => origin[Symbol.asyncDispose]());

  test('may be relative to the object folder, among comments and empty lines', async () => {
    await using clone = await createScratchRepository();
    const id = writeBlob(origin, 'borrowed');
    await writeAlternates(
      clone,
      `# a comment\n\n/nowhere\n/no\0where\n${relative(clone.objectsDir, origin.objectsDir)}\n`,
    );
    assert.equal(
      (await readObject(clone.objectsDir, id, { maxBytes: MAX_BYTES }))?.body.toString(),
      'borrowed',
    );
  });

  test('that lead in a circle end', async () => {
    await using clone = await createScratchRepository();
    await writeAlternates(clone, origin.objectsDir);
    await writeAlternates(origin, clone.objectsDir);
    assert.equal(
      await readObject(clone.objectsDir, oid('1'.repeat(40)), { maxBytes: MAX_BYTES }),
      null,
    );
  });
});

suite('the answer is null', () => {
  test('for an object that is not there, and for a folder that is not there', async () => {
    await using repository = await createScratchRepository();
    writeHistory(repository, 5);
    const absent = oid('0123456789'.repeat(4));
    assert.equal(await readObject(repository.objectsDir, absent, { maxBytes: MAX_BYTES }), null);
    assert.equal(
      await readObject(join(repository.dir, 'none'), absent, { maxBytes: MAX_BYTES }),
      null,
    );
  });

  test('for an object one byte larger than maxBytes, loose or packed', async () => {
    await using repository = await createScratchRepository();
    const small = writeBlob(repository, 'x'.repeat(5000));
    const large = writeBlob(
      repository,
      Buffer.from(Array.from({ length: 90_000 }, (_, i) => (i * i) >> 3)),
    );
    const pack = () =>
      repository.git(['pack-objects', '-q', 'objects/pack/pack'], `${small}\n${large}\n`);
    for (const arrange of [() => {}, () => (pack(), repository.git(['prune-packed', '-q']))]) {
      arrange();
      for (const [id, size] of [
        [small, 5000],
        [large, 90_000],
      ] as const) {
        assert.equal(
          (await readObject(repository.objectsDir, id, { maxBytes: size }))?.body.length,
          size,
        );
        assert.equal(await readObject(repository.objectsDir, id, { maxBytes: size - 1 }), null);
      }
    }
  });

  test('for an index of version 1', async () => {
    await using repository = await createScratchRepository();
    writeHistory(repository, 60);
    const [pack] = await repository.listPacks();
    await rm(`${pack}.idx`);
    repository.git(['index-pack', '--index-version=1', '-o', `${pack}.idx`, `${pack}.pack`]);
    const head = resolve(repository, 'main');
    assert.equal(await readObject(repository.objectsDir, head, { maxBytes: MAX_BYTES }), null);
  });

  test('for a sound object under the id of another', async () => {
    await using repository = await createScratchRepository();
    const [one, two] = [writeBlob(repository, 'one'), writeBlob(repository, 'two')];
    await rename(loosePath(repository, one), loosePath(repository, two));
    assert.equal(await readObject(repository.objectsDir, two, { maxBytes: MAX_BYTES }), null);
  });

  test('for more packs than a maintained repository has', async () => {
    await using repository = await createScratchRepository();
    writeHistory(repository, 60);
    const head = resolve(repository, 'main');
    const [pack] = await repository.listPacks();
    for (let n = 0; n < 64; n++)
      await symlink(`${pack}.idx`, join(repository.objectsDir, `pack/pack-${n}.idx`));
    assert.equal(await readObject(repository.objectsDir, head, { maxBytes: MAX_BYTES }), null);
  });
});

test('reading while git repacks never gives a wrong answer', async () => {
  await using repository = await createScratchRepository();
  writeHistory(repository, 60);
  const expected = [...readAllWithGit(repository)];
  const state = { repacking: true };
  const repacked = (async () => {
    for (let n = 1; n <= 4; n++) {
      await repository.gitInBackground(['repack', '-adfq', `--depth=${n * 5}`, '--window=10']);
      for (const pack of await takePacks(repository))
        repository.git(['unpack-objects', '-q'], pack);
      await repository.gitInBackground(['repack', '-adq', '--depth=3']);
    }
  })().finally(() => {
    state.repacking = false;
  });

  let found = 0;
  const reader = async (seed: number) => {
    for (let random = seed; state.repacking; random = (random * 48271) % 0x7fffffff) {
      const [id, object] = expected[random % expected.length] ?? assert.fail();
      const read = await readObject(repository.objectsDir, id, { maxBytes: MAX_BYTES });
      if (read === null) continue;
      found++;
      assert.equal(read.type, object.type);
      assert.ok(read.body.equals(object.body));
    }
  };
  await Promise.all([repacked, ...[1, 2, 3, 4].map(reader)]);
  assert.ok(found > 100, `${found} objects were read`);
  await assertSameAsGit(repository);
});

async function assertSameAsGit(repository: ScratchRepository): Promise<void> {
  const expected = readAllWithGit(repository);
  assert.ok(expected.size > 1);
  const openBefore = countOpenFiles();
  const rest = expected.entries();
  const reader = async () => {
    for (const [id, object] of rest) {
      const read = await readObject(repository.objectsDir, id, { maxBytes: MAX_BYTES });
      assert.equal(read?.type, object.type, id);
      assert.ok(read.body.equals(object.body), id);
    }
  };
  await Promise.all([reader(), reader(), reader(), reader()]);
  assert.equal(countOpenFiles(), openBefore);
}

/** Takes the packs away and gives their bytes. */
async function takePacks(repository: ScratchRepository): Promise<Buffer[]> {
  const packs: Buffer[] = [];
  for (const path of await repository.listPacks()) {
    packs.push(await readFile(`${path}.pack`));
    for (const ending of ['idx', 'pack', 'rev', 'bitmap'])
      await rm(`${path}.${ending}`, { force: true });
  }
  return packs;
}

/** The longest chain, as git says, and how many deltas name their base by id. */
async function describeDeltas(
  repository: ScratchRepository,
): Promise<{ longest: number; byId: number }> {
  let longest = 0;
  let byId = 0;
  for (const path of await repository.listPacks()) {
    const pack = await readFile(`${path}.pack`);
    const printed = repository.git(['verify-pack', '-v', `${path}.idx`]).toString();
    for (const [, id = '', offset, depth] of printed.matchAll(
      /^(\w+) \w+ +\d+ \d+ (\d+) (\d+) \w+$/gm,
    )) {
      longest = Math.max(longest, Number(depth));
      const entry = parsePackEntry(pack.subarray(Number(offset)), Number(offset), id.length / 2);
      if (Buffer.isBuffer(entry?.base)) byId++;
    }
  }
  return { longest, byId };
}

async function writeAlternates(repository: ScratchRepository, content: string): Promise<void> {
  await writeFile(join(repository.objectsDir, 'info', 'alternates'), content);
}

function resolve(repository: ScratchRepository, revision: string): Oid {
  return oid(repository.git(['rev-parse', revision]).toString().trim());
}
