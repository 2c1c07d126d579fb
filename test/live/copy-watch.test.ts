import assert from 'node:assert/strict';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { appendFile, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { readStatus } from '../../src/git/status.ts';
import { until, within } from '../support/deadline.ts';
import { untilDone } from '../support/git-door.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';
import { countWatches, createWatchScene, onLinux, type WatchScene } from './scene.ts';

async function createCopy(fixture: Fixture, name = 'copy'): Promise<string> {
  const origin = await initRepository(fixture.path(`${name}.origin`), { bare: true });
  await writeCommit(origin, {
    files: { a: 'one\n', 'dir/b': 'one\n', '.gitignore': 'ignored/\n' },
  });
  return await cloneRepository(origin, fixture.path(name));
}

async function assertFresh({ watch, git: door, repository }: WatchScene): Promise<void> {
  assert.deepEqual((await watch.read()).status, await readStatus(door, repository, untilDone));
}

test(
  'while nothing changes no child is started, and one status after a change',
  onLinux,
  async () => {
    await using fixture = await createFixture();
    const copy = await createCopy(fixture);
    await using scene = await createWatchScene(fixture, copy);
    await scene.watch.read();
    scene.takeChildren();
    for (let n = 0; n < 100; n++) await scene.watch.read();
    assert.equal(scene.takeChildren(), 0);
    await appendFile(join(copy, 'dir/b'), 'two\n');
    const states = await Promise.all(
      Array.from({ length: 50 }, async () => await scene.watch.read()),
    );
    assert.equal(scene.takeChildren(), 1);
    assert.deepEqual(
      states[49]?.status?.entries.map(({ path }) => path.text),
      ['dir/b'],
    );
    await assertFresh(scene);
  },
);

test(
  'what happens in ignored folders costs nothing, until one of their files is tracked',
  onLinux,
  async () => {
    await using fixture = await createFixture();
    const copy = await createCopy(fixture);
    await mkdir(join(copy, 'ignored/deep'), { recursive: true });
    await writeFile(join(copy, 'ignored/deep/f'), '');
    await using scene = await createWatchScene(fixture, copy);
    await scene.watch.read();
    scene.takeChildren();
    await writeFile(join(copy, 'ignored/deep/f'), 'changed');
    await mkdir(join(copy, 'ignored/new'));
    await scene.watch.read();
    assert.equal(scene.takeChildren(), 0);

    await git(copy, 'add', '--force', 'ignored/deep/f');
    await assertFresh(scene);
    await assertFresh(scene);
    await writeFile(join(copy, 'ignored/deep/f'), 'changed again');
    const { status } = await scene.watch.read();
    assert.deepEqual(
      status?.entries.map((each) => each.index + each.workTree),
      ['AM'],
    );
    await rm(join(copy, '.gitignore'));
    await writeFile(join(copy, 'ignored/new/g'), '');
    await assertFresh(scene);
    await assertFresh(scene);
    await writeFile(join(copy, 'ignored/new/h'), '');
    await assertFresh(scene);
  },
);

test(
  'nothing is missed when the kernel drops events because too many come at once',
  onLinux,
  async () => {
    await using fixture = await createFixture();
    const copy = await createCopy(fixture);
    await mkdir(join(copy, 'late'));
    await using scene = await createWatchScene(fixture, copy);
    await scene.watch.read();
    // Done in place: nothing reads the queue meanwhile. It holds 16384 events by default.
    for (let n = 0; n < 9000; n++) {
      writeFileSync(join(copy, 'dir/f'), '');
      rmSync(join(copy, 'dir/f'));
    }
    mkdirSync(join(copy, 'late/x/y'), { recursive: true });
    await assertFresh(scene);
    await writeFile(join(copy, 'late/x/y/z'), '');
    await assertFresh(scene);
    assert.equal((await scene.watch.read()).status?.untracked.length, 1);
    assert.equal(scene.watch.obstacle, null);
  },
);

test(
  'a repository that is removed is not found, and is there again once it is made anew',
  onLinux,
  async () => {
    await using fixture = await createFixture();
    const copy = await createCopy(fixture, 'x/y/copy');
    await using scene = await createWatchScene(fixture, copy, { pollSeconds: 3600 });
    await scene.watch.read();
    scene.watch.setFollowed(true);
    for (const gone of [copy, join(copy, '.git'), fixture.path('x/y')]) {
      const removed = scene.news();
      await rename(gone, fixture.path('away'));
      await assert.rejects(scene.watch.read(), { name: 'AppError', code: 'NOT_FOUND' });
      await within(removed, 'followers are told that it is gone');
      assert.ok(scene.watch.latest instanceof Error);
      const restored = scene.news();
      await rename(fixture.path('away'), gone);
      await within(restored, 'followers are told that it is back');
      await assertFresh(scene);
    }
    await rm(copy, { recursive: true });
    await until(() => scene.watch.latest instanceof Error, 'it is gone');
    await cloneRepository(`${copy}.origin`, copy);
    await until(() => !(scene.watch.latest instanceof Error), 'it is back');
    await writeFile(join(copy, 'new'), '');
    await assertFresh(scene);
  },
);

test('links in the git directory are followed', onLinux, async () => {
  await using fixture = await createFixture();
  const copy = await createCopy(fixture);
  await mkdir(join(copy, '.git/info'), { recursive: true });
  const exclude = fixture.path('exclude');
  await writeFile(exclude, '');
  await symlink(exclude, join(copy, '.git/info/exclude'));
  await writeFile(join(copy, 'new'), '');
  await using scene = await createWatchScene(fixture, copy);
  assert.equal((await scene.watch.read()).status?.untracked.length, 1);
  await writeFile(exclude, 'new\n');
  assert.equal((await scene.watch.read()).status?.untracked.length, 0);
  await writeFile(`${exclude}.lock`, '# nothing\n');
  await rename(`${exclude}.lock`, exclude);
  assert.equal((await scene.watch.read()).status?.untracked.length, 1);
});

test('a linked working tree follows the branches of its repository', onLinux, async () => {
  await using fixture = await createFixture();
  const copy = await createCopy(fixture);
  await git(copy, 'worktree', 'add', '--quiet', '-b', 'side', fixture.path('linked'));
  await using scene = await createWatchScene(fixture, fixture.path('linked'));
  const { head } = await scene.watch.read();
  assert.equal(head.branch, 'side');
  const tip = await writeCommit(copy, { branch: 'side', files: { c: 'new\n' } });
  assert.equal((await scene.watch.read()).head.oid, tip);
  await git(copy, 'pack-refs', '--all');
  await assertFresh(scene);
  await writeFile(fixture.path('linked/untracked'), '');
  await assertFresh(scene);
});

test(
  'the head of a bare repository is known without a child, and changes with its branch',
  onLinux,
  async () => {
    await using fixture = await createFixture();
    const dir = await initRepository(fixture.path('bare'), { bare: true });
    await using scene = await createWatchScene(fixture, dir);
    assert.deepEqual((await scene.watch.read()).head, { branch: 'main', oid: null });
    const tip = await writeCommit(dir);
    assert.deepEqual((await scene.watch.read()).head, { branch: 'main', oid: tip });
    await scene.watch.read();
    scene.takeChildren();
    await scene.watch.read();
    assert.equal(scene.takeChildren(), 0);
    await git(dir, 'symbolic-ref', 'HEAD', 'refs/heads/other');
    assert.deepEqual((await scene.watch.read()).head, { branch: 'other', oid: null });
  },
);

test('a repository with more folders than allowed is polled, and says so', onLinux, async () => {
  await using fixture = await createFixture();
  const copy = await createCopy(fixture);
  const before = countWatches();
  await using scene = await createWatchScene(fixture, copy, { maxFolders: 4, pollSeconds: 0.1 });
  await scene.watch.read();
  assert.match(scene.watch.obstacle ?? '', /limits\.watched_folders/);
  assert.equal(countWatches(), before);
  await writeFile(join(copy, 'new'), '');
  await assertFresh(scene);
  scene.watch.setFollowed(true);
  const news = scene.news();
  await writeFile(join(copy, 'newer'), '');
  await within(news, 'a poll finds it');
});

test('a closed watch leaves nothing behind in the kernel', onLinux, async () => {
  await using fixture = await createFixture();
  const copy = await createCopy(fixture);
  const before = countWatches();
  {
    await using scene = await createWatchScene(fixture, copy);
    await scene.watch.read();
    assert.ok(countWatches() > before);
  }
  assert.equal(countWatches(), before);
});
