/**
 * The attack: a repository that is served has programs in its own .git/config and hooks (it was unpacked
 * from an archive, or others may write to its folder). A clone makes upload-pack run
 * uploadpack.packObjectsHook, the advertisement of a push core.alternateRefsCommand, a push every hook, in
 * whatever folder core.hooksPath says, and a checkout into the working tree core.fsmonitor.
 *
 * None of them runs unless the owner allows the repository's hooks.
 */
import assert from 'node:assert/strict';
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createGitHttpHandler } from '../../src/git-http/index.ts';
import { writeScript } from '../support/fake-git.ts';
import { git, initRepository, writeCommit } from '../support/git-fixture.ts';
import { runClient, tryClient } from '../git-http/client.ts';
import { plain } from '../git-http/mount.ts';
import { createGitScene } from '../git-http/scene.ts';

test('serving a hostile repository runs none of its programs', async () => {
  await using scene = await createGitScene();
  const origin = await initRepository(scene.path('site'));
  await writeCommit(origin, { files: { a: '1' } });
  await git(origin, 'reset', '-q', '--hard');
  const ran = scene.fixture.path('ran');
  await mkdir(ran);
  const trap = async (name: string): Promise<string> =>
    await writeScript(scene.fixture.path('traps', name), `touch '${ran}/${name}'`, 'cat');
  for (const key of [
    'core.fsmonitor', 'core.sshCommand', 'core.gitProxy', 'core.alternateRefsCommand', 'core.pager', 'core.editor',
    'diff.external', 'gpg.program', 'uploadpack.packObjectsHook', 'alias.upload-pack', 'alias.receive-pack',
    'alias.maintenance', 'credential.helper',
  ]) await git(origin, 'config', key, await trap(key)); // prettier-ignore
  for (const name of [
    'pre-receive', 'update', 'proc-receive', 'post-receive', 'post-update', 'reference-transaction',
    'push-to-checkout', 'pre-auto-gc', 'post-checkout', 'post-index-change',
  ]) {
    await writeScript(join(origin, '.git/hooks', name), `touch '${ran}/${name}'`);
    await writeScript(scene.fixture.path('hooks', name), `touch '${ran}/${name}'`);
  } // prettier-ignore
  // Another object database, so that there are alternate refs to ask for.
  const other = await initRepository(scene.fixture.path('other.git'), { bare: true });
  await writeCommit(other, { files: { b: '1' } });
  await writeFile(join(origin, '.git/objects/info/alternates'), join(other, 'objects\n'));
  await git(origin, 'config', 'receive.procReceiveRefs', 'refs/for');
  await git(origin, 'config', 'receive.denyCurrentBranch', 'updateInstead');
  await git(origin, 'config', 'core.hooksPath', scene.fixture.path('hooks'));

  await runClient(scene.fixture.dir, ['clone', '-q', `${scene.url}/site`, 'copy']);
  const copy = scene.fixture.path('copy');
  await writeCommit(copy, { files: { a: '2' } });
  await runClient(copy, ['push', '-q', 'origin', 'main']);
  await tryClient(copy, ['push', '-q', 'origin', 'main:refs/for/x']);
  assert.equal(await readFile(join(origin, 'a'), 'utf8'), '2');
  assert.deepEqual(await readdir(ran), []);
});

test('of a hostile environment of the server nothing reaches git', async () => {
  await using scene = await createGitScene();
  const trace = scene.fixture.path('trace');
  const victim = await initRepository(scene.fixture.path('victim.git'), { bare: true });
  const hostile: Record<string, string> = {
    GIT_DIR: victim,
    GIT_OBJECT_DIRECTORY: join(victim, 'objects'),
    GIT_EXEC_PATH: scene.fixture.dir,
    GIT_TRACE: trace,
    GIT_PROTOCOL: 'version=1',
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'uploadpack.packObjectsHook',
    GIT_CONFIG_VALUE_0: await writeScript(scene.fixture.path('trap'), `touch '${trace}'`),
    LD_PRELOAD: '/nonexistent.so',
  };
  const origin = await initRepository(scene.path('site.git'), { bare: true });
  await writeCommit(origin, { files: { a: '1' } });
  const before = { ...process.env };
  Object.assign(process.env, hostile);
  try {
    await using handler = createGitHttpHandler({
      resolve: ({ name }) => ({ path: scene.path(name) }),
      authorize: () => ({ kind: 'allow' }),
    });
    const mounted = await plain.listen(handler);
    await runClient(scene.fixture.dir, ['clone', '-q', `${mounted.url}/site.git`, 'copy']);
    const commit = await writeCommit(scene.fixture.path('copy'));
    await runClient(scene.fixture.path('copy'), ['push', '-q', 'origin', 'main']);
    assert.equal(await git(origin, 'rev-parse', 'main'), commit);
    await mounted.close();
  } finally {
    for (const name of Object.keys(hostile)) delete process.env[name];
    Object.assign(process.env, before);
  }
  assert.deepEqual(await readdir(join(victim, 'objects')), ['info', 'pack']);
  await assert.rejects(readFile(trace));
});
