import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { createConfigFolder } from './support/config-folder.ts';

/** A folder whose config.json sets the port and the password. */
async function createConfigured() {
  const folder = await createConfigFolder();
  folder.init('a');
  await folder.write(
    'config.json',
    '{"port": 1, "password": "from file", "repo": {"a": {"repo_path": "a"}}}',
  );
  return folder;
}

test('a flag goes before the environment, the environment before the file', async () => {
  await using folder = await createConfigured();
  const env = {
    HOME: '/',
    GITAGENT_PORT: '2',
    GITAGENT_PASSWORD: 'from env',
    GITAGENT_BIND_IP: '::1',
  };
  const { config } = await folder.load({
    env,
    flags: { port: '3', stateDir: 'x', bindIp: undefined },
  });
  assert.equal(config.port, 3);
  assert.equal(config.bindIp, '::1');
  assert.equal(config.password, 'from env');
  assert.equal(config.stateDir, join(folder.path, 'x'));
});

test('lists and nested keys have variables too', async () => {
  await using folder = await createConfigured();
  const env = {
    HOME: '/',
    GITAGENT_HOSTS: 'a.example, b.example',
    GITAGENT_ANONYMOUS: '',
    GITAGENT_LIMITS_GIT_CHILDREN: '9',
    GITAGENT_TIMEOUTS_KILL: '0.5',
  };
  const { config, warnings } = await folder.load({ env });
  assert.deepEqual(config.hosts, ['a.example', 'b.example']);
  assert.deepEqual(config.anonymous, []);
  assert.equal(config.limits.gitChildren, 9);
  assert.equal(config.timeouts.killSeconds, 0.5);
  assert.deepEqual(warnings, []);
});

test('a secret may come from a file, whose last line break does not count', async () => {
  await using folder = await createConfigured();
  await folder.write('secret', 'a b \r\n');
  const { config } = await folder.load({ env: { HOME: '/', GITAGENT_PASSWORD_FILE: 'secret' } });
  assert.equal(config.password, 'a b ');
});

test('mistakes in the environment name the variable and keep the secret', async () => {
  await using folder = await createConfigured();
  await folder.write('empty', '\n');
  const mistakes = (env: Record<string, string>) => folder.mistakes({ env: { HOME: '/', ...env } });
  assert.deepEqual(await mistakes({ GITAGENT_PORT: 'many' }), [
    'GITAGENT_PORT: port: must be a number, not text',
  ]);
  assert.deepEqual(await mistakes({ GITAGENT_PASSWORD: '' }), [
    'GITAGENT_PASSWORD: password: must not be empty, or everybody would be let in; give a password or remove the key',
  ]);
  assert.deepEqual(await mistakes({ GITAGENT_PASSWORD_FILE: 'empty' }), [
    'GITAGENT_PASSWORD_FILE: password: must not be empty, or everybody would be let in; give a password or remove the key',
  ]);
  assert.deepEqual(await mistakes({ GITAGENT_PASSWORD_FILE: 'gone' }), [
    'GITAGENT_PASSWORD_FILE: password: cannot read "gone"; check the path and its permissions',
  ]);
  assert.deepEqual(
    await mistakes({ GITAGENT_PASSWORD: 'hunter2', GITAGENT_PASSWORD_FILE: 'empty' }),
    ['GITAGENT_PASSWORD_FILE: password: GITAGENT_PASSWORD is set as well; keep one of them'],
  );
});

test('mistakes on the command line name the flag', async () => {
  await using folder = await createConfigured();
  assert.deepEqual(await folder.mistakes({ flags: { port: '99999' } }), [
    '--port: port: must be at most 65535',
  ]);
});

test('opening up by variable or flag is refused like in the file', async () => {
  await using folder = await createConfigFolder();
  folder.init('a');
  const [byVariable = ''] = await folder.mistakes({
    env: { HOME: '/', GITAGENT_BIND_IP: '0.0.0.0' },
  });
  assert.match(byVariable, /^GITAGENT_BIND_IP: bind_ip: without a password everybody/);
  const [byFlag = ''] = await folder.mistakes({ flags: { bindIp: '0.0.0.0' } });
  assert.match(byFlag, /^--bind-ip: bind_ip: without a password everybody/);
});

test('an unknown variable gives a warning, one that jobs set does not', async () => {
  await using folder = await createConfigured();
  const env = {
    HOME: '/',
    GITAGENT_PROT: '2',
    GITAGENT_JOB: 'x',
    GITAGENT_REPO: 'a',
    GITAGENT_QQQQQQQQQQQQQQQQ: '',
  };
  const { warnings } = await folder.load({ env });
  assert.deepEqual(warnings, [
    'GITAGENT_PROT: unknown variable; did you mean GITAGENT_PORT?',
    'GITAGENT_QQQQQQQQQQQQQQQQ: unknown variable; it has no effect',
  ]);
});
