import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, rename } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createConfigFolder, type ConfigFolder } from './support/config-folder.ts';

/** Names and paths that are served when nothing but the folder is known. */
async function served(folder: ConfigFolder, cwd: string) {
  const { config } = await folder.load({ cwd });
  assert.equal(config.file, null);
  return config.repos.map(({ name, path }) => [name, path]);
}

test('with no config the repository around the folder is served', async () => {
  await using folder = await createConfigFolder();
  const path = folder.init('my repo');
  await mkdir(join(path, 'deep', 'er'), { recursive: true });
  assert.deepEqual(await served(folder, join(path, 'deep', 'er')), [['my repo', path]]);
  assert.deepEqual(await served(folder, join(path, '.git', 'refs')), [['my repo', path]]);
});

test('with no config all repositories of a folder are served, sorted by name', async () => {
  await using folder = await createConfigFolder();
  const b = folder.init('b');
  const a = folder.init('a');
  const bare = folder.init('c.git', '--bare');
  const twin = folder.init('b.git', '--bare');
  await mkdir(join(folder.path, 'plain', '.git'), { recursive: true });
  await folder.write('file', 'x');
  assert.deepEqual(await served(folder, folder.path), [
    ['a', a],
    ['b', b],
    ['b.git', twin],
    ['c', bare],
  ]);
});

test('config.json in the folder goes before the repositories there', async () => {
  await using folder = await createConfigFolder();
  const path = folder.init('a');
  const file = await folder.write('a/config.json', '{"repo": {"self": {"repo_path": "./"}}}');
  const { config } = await folder.load({ cwd: path });
  assert.equal(config.file, file);
  assert.deepEqual(
    config.repos.map((repo) => [repo.name, repo.path]),
    [['self', path]],
  );
});

test('with nothing to serve the error says what to do', async () => {
  await using folder = await createConfigFolder();
  assert.deepEqual(await folder.mistakes(), [
    `${folder.path}: there is no config.json here, and no git repository in or around this folder; go to a repository, name a config with "-c FILE", or make one with "gitagent write"`,
  ]);
});

test('bare, SHA-256, unborn, separate and linked repositories are accepted', async () => {
  await using folder = await createConfigFolder();
  folder.init('bare', '--bare');
  folder.init('sha256', '--object-format=sha256');
  folder.init('separate', `--separate-git-dir=${join(folder.path, 'elsewhere')}`);
  const main = folder.init('main');
  const env = { PATH: process.env['PATH'], HOME: folder.path };
  const git = (...args: string[]) =>
    execFileSync('git', ['-C', main, ...args], { env, stdio: 'pipe' });
  git(
    '-c',
    'user.name=A',
    '-c',
    'user.email=a@example.com',
    'commit',
    '--allow-empty',
    '-m',
    'first',
  );
  git('worktree', 'add', '../linked');
  const names = ['bare', 'sha256', 'separate', 'main', 'linked', 'elsewhere'];
  const repo = Object.fromEntries(names.map((name) => [name, { repo_path: name }]));
  await folder.write('config.json', JSON.stringify({ repo }));
  const { config } = await folder.load();
  assert.deepEqual(
    config.repos.map(({ path }) => path),
    names.map((name) => join(folder.path, name)),
  );
});

test('the .git of a working tree stands for the working tree, of a bare repository for itself', async () => {
  await using folder = await createConfigFolder();
  const path = folder.init('tree');
  await mkdir(join(folder.path, 'trees'));
  await rename(folder.init('bare', '--bare'), join(folder.path, 'trees', '.git'));
  const repo = { tree: { repo_path: 'tree/.git' }, bare: { repo_path: 'trees/.git' } };
  await folder.write('config.json', JSON.stringify({ repo }));
  const { config } = await folder.load();
  assert.deepEqual(
    config.repos.map((one) => one.path),
    [path, join(folder.path, 'trees', '.git')],
  );
});

test('repo_path knows ~ and variables, as before', async () => {
  await using folder = await createConfigFolder();
  const path = folder.init('a');
  const repo = { x: { repo_path: '~/a' }, y: { repo_path: '$HOME/${NAME}' } };
  await folder.write('config.json', JSON.stringify({ repo }));
  const { config } = await folder.load({ env: { HOME: folder.path, NAME: 'a' } });
  assert.deepEqual(
    config.repos.map((one) => one.path),
    [path, path],
  );
});
