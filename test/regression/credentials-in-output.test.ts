/**
 * The attack: a remote's URL has a user and a token in it, and git repeats the URL when it fails (and
 * some servers repeat it in what they say). Whoever may read a job's output or its error has the token.
 *
 * Errors carry no credentials; the output is passed on as it comes, and its reader redacts line by line.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { createLineSplitter } from '../../src/git/progress.ts';
import { redactUrls } from '../../src/git/redact.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { putGitFirst } from '../support/fake-git.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, git, initRepository } from '../support/git-fixture.ts';

const SECRET = 's3cr3t';

for (const [title, url] of [
  ['http', `http://user:${SECRET}@127.0.0.1:1/x.git`],
  ['http with an @ in the password', `http://user:a@${SECRET}@127.0.0.1:1/x.git`],
  ['http with a slash in the password', `http://user:a/${SECRET}@127.0.0.1:1/x.git`],
  ['a token alone', `http://${SECRET}@127.0.0.1:1/x.git`],
  ['ssh', `ssh://user:${SECRET}@127.0.0.1:1/x.git`],
  ['a scheme that is not allowed', `ftps-nope://user:${SECRET}@127.0.0.1/x.git`],
] as const) {
  test(`neither the error nor the redacted output of a fetch has the secret of ${title}`, async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture, { host: { GIT_SSH_COMMAND: 'echo' } });
    const dir = await initRepository(fixture.path('copy'));
    await git(dir, 'config', 'remote.origin.url', url);
    await git(dir, 'config', 'remote.origin.fetch', '+refs/heads/*:refs/remotes/origin/*');
    const shown: string[] = [];
    const splitter = createLineSplitter((line) => shown.push(redactUrls(line.toString())));
    const options = { signal: untilDone, onOutput: splitter.write };
    const workingCopy = openWorkingCopy(door, await openRepository(dir), options);
    await assert.rejects(workingCopy.fetch('origin'), (error) => {
      assert.ok(error instanceof GitCommandError);
      const all = [
        error.message,
        error.stderr,
        String(error.stack),
        JSON.stringify(error),
        error.args.join(' '),
      ];
      assert.ok(!all.join('\n').includes(SECRET), all.join('\n'));
      return true;
    });
    splitter.flush();
    assert.ok(!shown.join('').includes(SECRET), shown.join(''));
  });
}

test('a secret that arrives in two pieces is redacted in its line', async () => {
  await using fixture = await createFixture();
  const PATH = await putGitFirst(
    fixture.path('bin'),
    `printf "fatal: unable to access 'https://user:s3c" >&2`,
    `printf "r3t@host/x.git'\\n" >&2`,
    'exit 128',
  );
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const read = { intent: 'read', signal: untilDone } as const;
  await assert.rejects(
    door.run(repository, ['x'], read),
    (error) => !String(error).includes(SECRET),
  );
  const shown: string[] = [];
  const splitter = createLineSplitter((line) => shown.push(redactUrls(line.toString())));
  const options = { signal: untilDone, onOutput: splitter.write };
  await assert.rejects(
    openWorkingCopy(door, repository, options).fetch('origin'),
    (error) => !String(error).includes(SECRET),
  );
  assert.equal(shown.join(''), "fatal: unable to access 'https://***@host/x.git'\n");
});
