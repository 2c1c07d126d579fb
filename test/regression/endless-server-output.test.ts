/**
 * The attack: a server answers a fetch with messages that never end. simple-git keeps all that a
 * command prints until it ends, so the agent grows until it is killed, and every other job with it.
 *
 * What git prints is passed on and forgotten; of stderr the last 64 KiB are kept for the error.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { putGitFirst } from '../support/fake-git.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, initRepository } from '../support/git-fixture.ts';

test('400 MB that git prints are seen and not kept', async () => {
  await using fixture = await createFixture();
  const PATH = await putGitFirst(
    fixture.path('bin'),
    'head -c 200000000 /dev/zero',
    'head -c 200000000 /dev/zero >&2',
    'echo the end >&2',
    'exit 3',
  );
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  let seen = 0;
  let most = 0;
  const onOutput = (bytes: Buffer): void => {
    seen += bytes.length;
    most = Math.max(most, process.memoryUsage.rss());
  };
  const before = process.memoryUsage.rss();
  const workingCopy = openWorkingCopy(door, repository, { signal: untilDone, onOutput });
  await assert.rejects(workingCopy.fetch('origin'), (error) => {
    assert.ok(error instanceof GitCommandError);
    assert.equal(error.exitCode, 3);
    assert.match(error.stderr, /the end\n$/);
    assert.ok(error.stderr.length <= 64 * 1024);
    return true;
  });
  assert.equal(seen, 400_000_008);
  assert.ok(most - before < 150_000_000, `grew by ${most - before} bytes`);
});
