/**
 * The attack: the agent was started with a PATH that has `.` or an empty part, as old shell profiles
 * do. git is started in the working copy, so somebody pushes a file called `git` (or `ssh`, or
 * `git-remote-https`), and the next status runs it.
 */
import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { readHead } from '../../src/git/head.ts';
import { openRepository } from '../../src/git/repository.ts';
import { writeScript } from '../support/fake-git.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, exists, GIT_ENVIRONMENT, initRepository } from '../support/git-fixture.ts';

for (const before of ['', '.', './', 'bin', '..:']) {
  test(`a git in the working copy is not run for a PATH that begins with ${JSON.stringify(before)}`, async () => {
    await using fixture = await createFixture();
    const dir = await initRepository(fixture.path('copy'));
    const marker = fixture.path('marker');
    for (const name of ['git', 'bin/git']) await writeScript(join(dir, name), `touch '${marker}'`);
    const PATH = `${before}:${GIT_ENVIRONMENT['PATH'] ?? ''}`;
    const { git: door } = await openDoor(fixture, { host: { PATH } });
    const repository = await openRepository(dir);
    assert.deepEqual(await readHead(door, repository, untilDone), { branch: 'main', oid: null });
    await door.operate(
      repository,
      { signal: untilDone, onOutput: () => undefined },
      async (simple) => {
        await simple.raw(['status']);
      },
    );
    assert.equal(await exists(marker), false);
  });
}
