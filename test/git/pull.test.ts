import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLineSplitter, parseProgress, type Progress } from '../../src/git/progress.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  treeState,
  writeCommit,
} from '../support/git-fixture.ts';
import { openDoor } from '../support/git-door.ts';
import { createScene, lines, openScene } from './pull-scene.ts';

test('a branch that is behind is fast-forwarded', async () => {
  await using scene = await createScene();
  const tip = await scene.commit({ files: { a: 'new\n', d: 'd\n', b: null } });
  const pulled = await scene.pull();
  assert.equal(pulled.branch, 'main');
  assert.equal(pulled.before, scene.first);
  assert.equal(pulled.after, tip);
  assert.equal(await scene.read('a'), 'new\n');
  assert.equal(await git(scene.copy, 'status', '--porcelain'), '');
  assert.deepEqual(pulled.said, ['fetch origin', `fast-forward main to ${tip}`]);
});

test('a branch that is up to date stays, with the index and the files as they were', async () => {
  await using scene = await createScene();
  await scene.write({ a: 'dirty', new: 'new' });
  const before = await treeState(scene.copy);
  const pulled = await scene.pull();
  assert.equal(pulled.after, scene.first);
  assert.match(pulled.said.at(-1) ?? '', /up to date/);
  assert.deepEqual(await treeState(scene.copy), before);
});

for (const strategy of ['ff-only', 'merge', 'rebase'] as const) {
  test(`a branch that is only ahead stays, with ${strategy}`, async () => {
    await using scene = await createScene();
    const own = await scene.commitHere({ files: { d: 'own' } });
    const before = await treeState(scene.copy);
    assert.equal((await scene.pull({ strategy })).after, own);
    assert.deepEqual(await treeState(scene.copy), before);
  });

  test(`a branch that is only behind is fast-forwarded, with ${strategy}`, async () => {
    await using scene = await createScene();
    const tip = await scene.commit({ files: { a: 'new\n' } });
    assert.equal((await scene.pull({ strategy })).after, tip);
  });
}

test('without a branch in the order, the one that the remote names is pulled, whatever is checked out', async () => {
  await using scene = await createScene();
  await scene.commit({ branch: 'side', parents: [scene.first] });
  await scene.pull({ branch: 'side' });
  const tip = await scene.commit({ files: { a: 'new\n' } });
  const pulled = await scene.pull();
  assert.equal(pulled.branch, 'main');
  assert.equal(pulled.after, tip);
});

test('where the remote names none, the present branch is pulled', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'remote', 'set-head', 'origin', '--delete');
  const tip = await scene.commit({ files: { a: 'new\n' } });
  assert.equal((await scene.pull()).after, tip);
  await git(scene.copy, 'checkout', '--quiet', '--detach');
  await scene.refuse('BAD_USER_INPUT', /HEAD is detached and origin names no default branch/);
});

for (const name of [
  'side',
  'feature/ü',
  '(detached)',
  '分支',
  '1'.repeat(40),
  'origin/main',
  'FETCH_HEAD',
  '$(touch)',
]) {
  test(`a branch that only the remote has is created and follows it: ${name}`, async () => {
    await using scene = await createScene();
    const tip = await scene.commit({ branch: name, parents: [scene.first], files: { d: 'd' } });
    const pulled = await scene.pull({ branch: name });
    assert.equal(pulled.branch, name);
    assert.equal(pulled.after, tip);
    const format = '--format=%(upstream)';
    assert.equal(
      await git(scene.copy, 'for-each-ref', format, `refs/heads/${name}`),
      `refs/remotes/origin/${name}`,
    );
    const next = await scene.commit({ branch: name, files: { d: 'e' } });
    assert.equal((await scene.pull({ branch: name })).after, next);
  });
}

test('a branch that exists here is switched to and brought forward', async () => {
  await using scene = await createScene();
  await scene.commit({ branch: 'side', parents: [scene.first] });
  await scene.pull({ branch: 'side' });
  await scene.pull({ branch: 'main' });
  const tip = await scene.commit({ branch: 'side', files: { side: 'x' } });
  const pulled = await scene.pull({ branch: 'side' });
  assert.equal(pulled.after, tip);
  assert.equal(pulled.before, scene.first);
  assert.equal(await git(scene.copy, 'rev-parse', 'main'), scene.first);
  const back = await scene.pull({ branch: 'main' });
  assert.equal(back.after, scene.first);
});

test('a branch without an upstream is pulled from the remote branch of the same name', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'branch', '--unset-upstream');
  const tip = await scene.commit({ files: { a: 'new\n' } });
  assert.equal((await scene.pull({ branch: 'main' })).after, tip);
});

test('a branch is pulled from the remote and the branch that it is configured to follow', async () => {
  await using scene = await createScene();
  const other = await initRepository(scene.fixture.path('other.git'), { bare: true });
  await git(scene.copy, 'remote', 'add', 'other', other);
  await git(scene.copy, 'push', '--quiet', 'other', 'main:trunk');
  const tip = await writeCommit(other, { branch: 'trunk', files: { a: 'other\n' } });
  await git(scene.copy, 'fetch', '--quiet', 'other');
  await git(scene.copy, 'branch', '--set-upstream-to=other/trunk');
  await scene.commit({ files: { a: 'origin\n' } });
  const pulled = await scene.pull({ branch: 'main' });
  assert.equal(pulled.after, tip);
  assert.equal(pulled.said[0], 'fetch other');
});

test('a branch that follows another one here is brought to it', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'branch', '--quiet', '--track', 'local', 'main');
  const own = await scene.commitHere({ files: { d: 'own' } });
  assert.equal((await scene.pull({ branch: 'local' })).after, own);
});

test('the only remote is fetched from when none is called origin', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'remote', 'rename', 'origin', 'upstream');
  const tip = await scene.commit({ files: { a: 'new\n' } });
  assert.equal((await scene.pull({ branch: 'main' })).after, tip);
});

test('an unborn working copy gets its first commit, and keeps what is not in the way', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const copy = await cloneRepository(origin, fixture.path('copy'));
  const scene = openScene(door, copy);
  await scene.refuse('NOT_FOUND', /no branch main/);
  await scene.write({ mine: 'mine' });
  const tip = await writeCommit(origin, { files: { a: lines() } });
  const pulled = await scene.pull();
  assert.equal(pulled.before, null);
  assert.equal(pulled.after, tip);
  assert.equal(await git(copy, 'status', '--porcelain'), '?? mine');
  assert.equal(await git(copy, 'rev-parse', '--abbrev-ref', '@{u}'), 'origin/main');
});

test('an unborn working copy keeps a file that the first commit would overwrite', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const copy = await cloneRepository(origin, fixture.path('copy'));
  const scene = openScene(door, copy);
  await writeCommit(origin, { files: { a: lines(), b: lines() } });
  await scene.write({ a: 'mine', b: 'staged' });
  await git(copy, 'add', 'b');
  const error = await scene.refuse('CONFLICT', /stand in the way/);
  assert.deepEqual(error.detail, { files: ['b', 'a'] });
});

for (const [title, length] of [
  ['full', 40],
  ['abbreviated', 7],
  ['in capitals', 12],
] as const) {
  test(`a ${title} hash detaches HEAD at the commit`, async () => {
    await using scene = await createScene();
    const wanted = await scene.commit({ files: { a: 'one\n' } });
    await scene.commit({ files: { a: 'two\n' } });
    const typed = wanted.slice(0, length);
    const pulled = await scene.pull({
      hash: title === 'in capitals' ? ` ${typed.toUpperCase()}\n` : typed,
    });
    assert.equal(pulled.branch, null);
    assert.equal(pulled.after, wanted);
    assert.equal(await scene.read('a'), 'one\n');
    assert.equal(await git(scene.copy, 'rev-parse', 'main'), scene.first);
    // And again, with nothing to do; and back.
    assert.match((await scene.pull({ hash: wanted })).said.at(-1) ?? '', /already at/);
    assert.equal((await scene.pull({ hash: scene.first })).before, wanted);
  });
}

test('a hash and a branch are both looked for, and the hash decides', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: 'one\n' } });
  const pulled = await scene.pull({ hash: scene.first, branch: 'main' });
  assert.equal(pulled.branch, null);
  assert.equal(pulled.after, scene.first);
  await scene.refuse('NOT_FOUND', /no branch nope/, { hash: scene.first, branch: 'nope' });
});

test('a commit that has a branch or tag of its hash as name is found all the same', async () => {
  await using scene = await createScene();
  const wanted = await scene.commit({ files: { a: 'one\n' } });
  const other = await scene.commit({ files: { a: 'two\n' } });
  for (const length of [7, 40]) {
    await git(scene.origin, 'update-ref', `refs/heads/${wanted.slice(0, length)}`, other);
    await git(scene.copy, 'update-ref', `refs/heads/${wanted.slice(0, length)}`, scene.first);
    await git(scene.copy, 'update-ref', `refs/tags/${wanted.slice(0, length)}`, scene.first);
  }
  assert.equal((await scene.pull({ hash: wanted.slice(0, 7) })).after, wanted);
  assert.equal((await scene.pull({ hash: scene.first })).after, scene.first);
  assert.equal((await scene.pull({ hash: wanted })).after, wanted);
});

test('a dirty file, a staged file and an untracked file that are not in the way are kept', async () => {
  await using scene = await createScene();
  const tip = await scene.commit({ files: { a: 'new\n', 'sub/d': 'new\n' } });
  await scene.write({ b: 'dirty', 'sub/c': 'staged', 'sub/e': 'untracked' });
  await git(scene.copy, 'add', 'sub/c');
  assert.equal((await scene.pull()).after, tip);
  assert.equal(await git(scene.copy, 'status', '--porcelain'), ' M b\nM  sub/c\n?? sub/e');
  assert.deepEqual(
    [await scene.read('b'), await scene.read('sub/c'), await scene.read('sub/e')],
    ['dirty', 'staged', 'untracked'],
  );
});

test('the same when switching to another branch and to a commit', async () => {
  await using scene = await createScene();
  const tip = await scene.commit({ branch: 'side', parents: [scene.first], files: { a: 'new\n' } });
  await scene.write({ b: 'dirty', 'sub/c': 'staged', e: 'untracked' });
  await git(scene.copy, 'add', 'sub/c');
  await scene.pull({ branch: 'side' });
  assert.equal(await git(scene.copy, 'status', '--porcelain'), ' M b\nM  sub/c\n?? e');
  await scene.pull({ hash: scene.first });
  await scene.pull({ hash: tip });
  assert.equal(await git(scene.copy, 'status', '--porcelain'), ' M b\nM  sub/c\n?? e');
});

test('a file that was deleted here and is not changed there stays deleted', async () => {
  await using scene = await createScene();
  await scene.commit({ files: { a: 'new\n' } });
  await git(scene.copy, 'rm', '--quiet', 'b');
  await scene.pull();
  assert.equal(await git(scene.copy, 'status', '--porcelain'), 'D  b');
});

test('progress comes from what git prints while it fetches and checks out', async () => {
  await using scene = await createScene();
  const files = Array.from(
    { length: 3000 },
    (_, n) => [`many/${n % 50}/${n}`, `${n}\n`.repeat(20)] as const,
  );
  await scene.commit({ files });
  await git(scene.copy, 'remote', 'set-url', 'origin', `file://${scene.origin}`);
  const { output } = await scene.pull();
  const seen: Progress[] = [];
  const splitter = createLineSplitter((line) => {
    const progress = parseProgress(line.toString());
    if (progress !== null) seen.push(progress);
  });
  splitter.write(Buffer.from(output));
  splitter.flush();
  const phases = new Set(seen.map((each) => each.phase));
  for (const phase of ['remote: Counting objects', 'Receiving objects'])
    assert.ok(phases.has(phase), phase);
  assert.ok(
    seen.every((each) => each.percent >= 0 && each.percent <= 100 && each.current <= each.total),
  );
  assert.ok(seen.filter((each) => each.phase === 'Receiving objects').length > 10);
});
