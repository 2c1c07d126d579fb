/** The faults of docs/reliability.md: what the agent does when the machine fails it. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, open, readdir, rm, statfs, truncate, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { AgentDidNotStart, startAgent } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import {
  cloneRepository,
  createFixture,
  exists,
  git,
  initRepository,
  writeCommit,
} from '../support/git-fixture.ts';
import { createScene, postPull } from './scene.ts';

/** A file system of its own, so small that a test can fill it. Skips the test where none can be mounted. */
async function mountSmall(t: TestContext, folder: string, megabytes: number): Promise<boolean> {
  await mkdir(folder, { recursive: true });
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${megabytes}m`, 'tmpfs', folder], {
      stdio: 'pipe',
    });
  } catch {
    t.skip('needs root, or another right to mount a small file system');
    return false;
  }
  return true;
}

function unmount(folder: string): void {
  try {
    execFileSync('umount', ['--lazy', folder], { stdio: 'pipe' });
  } catch {
    // It was never mounted.
  }
}

/** Leaves no more than `bytes` free. */
async function fill(folder: string, bytes: number): Promise<void> {
  const { bavail, bsize } = await statfs(folder);
  const file = await open(join(folder, 'filler'), 'w');
  await file.write(Buffer.alloc(Math.max(0, bavail * bsize - bytes)));
  await file.close();
}

test('a full disk under the state folder fails jobs with the reason, frees their locks, and work goes on once there is room', async (t) => {
  const folder = await createFixture();
  const small = folder.path('small');
  t.after(async () => {
    unmount(small);
    await folder[Symbol.asyncDispose]();
  });
  if (!(await mountSmall(t, small, 2))) return;
  await using scene = await createScene({
    stateDir: join(small, 'state'),
    commands: { chatty: 'head -c 100000 /dev/zero | tr "\\0" x', quick: 'true' },
    expectsBug: true,
  });
  const exec = async (
    command: string,
  ): Promise<{ ret?: string; err_msg?: string | null; detail?: string }> => {
    const body = new URLSearchParams({ command, block: '1' });
    const answer = await fetch(`${scene.url}/repo/site/exec`, { method: 'POST', body });
    return (await answer.json()) as { ret?: string };
  };
  assert.equal((await exec('chatty')).ret, 'success');
  await fill(small, 0);
  const full = await exec('chatty');
  assert.match(JSON.stringify(full), /the state folder is full: make room there/);
  const status = (await (await fetch(`${scene.url}/repo/site`)).json()) as { busy?: boolean };
  assert.equal(status.busy, false);
  await rm(join(small, 'filler'));
  assert.equal((await exec('quick')).ret, 'success');
});

test('a full disk under the repository fails the pull and leaves the working copy as it was', async (t) => {
  const folder = await createFixture();
  const small = folder.path('small');
  t.after(async () => {
    unmount(small);
    await folder[Symbol.asyncDispose]();
  });
  if (!(await mountSmall(t, small, 4))) return;
  const origin = await initRepository(folder.path('origin.git'), { bare: true });
  await writeCommit(origin, { files: { a: 'one\n', big: 'small\n', z: 'one\n' } });
  const copy = await cloneRepository(origin, join(small, 'site'));
  const before = await git(copy, 'rev-parse', 'HEAD');
  await using agent = await startAgent({ config: { repo: { site: { repo_path: copy } } } });
  // It packs well and unpacks to more than there is.
  await writeCommit(origin, { files: { a: 'two\n', big: 'x'.repeat(8_000_000), z: 'two\n' } });
  const { body } = await postPull(agent.url, { block: '1' });
  assert.equal(body.ret, 'failed');
  assert.match(body.err_msg ?? '', /[Nn]o space left|unable to write/);
  assert.equal(await git(copy, 'rev-parse', 'HEAD'), before);
  assert.equal(await git(copy, 'status', '--porcelain'), '');
  assert.equal(await exists(join(copy, '.git/index.lock')), false);
});

test('a state folder on a read-only disk keeps the agent from starting, with the reason', async (t) => {
  const folder = await createFixture();
  const small = folder.path('small');
  t.after(async () => {
    unmount(small);
    await folder[Symbol.asyncDispose]();
  });
  if (!(await mountSmall(t, small, 1))) return;
  execFileSync('mount', ['-o', 'remount,ro', small], { stdio: 'pipe' });
  const site = await initRepository(folder.path('site'));
  const starting = startAgent({
    config: { repo: { site: { repo_path: site } } },
    stateDir: join(small, 'state'),
  });
  await assert.rejects(starting, (error) => {
    assert.ok(error instanceof AgentDidNotStart);
    assert.equal(error.exit.code, 1);
    assert.match(error.stderr, /^gitagent: .*small\/state is read-only: make it writable$/m);
    return true;
  });
});

test('a repository on a read-only disk is read, and refuses pulls with git’s reason', async (t) => {
  const folder = await createFixture();
  const small = folder.path('small');
  t.after(async () => {
    unmount(small);
    await folder[Symbol.asyncDispose]();
  });
  if (!(await mountSmall(t, small, 4))) return;
  const origin = await initRepository(folder.path('origin.git'), { bare: true });
  await writeCommit(origin, { files: { a: 'one\n' } });
  const copy = await cloneRepository(origin, join(small, 'site'));
  await writeCommit(origin, { files: { a: 'two\n' } });
  execFileSync('mount', ['-o', 'remount,ro', small], { stdio: 'pipe' });
  await using agent = await startAgent({ config: { repo: { site: { repo_path: copy } } } });
  const { body } = await postPull(agent.url, { block: '1' });
  assert.equal(body.ret, 'failed');
  assert.match(body.err_msg ?? '', /[Rr]ead-only file system/);
  const status = (await (await fetch(`${agent.url}/repo/site`)).json()) as { busy?: boolean };
  assert.equal(status.busy, false);
});

test('a repository that is deleted while the agent runs fails its jobs, and is served again once it is back', async () => {
  await using scene = await createScene({ commands: { quick: 'true' } });
  await rm(scene.copy, { recursive: true });
  const { body } = await postPull(scene.url, { block: '1' });
  assert.equal(body.ret, 'failed');
  assert.notEqual(body.err_msg, null);
  await cloneRepository(scene.origin, scene.copy);
  assert.equal((await postPull(scene.url, { block: '1', command: 'quick' })).body.ret, 'success');
});

test('a remote that cannot be reached fails the pull, and changes nothing', async () => {
  await using scene = await createScene();
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, 'close');
  await git(scene.copy, 'remote', 'set-url', 'origin', `http://127.0.0.1:${port}/x.git`);
  const { body } = await postPull(scene.url, { block: '1' });
  assert.equal(body.ret, 'failed');
  assert.match(body.err_msg ?? '', /Failed to connect|Could not connect|Connection refused/);
  assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), scene.first);
});

for (const [key, message] of [
  ['fetch', /^git fetch was ended after 0\.5 seconds: raise timeouts\.fetch$/],
  ['idle', /^git fetch was ended, for it printed nothing for 0\.5 seconds: raise timeouts\.idle$/],
] as const) {
  test(`a remote that accepts and never answers is given up after timeouts.${key}`, async (t) => {
    const sockets = new Set<Socket>();
    const server = createServer((socket) => sockets.add(socket.on('error', () => undefined)));
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    t.after(() => {
      for (const socket of sockets) socket.destroy();
      server.close();
    });
    const { port } = server.address() as AddressInfo;
    await using scene = await createScene({ config: { timeouts: { [key]: 0.5 } } });
    await git(scene.copy, 'remote', 'set-url', 'origin', `http://127.0.0.1:${port}/x.git`);
    const { body } = await postPull(scene.url, { block: '1' });
    assert.equal(body.ret, 'failed');
    assert.match(body.err_msg ?? '', message);
    assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), scene.first);
  });
}

for (const [damage, hurt] of [
  ['overwritten', async (file: string) => await writeFile(file, 'x'.repeat(20_000))],
  ['cut short', async (file: string) => await truncate(file, 5000)],
] as const) {
  test(`a journal that was ${damage} is put aside, said in the log, and a new one begun`, async () => {
    await using folder = await createFixture();
    const site = await initRepository(folder.path('site'));
    const config = { repo: { site: { repo_path: site, command: { quick: 'true' } } } };
    const stateDir = folder.path('state');
    const exec = async (url: string): Promise<unknown> => {
      const body = new URLSearchParams({ command: 'quick', block: '1' });
      return await (await fetch(`${url}/repo/site/exec`, { method: 'POST', body })).json();
    };
    {
      await using agent = await startAgent({ config, stateDir });
      await exec(agent.url);
    }
    await hurt(join(stateDir, 'journal.sqlite'));
    await using agent = await startAgent({ config, stateDir });
    const said = agent.log().find(({ msg }) => msg.startsWith('the journal could not be read'));
    assert.equal(said?.level, 'error');
    const names = await readdir(stateDir);
    assert.equal(names.filter((name) => name.startsWith('journal.sqlite.corrupt-')).length, 1);
    assert.deepEqual(await exec(agent.url), { err_msg: null, ret: 'success' });
    assert.equal((await fetch(`${agent.url}/readyz`)).status, 200);
  });
}

test('an agent that may open few files fails what needs more with the reason, and goes on', async (t) => {
  if (process.platform !== 'linux') {
    t.skip('needs prlimit');
    return;
  }
  await using scene = await createScene({ commands: { quick: 'true' }, expectsBug: true });
  const limit = (files: number): void => {
    execFileSync('prlimit', [`--nofile=${files}:4096`, '--pid', String(scene.agent.pid)]);
  };
  const used = (await readdir(`/proc/${scene.agent.pid}/fd`)).length;
  // Enough to answer, not enough to start a child with its pipes.
  limit(used + 3);
  const body = new URLSearchParams({ command: 'quick', block: '1' });
  const failing = await fetch(`${scene.url}/repo/site/exec`, { method: 'POST', body });
  assert.notEqual(((await failing.json()) as { ret?: string }).ret, 'success');
  limit(4096);
  await until(
    async () => ((await postPull(scene.url, { block: '1' })).body.ret ?? '') === 'success',
    'it works again',
  );
});
