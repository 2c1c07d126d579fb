/** The command line as the original's users know it, and the configuration files they come with. */
import assert from 'node:assert/strict';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runCommand, startCommand, type Run } from '../support/command-line.ts';
import { until } from '../support/deadline.ts';
import {
  cloneRepository,
  createFixture,
  initRepository,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';
import { createPythonClient } from '../support/python-client.ts';
import { request } from '../support/raw-http.ts';

async function run(cwd: string, ...args: string[]): Promise<Run> {
  return await runCommand(cwd, args);
}

/** A clone as `site`, where the commands stand. */
async function prepare(fixture: Fixture): Promise<string> {
  const origin = await initRepository(fixture.path('origin.git'), { bare: true, branch: 'master' });
  await writeCommit(origin, { branch: 'master', files: { a: '1\n' } });
  return await cloneRepository(origin, fixture.path('site'));
}

describe('gitagent write', () => {
  test('writes a sample to ./config.json or where -c says, and never over a file', async () => {
    await using fixture = await createFixture();
    const { dir } = fixture;
    const first = await run(dir, 'write');
    assert.equal(first.code, 0);
    assert.match(first.stdout, /^wrote config\.json/);
    const written = await readFile(join(dir, 'config.json'), 'utf8');
    assert.deepEqual(Object.keys(JSON.parse(written) as object), ['bind_ip', 'port', 'repo']);
    const again = await run(dir, 'write');
    assert.deepEqual([again.code, again.stdout], [1, '']);
    assert.match(again.stderr, /the file already exists: config\.json/);
    assert.equal(await readFile(join(dir, 'config.json'), 'utf8'), written);
    for (const args of [
      ['-c', 'full.json', '--type=full', 'write'],
      ['write', '-c', 'full2.json', '--type', 'full'],
    ]) {
      assert.equal((await run(dir, ...args)).code, 0);
      const full = await readFile(join(dir, args.includes('full2.json') ? 'full2.json' : 'full.json'), 'utf8'); // prettier-ignore
      assert.match(full, /^\{\n {4}"bind_ip".*"password".*"port".*"GIT_SSH_COMMAND".*"cmd1"/s);
    }
  });

  test('what it wrote starts an agent, which the client knows how to talk to', async () => {
    await using fixture = await createFixture();
    const site = await prepare(fixture);
    await run(site, 'write', '--type=full');
    const config = JSON.parse(await readFile(join(site, 'config.json'), 'utf8')) as {
      password: string;
    };
    const agent = startCommand(site, ['run', '--port', '0', '--state-dir', fixture.path('state')]);
    const listening = /listening on (\S+)/;
    await until(() => listening.test(agent.stdout()), 'the agent listens');
    const url = listening.exec(agent.stdout())?.[1] ?? '';
    const client = createPythonClient(url, config.password);
    assert.deepEqual(await client.repoList(), ['self']);
    assert.deepEqual(await client.pull('self', { command: 'cmd1' }), {
      err_msg: null,
      ret: 'success',
    });
    assert.equal((await request(url, 'GET', '/repo')).status, 401);
    agent.stop();
    assert.equal((await agent.ended).code, 0);
  });
});

describe('a wrong command line', () => {
  for (const args of [['bogus'], ['run', 'bogus'], ['--type=big', 'write'], ['--bogus'], ['-c']]) {
    test(`"${args.join(' ')}" ends with 2 and the usage`, async () => {
      await using fixture = await createFixture();
      const { code, stdout, stderr } = await run(fixture.dir, ...args);
      assert.deepEqual([code, stdout], [2, '']);
      assert.match(stderr, /^error: .*\n\nUsage: gitagent /);
    });
  }
});

describe('a configuration of the original', () => {
  const original = (path: string): string => `{
    "bind_ip": "127.0.0.1",
    "port": 0,
    "password": "123456",
    "repo": {
        "demo2": {
            "repo_path": "${path}",
            "allow_pull": true,
            "command": {
                "cmd1": "echo the command 1",
                "cmd2": "echo the command 2",
            },
            "GIT_SSH_COMMAND": "ssh -i /nonexistent",
        },
        "demo1": { "repo_path": "./site" },
    },
}
`;

  test('starts as it is, with a BOM and trailing commas, in its own order', async () => {
    await using fixture = await createFixture();
    const site = await prepare(fixture);
    await writeFile(fixture.path('config.json'), `\uFEFF${original(site)}`);
    const agent = startCommand(fixture.dir, ['-c', './config.json', 'run'], {
      GITAGENT_STATE_DIR: fixture.path('state'),
    });
    const listening = /listening on (\S+)/;
    await until(() => listening.test(agent.stdout()), 'the agent listens');
    const client = createPythonClient(listening.exec(agent.stdout())?.[1] ?? '', '123456');
    assert.deepEqual(await client.repoList(), ['demo2', 'demo1']);
    assert.deepEqual(await client.pull('demo2', { command: 'cmd2' }), {
      err_msg: null,
      ret: 'success',
    });
    agent.stop();
    assert.equal((await agent.ended).code, 0);
  });

  const mistakes: Record<string, [change: (text: string) => string, said: RegExp]> = {
    'a path that is not there': [
      (text) => text.replace('./site', './nowhere'),
      /^gitagent: config\.json:15:33: repo\.demo1\.repo_path: there is no folder ".*nowhere"; correct the path/m,
    ],
    'a folder that is no repository': [
      (text) => text.replace('./site', './plain'),
      /config\.json:15:33: repo\.demo1\.repo_path: ".*plain" is not a git repository; /,
    ],
    'a path of the wrong type': [
      (text) => text.replace('"./site"', '7'),
      /config\.json:15:33: repo\.demo1\.repo_path: must be text, not a (?:whole )?number; put it between/,
    ],
    'a key that is given twice': [
      (text) => text.replace('"port": 0,', '"port": 0, "port": 1,'),
      /config\.json:3:16: port: the key is given twice, first on line 3; keep one/,
    ],
    'a file that ends too early': [
      (text) => text.slice(0, 200),
      /config\.json:\d+:\d+: .*the file ends here, but .* is not closed; is it complete\?/,
    ],
    'no password at all, said so': [
      (text) => text.replace('"123456"', 'null'),
      /config\.json:4:17: password: must be text that is not empty, or everybody would be let in/,
    ],
    'an empty password': [
      (text) => text.replace('"123456"', '""'),
      /config\.json:4:17: password: must not be empty, or everybody would be let in; give a password or remove the key/,
    ],
    'a password that is a number': [
      (text) => text.replace('"123456"', '123456'),
      /config\.json:4:17: password: must be text, not a number; put it between double quotes/,
    ],
  };
  for (const [title, [change, said]] of Object.entries(mistakes)) {
    test(`with ${title} does not start, and says where and what to do`, async () => {
      await using fixture = await createFixture();
      const site = await prepare(fixture);
      await writeFile(fixture.path('config.json'), change(original(site)));
      await mkdir(fixture.path('plain'));
      const { code, stdout, stderr } = await run(fixture.dir, 'run', '--state-dir', 'state');
      assert.deepEqual([code, stdout], [1, '']);
      assert.match(stderr, said);
      assert.doesNotMatch(stderr, /123456|^\s+at /m);
    });
  }
});
