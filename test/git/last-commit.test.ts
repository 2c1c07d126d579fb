import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { gitPath, pathBytes, type GitPath } from '../../src/git/git-path.ts';
import { findLastCommits } from '../../src/git/last-commit.ts';
import type { Oid } from '../../src/git/oid.ts';
import { openRepository } from '../../src/git/repository.ts';
import { findEntry, readTree } from '../../src/git/tree-path.ts';
import { readCommit } from '../../src/git/commit-reader.ts';
import { untilDone } from '../support/git-door.ts';
import { cloneRepository, git, runGit, writeCommit } from '../support/git-fixture.ts';
import {
  createObjectScene,
  createRandom,
  writeRandomHistory,
  type ObjectScene,
} from './object-scene.ts';

/** What `git log -1` says of each name of a folder, and what one walk says. */
async function compare(scene: ObjectScene, commit: Oid, folder: GitPath | null): Promise<number> {
  const { objects, repository } = scene;
  const { treeOid } = await readCommit(objects, repository, commit, untilDone);
  const tree =
    folder === null
      ? treeOid
      : (await findEntry(objects, repository, treeOid, folder, untilDone))?.oid;
  if (tree === undefined) return 0;
  const entries = await readTree(objects, repository, tree, untilDone).catch(() => []);
  const found = await findLastCommits(
    { git: scene.git, objects, repository, signal: untilDone },
    commit,
    folder,
    entries.map(({ name }) => name),
  );
  for (const { name } of entries) {
    const path = Buffer.concat([
      ...(folder === null ? [] : [pathBytes(folder), Buffer.from('/')]),
      pathBytes(name),
    ]);
    // rev-list takes a path of any bytes from its input, but for a newline, which argv takes.
    const isText = name.raw === undefined && folder?.raw === undefined;
    const args = ['rev-list', '-1', commit];
    // As the agent has it: a commit's parents are what its object says.
    const env = { GIT_LITERAL_PATHSPECS: '1', GIT_GRAFT_FILE: '/dev/null/none' };
    const printed = isText
      ? await runGit(repository.gitDir, [...args, '--', path.toString()], { env })
      : await runGit(repository.gitDir, ['rev-list', '-1', '--stdin'], {
          env,
          input: Buffer.concat([Buffer.from(`${commit}\n--\n`), path, Buffer.from('\n')]),
        });
    const expected = printed.toString().trim();
    assert.equal(
      found.get(pathBytes(name).toString('latin1')),
      expected,
      `${JSON.stringify(path.toString())} at ${commit}`,
    );
  }
  return entries.length;
}

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`names of a ${objectFormat} folder have the commit that git log -1 gives, over random merges`, async (t) => {
    const seed = Number(process.env['SEED'] ?? Date.now() % 1_000_000);
    t.diagnostic(`SEED=${seed}`);
    const random = createRandom(seed);
    let commits: Oid[] = [];
    await using scene = await createObjectScene({
      objectFormat,
      fill: async (dir) => (commits = await writeRandomHistory(dir, random, 60)),
    });
    let compared = 0;
    const folders = [
      null,
      gitPath(Buffer.from('lib')),
      gitPath(Buffer.from('lib/deep')),
      gitPath(Buffer.from('lib/\xfe', 'latin1')),
    ];
    for (const commit of commits.slice(-3)) {
      for (const folder of folders) compared += await compare(scene, commit, folder);
    }
    assert.ok(compared > 20, `seed ${seed}`);
  });
}

test('a configuration that changes what git log prints changes nothing', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => {
      await writeCommit(dir, { files: { 'd/a': 'one\n', 'd/b': 'one\n' } });
      await writeCommit(dir, { files: { 'd/c': 'one\n', 'd/a': null } });
      await writeCommit(dir, { files: { 'd/b': 'two\n' } });
      for (const [key, value] of [
        ['log.follow', 'true'],
        ['log.showRoot', 'false'],
        ['diff.renames', 'copies'],
        ['diff.relative', 'true'],
        ['log.diffMerges', 'combined'],
        ['color.ui', 'always'],
        ['log.showSignature', 'true'],
        ['format.pretty', 'fuller'],
        ['diff.ignoreSubmodules', 'all'],
      ] as const) {
        await git(dir, 'config', key, value);
      }
    },
  });
  const main = (await git(scene.dir, 'rev-parse', 'main')) as Oid;
  assert.equal(await compare(scene, main, null), 1);
  assert.equal(await compare(scene, main, gitPath(Buffer.from('d'))), 2);
});

test('a shallow clone ends at its boundary; grafts change nothing, as replaced objects do not', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => {
      for (const n of [1, 2, 3, 4, 5]) {
        await writeCommit(dir, { files: { [`f${n}`]: 'x\n' }, message: `${n}\n` });
      }
    },
  });
  const main = (await git(scene.dir, 'rev-parse', 'main')) as Oid;
  const shallow = await cloneRepository(
    `file://${scene.dir}`,
    scene.fixture.path('shallow'),
    '--bare',
    '--depth=2',
  );
  const repository = await openRepository(shallow);
  assert.equal(await compare({ ...scene, repository }, main, null), 5);

  const [third, first] = (await git(scene.dir, 'rev-parse', 'main~2', 'main~4')).split('\n');
  await runGit(scene.dir, ['config', 'advice.graftFileDeprecated', 'false']);
  await mkdir(join(scene.dir, 'info'), { recursive: true });
  await writeFile(join(scene.dir, 'info', 'grafts'), `${third} ${first}\n`);
  assert.equal(await compare(scene, main, null), 5);
});

test('names that are not there are left out, and an aborted walk ends', async () => {
  await using scene = await createObjectScene({
    fill: async (dir) => await writeCommit(dir, { files: { a: 'one\n' } }),
  });
  const main = (await git(scene.dir, 'rev-parse', 'main')) as Oid;
  const names = ['a', 'none'].map((name) => gitPath(Buffer.from(name)));
  const deps = { ...scene, signal: untilDone };
  assert.deepEqual(await findLastCommits(deps, main, null, names), new Map([['a', main]]));
  const nowhere = gitPath(Buffer.from('no/where'));
  assert.deepEqual(await findLastCommits(deps, main, nowhere, names), new Map());
  await assert.rejects(
    findLastCommits({ ...deps, signal: AbortSignal.abort() }, main, null, names),
  );
});
