/**
 * The attack (or accident): a working copy lies inside another repository, a home directory kept in
 * git for one, and its own .git is removed or damaged while the agent runs. git then takes the
 * surrounding repository for it, and a `reset --hard` or `checkout` throws away somebody's work there.
 */
import assert from 'node:assert/strict';
import { mkdir, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readHead } from '../../src/git/head.ts';
import { openRepository } from '../../src/git/repository.ts';
import { readStatus } from '../../src/git/status.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  createFixture,
  git,
  initRepository,
  treeState,
  writeCommit,
} from '../support/git-fixture.ts';

for (const [title, below, vanish] of [
  [
    'is gone',
    'copy',
    async (dotGit: string) => {
      await rm(dotGit, { recursive: true });
    },
  ],
  [
    'is gone below a folder with a colon',
    'a:b/copy',
    async (dotGit: string) => {
      await rm(dotGit, { recursive: true });
    },
  ],
  [
    'has no HEAD',
    'copy',
    async (dotGit: string) => {
      await rm(join(dotGit, 'HEAD'));
    },
  ],
  [
    'is empty',
    'copy',
    async (dotGit: string) => {
      await rename(dotGit, `${dotGit}.away`);
      await mkdir(dotGit);
    },
  ],
] as const) {
  test(`a working copy whose .git ${title} fails and leaves the repository around it alone`, async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture);
    const around = await initRepository(fixture.path('around'));
    const foreign = await writeCommit(around, { files: { a: '1', 'copy/a': '1' } });
    await writeCommit(around, { files: { a: '2', 'copy/a': '2' } });
    await git(around, 'reset', '--quiet', '--hard');
    const dir = await initRepository(join(around, below));
    await writeCommit(dir, { files: { a: 'inner' } });
    await git(dir, 'reset', '--quiet', '--hard');
    const repository = await openRepository(dir);
    await vanish(join(dir, '.git'));
    await writeFile(join(around, 'a'), 'precious');
    await writeFile(join(dir, 'a'), 'precious');
    const before = await treeState(around);

    const options = { signal: untilDone, onOutput: () => undefined };
    const workingCopy = openWorkingCopy(door, repository, options);
    const failed = { name: 'GitCommandError', exitCode: 128 };
    await assert.rejects(readStatus(door, repository, untilDone), failed);
    await assert.rejects(readHead(door, repository, untilDone), failed);
    await assert.rejects(workingCopy.reset(foreign), failed);
    await assert.rejects(workingCopy.forceDetach(foreign), failed);
    await assert.rejects(workingCopy.detach(foreign), failed);
    await assert.rejects(workingCopy.fetch('origin'), failed);
    assert.deepEqual(await treeState(around), before);
  });
}

test('a working copy that looks like a bare repository inside is not taken for one', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('copy'));
  const tip = await writeCommit(dir, {
    files: { HEAD: 'ref: refs/heads/main\n', 'objects/x': '', 'refs/x': '' },
  });
  await git(dir, 'reset', '--quiet', '--hard');
  await writeFile(
    join(dir, 'config'),
    `[core]\n\tbare = false\n\tworktree = ${fixture.dir}\n\tfsmonitor = "touch ${fixture.path('ran')}"\n`,
  );
  const repository = await openRepository(dir);
  assert.equal((await readHead(door, repository, untilDone)).oid, tip);
  await rename(join(dir, '.git'), fixture.path('away'));
  const workingCopy = openWorkingCopy(door, repository, {
    signal: untilDone,
    onOutput: () => undefined,
  });
  await assert.rejects(workingCopy.reset(tip), { name: 'GitCommandError', exitCode: 128 });
  await assert.rejects(readStatus(door, repository, untilDone), {
    name: 'GitCommandError',
    exitCode: 128,
  });
});
