import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { watchBusyDocument } from '../../src/client/documents.ts';
import { startAgent } from '../support/agent-process.ts';
import {
  cloneRepository,
  createFixture,
  exists,
  git,
  GIT_ENVIRONMENT,
  initRepository,
  writeCommit,
} from '../support/git-fixture.ts';
import { openSocket, query } from '../support/graphql-client.ts';
import { createScene, waitAt, type Scene } from './scene.ts';

/** Clones the served repository, and commits a change to the clone. */
async function cloneAndCommit(scene: Scene, content: string): Promise<string> {
  const clone = scene.fixture.path('clone');
  await git(scene.fixture.dir, 'clone', '-q', `${scene.url}/site.git`, clone);
  await writeFile(join(clone, 'a'), content);
  await git(clone, 'commit', '-qam', 'change');
  return clone;
}

/** Runs git, which must fail, and gives what it told its user. */
async function refusalOf(dir: string, ...args: string[]): Promise<string> {
  return await new Promise((resolve, reject) => {
    execFile('git', args, { cwd: dir, env: { ...GIT_ENVIRONMENT } }, (error, _stdout, stderr) => {
      if (error === null) reject(new Error(`git ${args.join(' ')} did not fail`));
      else resolve(stderr);
    });
  });
}

interface ShownJobs {
  readonly jobs: { readonly nodes: readonly Record<string, unknown>[] };
}

async function listJobs(url: string): Promise<readonly Record<string, unknown>[]> {
  const shown = '{ jobs { nodes { kind state trigger caller branch error { message } } } }';
  return (await query<ShownJobs>(url, shown)).jobs.nodes;
}

test('a configured repository is cloned at /NAME.git and at /NAME', async () => {
  await using scene = await createScene();
  for (const [index, path] of ['site.git', 'site', 'site.git/'].entries()) {
    const clone = scene.fixture.path(`clone${index}`);
    await git(scene.fixture.dir, 'clone', '-q', `${scene.url}/${path}`, clone);
    assert.equal(await readFile(join(clone, 'a'), 'utf8'), 'one\n');
  }
  const asked = '{ repo(name: "site") { cloneUrl } }';
  const { repo } = await query<{ repo: { cloneUrl: string } }>(scene.url, asked);
  assert.equal(repo.cloneUrl, `${scene.url}/site.git`);
  const other = await refusalOf(scene.fixture.dir, 'ls-remote', `${scene.url}/other.git`);
  assert.match(other, /not found/);
});

test('a push to the checked-out branch is refused as the repository says', async () => {
  await using scene = await createScene();
  const clone = await cloneAndCommit(scene, 'two\n');
  const push = await refusalOf(clone, 'push', 'origin', 'main');
  assert.match(push, /branch is currently checked out/);
  assert.equal(await readFile(join(scene.copy, 'a'), 'utf8'), 'one\n');
  await git(clone, 'push', '-q', 'origin', 'main:other');
  assert.equal(
    (await git(scene.copy, 'rev-parse', 'other')).trim(),
    (await git(clone, 'rev-parse', 'main')).trim(),
  );
  assert.deepEqual(await listJobs(scene.url), []);
});

test('with updateInstead a push is a job that changes the working tree and shows live', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'config', 'receive.denyCurrentBranch', 'updateInstead');
  const clone = await cloneAndCommit(scene, 'two\n');
  await using socket = openSocket(scene.url);
  const busy = socket.subscribe(watchBusyDocument, { repo: 'site' });
  const isBusy = async (): Promise<boolean> => {
    const event = await busy.next();
    assert.ok(event.done !== true);
    return event.value.busy.busy;
  };
  assert.equal(await isBusy(), false);
  await git(clone, 'push', '-q', 'origin', 'main');
  assert.equal(await isBusy(), true);
  assert.equal(await isBusy(), false);
  assert.equal(await readFile(join(scene.copy, 'a'), 'utf8'), 'two\n');
  assert.deepEqual(await listJobs(scene.url), [
    {
      kind: 'PUSH',
      state: 'SUCCEEDED',
      trigger: 'git',
      caller: 'anonymous',
      branch: 'main',
      error: null,
    },
  ]);
});

test('a push waits for the job that holds the repository', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  await git(scene.copy, 'config', 'receive.denyCurrentBranch', 'updateInstead');
  const clone = await cloneAndCommit(scene, 'two\n');
  await query(
    scene.url,
    'mutation { run(input: { repo: "site", command: "slow" }) { job { key } } }',
  );
  const push = git(clone, 'push', '-q', 'origin', 'main');
  await using socket = openSocket(scene.url);
  for await (const _ of socket.subscribe(watchBusyDocument, { repo: 'site' })) break;
  while ((await listJobs(scene.url)).length < 2);
  assert.equal((await listJobs(scene.url))[0]?.['state'], 'QUEUED');
  assert.equal(await readFile(join(scene.copy, 'a'), 'utf8'), 'one\n');
  await scene.open('gate');
  await push;
  assert.equal(await readFile(join(scene.copy, 'a'), 'utf8'), 'two\n');
});

test('a push that git refuses is a failed job, and changes nothing', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'config', 'receive.denyCurrentBranch', 'updateInstead');
  const clone = await cloneAndCommit(scene, 'two\n');
  await scene.write('a', 'edited here\n');
  const push = await refusalOf(clone, 'push', 'origin', 'main');
  assert.match(push, /unstaged changes/);
  assert.equal(await readFile(join(scene.copy, 'a'), 'utf8'), 'edited here\n');
  assert.equal((await git(scene.copy, 'rev-parse', 'HEAD')).trim(), scene.first);
  const [job] = await listJobs(scene.url);
  assert.equal(job?.['state'], 'FAILED');
});

test('with a password a clone needs it, and a wrong one is asked for again', async () => {
  await using scene = await createScene({ config: { password: 'hunter2', realm: 'the shed' } });
  const open = await refusalOf(scene.fixture.dir, 'ls-remote', `${scene.url}/site.git`);
  assert.match(open, /could not read Username|terminal prompts disabled/);
  const answer = await fetch(`${scene.url}/site.git/info/refs?service=git-upload-pack`);
  assert.equal(answer.status, 401);
  assert.match(answer.headers.get('www-authenticate') ?? '', /^Basic realm="the shed"/);
  await answer.body?.cancel();
  const url = scene.url.replace('//', '//anyone:hunter2@');
  assert.match(await git(scene.fixture.dir, 'ls-remote', `${url}/site.git`), /refs\/heads\/main/);
});

test('--git-base serves all repositories below a folder, and nothing beside it', async () => {
  await using fixture = await createFixture();
  const base = fixture.path('base');
  await mkdir(base);
  const small = await initRepository(join(base, 'small.git'), { bare: true });
  await writeCommit(small, { files: { a: 'one\n' } });
  await mkdir(join(base, 'team'));
  const nested = await initRepository(join(base, 'team', 'tool.git'), { bare: true });
  await writeCommit(nested, { files: { a: 'one\n' } });
  const outside = await initRepository(fixture.path('outside.git'), { bare: true });
  await writeCommit(outside, { files: { a: 'secret\n' } });
  await symlink(outside, join(base, 'link.git'));
  const accessfile = fixture.path('access.ini');
  await writeFile(accessfile, '[users]\nada = engine\n[access]\nada = small.git\n');
  await using agent = await startAgent({
    config: { repo: {} },
    flags: ['--git-base', base, '--accessfile', accessfile, '--realm', 'my git repos'],
  });
  for (const path of ['small.git', 'small', 'team/tool.git', 'team/tool']) {
    assert.match(await git(fixture.dir, 'ls-remote', `${agent.url}/${path}`), /refs\/heads\/main/);
  }
  for (const path of [
    'link.git',
    'link',
    'team',
    '../outside.git',
    '%2e%2e/outside.git',
    'small.git/..',
  ]) {
    assert.match(
      await refusalOf(fixture.dir, 'ls-remote', `${agent.url}/${path}`),
      /not found|40\d/,
    );
  }

  const clone = await cloneRepository(`${agent.url}/small.git`, fixture.path('clone'));
  await writeCommit(clone, { files: { a: 'two\n' } });
  const anonymous = await refusalOf(clone, 'push', 'origin', 'main');
  assert.match(anonymous, /could not read Username|terminal prompts disabled/);
  const asAda = (path: string) => `${agent.url.replace('//', '//ada:engine@')}/${path}`;
  await git(clone, 'push', '-q', asAda('small.git'), 'main');
  const elsewhere = await refusalOf(clone, 'push', asAda('team/tool.git'), 'main');
  assert.match(elsewhere, /403|may not push/);
  assert.equal(await exists(join(small, 'objects')), true);
  // Everyone may read git's way; the rest of the agent asks who is there.
  assert.equal((await fetch(`${agent.url}/repo`)).status, 401);
});
