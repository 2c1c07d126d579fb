import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { test } from 'node:test';
import { createFixture, git, initRepository, writeCommit } from '../support/git-fixture.ts';

/** Starts an example as its first line says, and gives the address that it prints. */
async function startExample(name: string, folder: string) {
  const program = spawn(process.execPath, [`examples/${name}.ts`, folder, '0'], {
    env: { ...process.env, GIT_USER: 'ada', GIT_PASSWORD: 'engine' },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const [line] = (await once(createInterface(program.stdout), 'line')) as [string];
  return {
    url: line,
    async [Symbol.asyncDispose]() {
      program.kill();
      await once(program, 'exit');
    },
  };
}

for (const name of ['node-http', 'express', 'fastify', 'hono']) {
  test(`examples/${name}.ts serves clones and pushes, large ones too`, async () => {
    await using fixture = await createFixture();
    const folder = fixture.path('repositories');
    await mkdir(folder);
    const site = await initRepository(join(folder, 'site.git'), { bare: true });
    await writeCommit(site, { files: { a: 'one\n' } });
    await using example = await startExample(name, folder);

    const clone = fixture.path('clone');
    await git(fixture.dir, 'clone', '-q', `${example.url}/site.git`, clone);
    assert.equal(await readFile(join(clone, 'a'), 'utf8'), 'one\n');
    // More than http.postBuffer: sent in chunks, after an empty probe.
    await writeFile(join(clone, 'large'), randomBytes(3_000_000));
    await git(clone, 'add', '.');
    await git(clone, 'commit', '-qm', 'large');
    await assert.rejects(
      git(clone, 'push', '-q', 'origin', 'main'),
      /could not read Username|prompts/,
    );
    const url = example.url.replace('//', '//ada:engine@');
    await git(clone, 'push', '-q', `${url}/site.git`, 'main');
    assert.equal(await git(site, 'rev-parse', 'main'), await git(clone, 'rev-parse', 'main'));
    await assert.rejects(git(fixture.dir, 'ls-remote', `${example.url}/other.git`), /not found/);

    const root = new URL('/', example.url);
    const rest = await fetch(root);
    assert.match(await rest.text(), name === 'node-http' ? /nothing of mine/ : /rest of the app/);
  });
}
