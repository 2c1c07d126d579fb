import assert from 'node:assert/strict';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { formatSampleConfig, sampleTypes, writeSampleConfig } from '../src/config-sample.ts';
import { createConfigFolder } from './support/config-folder.ts';

for (const type of sampleTypes) {
  test(`the ${type} sample starts an agent in a repository`, async () => {
    await using folder = await createConfigFolder();
    const path = folder.init('a');
    await writeSampleConfig(join(path, 'config.json'), type);
    const { config, warnings } = await folder.load({ cwd: path });
    assert.deepEqual(warnings, []);
    assert.equal(config.bindIp, '127.0.0.1');
    assert.deepEqual(
      config.repos.map((repo) => [repo.name, repo.path, [...repo.commands.keys()]]),
      [['self', path, type === 'full' ? ['cmd1', 'cmd2'] : []]],
    );
  });
}

test('the full sample has sorted keys, four blanks of indent and every original key', () => {
  assert.equal(
    formatSampleConfig('full', 'secret'),
    `{
    "bind_ip": "127.0.0.1",
    "password": "secret",
    "port": 10000,
    "repo": {
        "self": {
            "GIT_SSH_COMMAND": "ssh -o BatchMode=yes",
            "command": {
                "cmd1": "echo the command 1",
                "cmd2": "echo the command 2"
            },
            "repo_path": "./"
        }
    }
}
`,
  );
});

test('the full sample has a password of its own and is for its owner only', async () => {
  await using folder = await createConfigFolder();
  const [one, two] = [join(folder.path, 'one.json'), join(folder.path, 'two.json')];
  await writeSampleConfig(one, 'full');
  await writeSampleConfig(two, 'full');
  assert.notEqual(await readFile(one, 'utf8'), await readFile(two, 'utf8'));
  assert.equal((await stat(one)).mode & 0o777, 0o600);
});

test('an existing file is not overwritten', async () => {
  await using folder = await createConfigFolder();
  const file = await folder.write('config.json', 'mine');
  await assert.rejects(writeSampleConfig(file, 'simple'), {
    code: 'BAD_USER_INPUT',
    message: /^the file already exists/,
  });
  assert.equal(await readFile(file, 'utf8'), 'mine');
});

test('a folder that is not there is refused', async () => {
  await using folder = await createConfigFolder();
  const file = join(folder.path, 'no', 'config.json');
  await assert.rejects(writeSampleConfig(file, 'simple'), {
    code: 'BAD_USER_INPUT',
    message: /^cannot write .*ENOENT/,
  });
});

test("the original's full sample starts as it is, its simple one asks for a decision", async () => {
  await using folder = await createConfigFolder();
  const cwd = folder.init('a');
  const simple = { bind_ip: '0.0.0.0', port: 10_000, repo: { self: { repo_path: './' } } };
  const command = { cmd1: 'the command 1', cmd2: 'the command 2' };
  const full = { ...simple, password: '123456', repo: { self: { repo_path: './', command } } };
  await folder.write('a/full.json', JSON.stringify(full, null, 4));
  assert.equal((await folder.load({ cwd, file: 'full.json' })).config.password, '123456');
  await folder.write('a/simple.json', JSON.stringify(simple, null, 4));
  const lines = await folder.mistakes({ cwd, file: 'simple.json' });
  assert.match(lines.join('\n'), /^simple\.json:2:16: bind_ip: without a password .* --insecure$/);
  assert.equal(
    (await folder.load({ cwd, file: 'simple.json', flags: { insecure: true } })).config.port,
    10_000,
  );
});
