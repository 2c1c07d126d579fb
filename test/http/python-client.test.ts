/** The original's client at work, as its users' deploy tools run it, with a password and without. */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createScene, waitAt, type Scene, type SceneOptions } from '../agent/scene.ts';
import { until } from '../support/deadline.ts';
import { git } from '../support/git-fixture.ts';
import {
  createPythonClient,
  type PythonClient,
  type RequestFailed,
} from '../support/python-client.ts';

const SUCCESS = { err_msg: null, ret: 'success' };
const BUSY = { err_msg: 'repo is busying', ret: 'failure' };

interface Deployment extends AsyncDisposable {
  readonly scene: Scene;
  readonly client: PythonClient;
  /** Nobody pulls twice in the second of one signature. */
  nextSecond(): Promise<void>;
}

for (const password of [undefined, 'pä55 &=word']) {
  const open = async (options: SceneOptions = {}): Promise<Deployment> => {
    const scene = await createScene({
      commands: {
        build: 'echo "building $GITAGENT_AFTER" | tee built',
        'a b&c': 'echo odd',
        fail: 'echo half; exit 4',
        slow: `echo slow; ${waitAt('gate')}`,
        seq: 'seq 1 200000',
      },
      ...options,
      config: { ...options.config, ...(password !== undefined && { password }) },
    });
    await scene.commit({ branch: 'master', parents: [scene.first], files: { m: 'master\n' } });
    const second = (): number => Math.floor(Date.now() / 1000);
    return {
      scene,
      client: createPythonClient(scene.url, password),
      async nextSecond() {
        const now = second();
        if (password !== undefined) await until(() => second() > now, 'a second passes');
      },
      [Symbol.asyncDispose]: async () => {
        await scene[Symbol.asyncDispose]();
      },
    };
  };

  describe(`the client ${password === undefined ? 'without' : 'with'} a password`, () => {
    test('lists and asks for the status', async () => {
      await using deployment = await open();
      const { scene, client } = deployment;
      assert.deepEqual(await client.repoList(), ['site']);
      assert.deepEqual(await client.repoStatus('site'), {
        author: 'Ada',
        branch: 'main',
        busy: false,
        changed_files: { A: [], D: [], M: [], R: [] },
        dirty: false,
        hash: scene.first,
        message: 'first\n',
        untracked_files: [],
      });
      await assert.rejects(client.repoStatus('nope'), { status: 404 });
    });

    test('pulls master, another branch, a commit, with a command', async () => {
      await using deployment = await open();
      const { scene, client } = deployment;
      assert.deepEqual(await client.pull('site'), SUCCESS);
      const tip = await git(scene.origin, 'rev-parse', 'master');
      assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), tip);
      assert.deepEqual(await client.pull('site', { gitBranch: 'main', command: 'build' }), SUCCESS);
      assert.equal(await readFile(join(scene.copy, 'built'), 'utf8'), `building ${scene.first}\n`);
      const options = { gitBranch: 'master', gitHash: tip.slice(0, 8), command: 'a b&c' };
      assert.deepEqual(await client.pull('site', options), SUCCESS);
      const { branch, hash } = (await client.repoStatus('site')) as Record<string, unknown>;
      assert.deepEqual([branch, hash], [null, tip]);
    });

    test('hears of failures, and raises what is refused', async () => {
      await using deployment = await open();
      const { client } = deployment;
      assert.deepEqual(await client.pull('site', { command: 'fail' }), {
        err_msg: 'command "fail" ended with exit code 4',
        ret: 'failed',
      });
      const { ret, err_msg } = (await client.pull('site', { gitBranch: 'nope' })) as typeof BUSY;
      assert.equal(ret, 'failed');
      assert.match(err_msg, /no branch nope/);
      await assert.rejects(client.pull('site', { command: 'nope' }), (error: RequestFailed) => {
        assert.equal(error.status, 400);
        assert.match(error.message, /^Request failed with status_code:400 response:.*no command/s);
        return true;
      });
    });

    test('finds the repository busy while it pulls, with block=0 as well', async () => {
      await using deployment = await open();
      const { scene, client } = deployment;
      const slow = { command: 'slow', block: 0 } as const;
      assert.deepEqual(await client.pull('site', slow), SUCCESS);
      assert.deepEqual(await client.pull('site', slow), BUSY);
      assert.equal(((await client.repoStatus('site')) as { busy: boolean }).busy, true);
      await scene.open('gate');
      await until(
        async () => !((await client.repoStatus('site')) as { busy: boolean }).busy,
        'it ends',
      );
      await deployment.nextSecond();
      assert.deepEqual(await client.pull('site', { ...slow, block: 1 }), SUCCESS);
    });

    test('sees the output on its console, and may close it as soon as the pull has answered', async () => {
      await using deployment = await open();
      const { scene, client } = deployment;
      using console = await client.connectConsole();
      const consoleId = console.id;
      await client.pull('site', { command: 'build', consoleId });
      const tip = await git(scene.copy, 'rev-parse', 'HEAD');
      await console.until(() => console.output().endsWith(`\nbuilding ${tip}\n`));
      assert.match(console.output(), /^fetch origin\n[^]*checkout master at [^]*\n\$ echo /);
      await client.pull('site', { command: 'seq', consoleId });
      await deployment.nextSecond();
      const { length } = console.frames;
      await client.pull('site', { command: 'a b&c', consoleId });
      await console.until(() => console.output().endsWith('\n$ echo odd\nodd\n'));
      assert.ok(console.frames.length > length);
      assert.ok(console.output().includes('\n199999\n200000\nfetch origin\n'));
    });

    test('knows repositories whose names must be encoded', async () => {
      const names = ['分支 repo', 'a+b', 'ü'];
      await using deployment = await open();
      const { copy } = deployment.scene;
      const repo = Object.fromEntries(names.map((name) => [name, { repo_path: copy }]));
      await using named = await open({ config: { repo } });
      assert.deepEqual(await named.client.repoList(), names);
      for (const name of names) {
        const { branch } = (await named.client.repoStatus(name)) as { branch: string };
        assert.equal(branch, 'main');
        assert.deepEqual(await named.client.pull(name, { gitBranch: 'main' }), SUCCESS);
      }
    });
  });
}

test('a client with a wrong password, or none, is refused with 401', async () => {
  await using scene = await createScene({ config: { password: 'right' } });
  for (const password of ['wrong', undefined]) {
    const client = createPythonClient(scene.url, password);
    for (const asked of [client.repoList(), client.repoStatus('site'), client.pull('site')]) {
      await assert.rejects(asked, { name: 'RequestFailed', status: 401 });
    }
    // Its console shows no credentials, and is of no use without somebody who has them.
    using console = await client.connectConsole();
    assert.match(console.id, /^\d+$/);
  }
});

test('a client that signs finds an agent open that has no password', async () => {
  await using scene = await createScene();
  const client = createPythonClient(scene.url, 'whatever');
  assert.deepEqual(await client.repoList(), ['site']);
  assert.deepEqual(await client.pull('site', { gitBranch: 'main' }), SUCCESS);
});
