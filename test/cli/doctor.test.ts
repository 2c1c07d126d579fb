/** `gitagent doctor` and `gitagent config check`: what they find, and what they say to do. */
import assert from 'node:assert/strict';
import { chmod, readdir, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { runCommand, type Run } from '../support/command-line.ts';
import { createFixture, initRepository, type Fixture } from '../support/git-fixture.ts';
import { createScene } from '../agent/scene.ts';

async function prepare(fixture: Fixture, more: object = {}): Promise<string> {
  await initRepository(fixture.path('site'));
  const config = { port: 0, state_dir: 'state', repo: { site: { repo_path: 'site' } }, ...more };
  await writeFile(fixture.path('config.json'), JSON.stringify(config));
  return fixture.dir;
}

async function doctor(dir: string, env: Record<string, string> = {}): Promise<Run> {
  return await runCommand(dir, ['doctor'], env);
}

describe('gitagent doctor', () => {
  test('finds nothing wrong where nothing is, and leaves nothing behind', async () => {
    await using fixture = await createFixture();
    const dir = await prepare(fixture);
    const { code, stdout, stderr } = await doctor(dir);
    assert.deepEqual([code, stderr], [0, '']);
    const verdicts = stdout
      .trimEnd()
      .split('\n')
      .map((line) => line.split(' ', 1)[0]);
    assert.deepEqual(new Set(verdicts), new Set(['ok']));
    assert.deepEqual((await readdir(dir)).toSorted(), ['config.json', 'site']);
    const asJson = await runCommand(dir, ['doctor', '-o', 'json']);
    const findings = JSON.parse(asJson.stdout) as { what: string }[];
    assert.deepEqual(
      findings.map(({ what }) => what.replace(/^git .*/, 'git').split(':')[0]),
      [join(dir, 'config.json'), 'git', 'site', 'state_dir', 'port'],
    );
  });

  test('says which mistakes the configuration has', async () => {
    await using fixture = await createFixture();
    const dir = await prepare(fixture, { prot: 1 });
    const { code, stdout } = await doctor(dir);
    assert.equal(code, 1);
    assert.match(stdout, /^bad {2}config\.json:1:\d+: unknown key "prot"; did you mean "port"\?$/m);
  });

  test('says when git is not there, or too old', async () => {
    await using fixture = await createFixture();
    const dir = await prepare(fixture);
    const without = await doctor(dir, { PATH: fixture.path('nowhere') });
    assert.equal(without.code, 1);
    assert.match(without.stdout, /^bad +git cannot be started; install it/m);
    await writeFile(fixture.path('git'), '#!/bin/sh\necho git version 2.20.1\n');
    await chmod(fixture.path('git'), 0o755);
    const old = await doctor(dir, { PATH: `${dir}:/bin:/usr/bin` });
    assert.equal(old.code, 1);
    assert.match(old.stdout, /^bad +git version 2\.20\.1 is too old; install 2\.38 or newer/m);
  });

  test('says when a repository is damaged', async () => {
    await using fixture = await createFixture();
    const dir = await prepare(fixture);
    await writeFile(fixture.path('site/.git/config'), '[core\n');
    const { code, stdout } = await doctor(dir);
    assert.equal(code, 1);
    assert.match(stdout, /^bad +site: git refuses it: .*; see what "git status" says there/m);
  });

  test('says when the state folder cannot be made', async () => {
    await using fixture = await createFixture();
    const dir = await prepare(fixture, { state_dir: 'file/state' });
    await writeFile(fixture.path('file'), '');
    const { code, stdout } = await doctor(dir);
    assert.equal(code, 1);
    assert.match(stdout, /^bad +state_dir: .*file is no folder .*GITAGENT_STATE_DIR/m);
  });

  test('tells an agent that has the port from something else', async () => {
    await using scene = await createScene();
    await using fixture = await createFixture();
    const { port } = new URL(scene.url);
    const dir = await prepare(fixture, { port: Number(port) });
    const { code, stdout } = await doctor(dir);
    assert.equal(code, 0, stdout);
    assert.match(stdout, /^odd +port: an agent listens on 127\.0\.0\.1:\d+ already$/m);
  });
});

describe('gitagent config check', () => {
  test('says that a file is right, or every mistake in it', async () => {
    await using fixture = await createFixture();
    const dir = await prepare(fixture);
    const right = await runCommand(dir, ['config', 'check']);
    assert.deepEqual([right.code, right.stderr], [0, '']);
    assert.equal(right.stdout, `${join(dir, 'config.json')}: right, with 1 repository\n`);
    await rm(fixture.path('site'), { recursive: true });
    const wrong = await runCommand(dir, ['config', 'check', '-c', 'config.json']);
    assert.deepEqual([wrong.code, wrong.stdout], [1, '']);
    assert.match(
      wrong.stderr,
      /^gitagent: config\.json:1:\d+: repo\.site\.repo_path: there is no folder/,
    );
  });
});
