import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { chmod, cp, mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { test } from 'node:test';

/**
 * A project with ensure-deps.mjs and one dependency that lies beside it, so that the real npm
 * installs it in a moment and without a network.
 */
async function createProject() {
  const root = await mkdtemp(join(tmpdir(), 'ensure-deps-'));
  const write = (path: string, value: unknown) =>
    writeFile(join(root, path), typeof value === 'string' ? value : JSON.stringify(value));
  await mkdir(join(root, 'leaf'));
  await cp(join(import.meta.dirname, '../scripts'), join(root, 'scripts'), { recursive: true });
  await write('leaf/package.json', { name: 'leaf', version: '1.0.0' });

  const devDependencies = { leaf: 'file:leaf' };
  const optionalDependencies = { 'leaf-for-nobody': '1.0.0' };
  await write('package.json', { name: 'house', devDependencies, optionalDependencies });
  await write('package-lock.json', {
    name: 'house',
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': { name: 'house', devDependencies, optionalDependencies },
      leaf: { version: '1.0.0', dev: true },
      'node_modules/leaf': { resolved: 'leaf', link: true, dev: true },
      // Never fetched: no machine is this one.
      'node_modules/leaf-for-nobody': {
        version: '1.0.0',
        integrity: 'sha512-AAAA',
        optional: true,
        os: ['none'],
        cpu: ['none'],
      },
    },
  });

  const start = (env: NodeJS.ProcessEnv = {}) =>
    spawn(process.execPath, ['scripts/ensure-deps.mjs'], {
      cwd: root,
      // npm must not ask the registry whether there is a newer npm.
      env: { ...process.env, npm_config_update_notifier: 'false', ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    });
  return {
    root,
    write,
    start,
    run: async (env?: NodeJS.ProcessEnv) => finish(start(env)),
    [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }),
  };
}

async function finish(child: ChildProcess) {
  assert.ok(child.stdout && child.stderr);
  const [stdout, stderr] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'close'),
  ]);
  return { code: child.exitCode, stdout, stderr };
}

const quiet = { code: 0, stdout: '', stderr: '' };

test('installs what is missing, then has nothing to do', async () => {
  await using project = await createProject();
  const first = await project.run();
  assert.equal(first.code, 0, first.stderr);
  assert.match(first.stderr, /node_modules is missing or incomplete; running npm ci/);
  assert.equal(first.stdout, '', 'standard output belongs to the program that is started');
  assert.ok(existsSync(join(project.root, 'node_modules/leaf/package.json')));
  assert.ok(!existsSync(join(project.root, '.install.lock')));

  const started = performance.now();
  assert.deepEqual(await project.run(), quiet);
  // 0.05 s when the machine is idle; npm alone would take longer than this.
  assert.ok(performance.now() - started < 2_000);
});

test('installs again when a package is gone, or another version is wanted', async () => {
  await using project = await createProject();
  await project.run();

  await rm(join(project.root, 'node_modules/leaf'));
  assert.match((await project.run()).stderr, /node_modules\/leaf is missing; running/);
  assert.deepEqual(await project.run(), quiet);

  const lockFile = await readFile(join(project.root, 'package-lock.json'), 'utf8');
  await project.write('package-lock.json', lockFile.replaceAll('1.0.0', '1.0.1'));
  await project.write('leaf/package.json', { name: 'leaf', version: '1.0.1' });
  await project.write(
    'package.json',
    (await readFile(join(project.root, 'package.json'), 'utf8')).replaceAll('1.0.0', '1.0.1'),
  );
  assert.match((await project.run()).stderr, /leaf is not the version in package-lock.json/);
  assert.deepEqual(await project.run(), quiet);
});

test('installs although the environment says production', async () => {
  await using project = await createProject();
  const { code, stderr } = await project.run({ NODE_ENV: 'production', npm_config_omit: 'dev' });
  assert.equal(code, 0, stderr);
  assert.deepEqual(await project.run(), quiet);
});

test('says what npm ci says when package.json was edited by hand', async () => {
  await using project = await createProject();
  await project.write('package.json', { name: 'house', dependencies: { leaf: '^9.0.0' } });
  const { code, stderr } = await project.run();
  assert.equal(code, 1);
  assert.match(stderr, /package.json and package-lock.json disagree about leaf;/);
  assert.match(stderr, /npm ci did not succeed: it ended with 1\n$/);
  assert.doesNotMatch(stderr, /ensure-deps.mjs:\d+/, 'no stack trace');
  assert.ok(!existsSync(join(project.root, '.install.lock')));
});

test('takes over the lock of a process that is gone', async () => {
  await using project = await createProject();
  const gone = spawn(process.execPath, ['--version']);
  await once(gone, 'close');
  await mkdir(join(project.root, '.install.lock'));
  await project.write('.install.lock/pids', `${gone.pid} ${gone.pid}`);

  const { code, stderr } = await project.run();
  assert.equal(code, 0, stderr);
  assert.ok(!existsSync(join(project.root, '.install.lock')));
});

test('waits for npm when the process that started it is gone', async () => {
  await using project = await createProject();
  const gone = spawn(process.execPath, ['--version']);
  await once(gone, 'close');
  const npm = spawn(process.execPath, ['--eval', 'setInterval(() => {}, 1000)']);
  await mkdir(join(project.root, '.install.lock'));
  await project.write('.install.lock/pids', `${gone.pid} ${npm.pid}`);

  const waiting = project.start();
  const result = finish(waiting);
  const [line] = (await once(waiting.stderr, 'data')) as [Buffer];
  assert.match(line.toString(), /waiting for another process/);
  npm.kill();
  const { code, stderr } = await result;
  assert.equal(code, 0, stderr);
  assert.match(stderr, /running npm ci/);
});

test('installs once when two start at the same time', async () => {
  await using project = await createProject();
  const results = await Promise.all([project.run(), project.run()]);
  assert.deepEqual(
    results.map(({ code }) => code),
    [0, 0],
  );
  const installs = results.filter(({ stderr }) => stderr.includes('running npm ci'));
  assert.equal(installs.length, 1);
});

test('refuses a Node that is too old', async () => {
  await using project = await createProject();
  await project.run();
  await mkdir(join(project.root, 'node_modules/.bin'));
  await project.write('node_modules/.bin/node', '#!/bin/sh\necho v24.14.1\n');
  await chmod(join(project.root, 'node_modules/.bin/node'), 0o755);
  const { code, stderr } = await project.run();
  assert.equal(code, 1);
  assert.equal(stderr, 'ensure-deps: GitAgent needs Node 24.15, 26 or later and this is 24.14.1\n');
});

test('our own lock file names the binaries of every platform', async () => {
  const file = await readFile(join(import.meta.dirname, '../package-lock.json'), 'utf8');
  const { packages } = JSON.parse(file) as {
    packages: Record<string, { optionalDependencies?: Record<string, string> }>;
  };
  // npm leaves out those that a registry lacks, and then `npm ci` refuses the lock file.
  const missing = Object.values(packages)
    .flatMap(({ optionalDependencies }) => Object.keys(optionalDependencies ?? {}))
    .filter((name) => !packages[`node_modules/${name}`]);
  assert.deepEqual(missing, []);
});
