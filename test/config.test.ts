import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { configJsonSchema, isLoopback } from '../src/config.ts';
import { createConfigFolder } from './support/config-folder.ts';

test('defaults fill what a file leaves out, and absent keys stay absent', async () => {
  await using folder = await createConfigFolder();
  const path = folder.init('a');
  const file = await folder.write('etc/agent.json', '{"repo": {"demo": {"repo_path": "../a"}}}');
  const { config, warnings } = await folder.load({ file: 'etc/agent.json' });
  assert.deepEqual(config, {
    file,
    bindIp: '127.0.0.1',
    port: 10_000,
    stateDir: join(folder.path, '.local/state/gitagent'),
    hosts: [],
    limits: {
      gitChildren: 4,
      queue: 100,
      outputChunkBytes: 65_536,
      outputBytes: 268_435_456,
      fetchRetries: 3,
      sockets: 10_000,
      clientSockets: 1000,
      socketOperations: 100,
      outputReaders: 1000,
      watchedFolders: 8192,
      watchedFoldersTotal: 16_384,
      objectReaders: 8,
      objectCacheBytes: 33_554_432,
    },
    timeouts: {
      drainSeconds: 30,
      killSeconds: 5,
      heartbeatSeconds: 25,
      fetchRetrySeconds: 1,
      fetchSeconds: 1800,
      checkoutSeconds: 1800,
      pollSeconds: 5,
      watchIdleSeconds: 120,
    },
    retention: { jobs: 100_000, jobsDays: 365, outputDays: 90, outputBytes: 4_294_967_296 },
    realm: 'GitAgent',
    gitHttp: { write: 'scope', dumb: false, hooks: true },
    maintenance: { commitGraph: true },
    insecure: false,
    repos: [{ name: 'demo', path, commands: new Map(), strategy: 'ff-only' }],
  });
  assert.deepEqual(warnings, []);
});

test('every key arrives', async () => {
  await using folder = await createConfigFolder();
  const path = folder.init('a');
  const file = await folder.write(
    'config.json',
    JSON.stringify({
      $schema: './config.schema.json',
      bind_ip: '0.0.0.0',
      port: 0,
      password: ' pä55 ',
      anonymous: ['read', 'read'],
      state_dir: 'state',
      hosts: ['Git.Example.com', '::2'],
      limits: {
        git_children: 2,
        queue: 0,
        output_chunk: 4096,
        output_bytes: 2_000_000,
        sockets: 5,
        client_sockets: 4,
        socket_operations: 3,
        output_readers: 6,
        watched_folders: 10,
        watched_folders_total: 20,
        object_readers: 3,
        object_cache: 0,
      },
      retention: { jobs: 9, jobs_days: 8, output_days: 0.5, output_bytes: 0 },
      timeouts: { drain: 0, kill: 0.5, heartbeat: 1, poll: 2, watch_idle: 3 },
      git_base: 'repos',
      accessfile: '/etc/access.ini',
      realm: 'my git repos',
      git_http: { read: 'scope', write: 'nobody', dumb: true, hooks: false },
      maintenance: { commit_graph: false },
      repo: {
        demo: {
          repo_path: path,
          GIT_SSH_COMMAND: 'ssh -i key',
          branch: 'feature/ü',
          strategy: 'rebase',
          command: {
            line: 'make && make install',
            list: ['echo', "it's", 'a b'],
            'an object': { run: ['true'], timeout: 1.5, env: { A: '' }, description: 'nothing' },
          },
        },
      },
    }),
  );
  const { config } = await folder.load();
  assert.deepEqual(config, {
    file,
    bindIp: '0.0.0.0',
    port: 0,
    password: ' pä55 ',
    anonymous: ['read'],
    stateDir: join(folder.path, 'state'),
    hosts: ['git.example.com', '::2'],
    limits: {
      gitChildren: 2,
      queue: 0,
      outputChunkBytes: 4096,
      outputBytes: 2_000_000,
      fetchRetries: 3,
      sockets: 5,
      clientSockets: 4,
      socketOperations: 3,
      outputReaders: 6,
      watchedFolders: 10,
      watchedFoldersTotal: 20,
      objectReaders: 3,
      objectCacheBytes: 0,
    },
    retention: { jobs: 9, jobsDays: 8, outputDays: 0.5, outputBytes: 0 },
    timeouts: {
      drainSeconds: 0,
      killSeconds: 0.5,
      heartbeatSeconds: 1,
      fetchRetrySeconds: 1,
      fetchSeconds: 1800,
      checkoutSeconds: 1800,
      pollSeconds: 2,
      watchIdleSeconds: 3,
    },
    maintenance: { commitGraph: false },
    gitBase: join(folder.path, 'repos'),
    accessfile: '/etc/access.ini',
    realm: 'my git repos',
    gitHttp: { read: 'scope', write: 'nobody', dumb: true, hooks: false },
    insecure: false,
    repos: [
      {
        name: 'demo',
        path,
        sshCommand: 'ssh -i key',
        branch: 'feature/ü',
        strategy: 'rebase',
        commands: new Map([
          [
            'line',
            {
              name: 'line',
              argv: ['/bin/sh', '-c', 'make && make install'],
              line: 'make && make install',
              env: {},
            },
          ],
          [
            'list',
            {
              name: 'list',
              argv: ['echo', "it's", 'a b'],
              line: String.raw`echo 'it'\''s' 'a b'`,
              env: {},
            },
          ],
          [
            'an object',
            {
              name: 'an object',
              argv: ['true'],
              line: 'true',
              timeoutSeconds: 1.5,
              env: { A: '' },
              description: 'nothing',
            },
          ],
        ]),
      },
    ],
  });
});

const names = ['b', '10', '2', 'constructor', 'a/b', '仓库 1', 'toString'];

test('repositories and commands keep the order of a JSON file, whatever their names', async () => {
  await using folder = await createConfigFolder();
  folder.init('a');
  const commands = names.map((name) => `${JSON.stringify(name)}: "true"`).join(', ');
  const repos = names.map(
    (name) => `${JSON.stringify(name)}: {"repo_path": "a", "command": {${commands}}}`,
  );
  await folder.write('config.json', `{"repo": {${repos.join(',')}}}`);
  const { config } = await folder.load();
  assert.deepEqual(
    config.repos.map(({ name }) => name),
    names,
  );
  assert.deepEqual([...(config.repos[0]?.commands.keys() ?? [])], names);
});

test('repositories keep the order of a YAML file, and a number is a name as written', async () => {
  await using folder = await createConfigFolder();
  folder.init('a');
  const yaml = ['b', '10', '2', '010', 'yes', '仓库 1'];
  const lines = yaml.map((name) => `  ${name}: *one`);
  await folder.write('c.yaml', ['repo:', '  first: &one {repo_path: a}', ...lines].join('\n'));
  const { config } = await folder.load({ file: 'c.yaml' });
  assert.deepEqual(
    config.repos.map(({ name }) => name),
    ['first', ...yaml],
  );
});

test('a byte order mark, comments, trailing commas, tabs and CRLF are accepted', async () => {
  await using folder = await createConfigFolder();
  folder.init('a');
  const text =
    '\uFEFF{\r\n\t// where\r\n\t"port": 1, /* who */\r\n\t"repo": {"a": {"repo_path": "a",},},\r\n}\r\n';
  await folder.write('config.json', text);
  const { config } = await folder.load();
  assert.equal(config.port, 1);
  assert.equal(config.repos.length, 1);
});

test('a file without repositories in its list is accepted, as before', async () => {
  await using folder = await createConfigFolder();
  await folder.write('config.json', '{"repo": {}}');
  assert.deepEqual((await folder.load()).config.repos, []);
});

test('the key allow_pull of the original example is accepted with a warning', async () => {
  await using folder = await createConfigFolder();
  folder.init('a');
  await folder.write('config.json', '{"repo": {"a": {"repo_path": "a", "allow_pull": true}}}');
  const { warnings } = await folder.load();
  assert.deepEqual(warnings, [
    'config.json:1:35: repo.a.allow_pull: this key never had an effect; remove it',
  ]);
});

test('listening beyond loopback is accepted with a password, and with --insecure', async () => {
  await using folder = await createConfigFolder();
  folder.init('a');
  const repo = '"repo": {"a": {"repo_path": "a"}}';
  await folder.write('open.json', `{"bind_ip": "0.0.0.0", ${repo}}`);
  const { config } = await folder.load({ file: 'open.json', flags: { insecure: true } });
  assert.equal(config.insecure, true);
  await folder.write('closed.json', `{"bind_ip": "::", "password": "x", ${repo}}`);
  assert.equal((await folder.load({ file: 'closed.json' })).config.bindIp, '::');
});

test('loopback has many names', () => {
  for (const name of [
    '127.0.0.1',
    '127.9.9.9',
    '::1',
    '0:0:0:0:0:0:0:1',
    '::ffff:127.0.0.1',
    'localhost',
    'a.localhost',
  ]) {
    assert.equal(isLoopback(name), true, name);
  }
  for (const name of [
    '0.0.0.0',
    '::',
    '10.0.0.1',
    'example.com',
    'notlocalhost',
    'localhost.example.com',
  ]) {
    assert.equal(isLoopback(name), false, name);
  }
});

test('state_dir defaults to what systemd or XDG give', async () => {
  await using folder = await createConfigFolder();
  folder.init('a');
  const stateDir = async (env: Record<string, string>) =>
    (await folder.load({ cwd: join(folder.path, 'a'), env: { HOME: '/home/x', ...env } })).config
      .stateDir;
  assert.equal(await stateDir({}), '/home/x/.local/state/gitagent');
  assert.equal(await stateDir({ XDG_STATE_HOME: '/xdg' }), '/xdg/gitagent');
  assert.equal(await stateDir({ XDG_STATE_HOME: 'relative' }), '/home/x/.local/state/gitagent');
  assert.equal(
    await stateDir({ XDG_STATE_HOME: '/xdg', STATE_DIRECTORY: '/var/lib/a:/var/lib/b' }),
    '/var/lib/a',
  );
  assert.equal(await stateDir({ GITAGENT_STATE_DIR: 'here' }), join(folder.path, 'a', 'here'));
});

test('config.schema.json is what the schema gives, and every key is described', async () => {
  const schema = configJsonSchema();
  const text = await readFile(new URL('../config.schema.json', import.meta.url), 'utf8');
  assert.equal(text, `${JSON.stringify(schema, null, 2)}\n`);
  const visit = (node: unknown): void => {
    if (typeof node !== 'object' || node === null) return;
    if ('properties' in node && typeof node.properties === 'object' && node.properties !== null) {
      const children: [string, unknown][] = Object.entries(node.properties);
      for (const [key, child] of children) {
        const isDescribed = typeof child === 'object' && child !== null && 'description' in child;
        assert.ok(isDescribed, `${key} has no description`);
      }
    }
    Object.values(node).forEach(visit);
  };
  visit(schema);
});
