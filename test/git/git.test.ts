import assert from 'node:assert/strict';
import { readFile, rename, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import type { GitCommandFacts } from '../../src/git/git-command-error.ts';
import { openRepository } from '../../src/git/repository.ts';
import { createLifeline, putGitFirst, writeScript } from '../support/fake-git.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, exists, git, initRepository, writeCommit } from '../support/git-fixture.ts';

/** The error a promise must end with. */
async function failureOf(promise: Promise<unknown>): Promise<GitCommandFacts> {
  const error: unknown = await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
  assert.ok(error instanceof GitCommandError, `expected a GitCommandError, got ${String(error)}`);
  return error;
}

const READ = { intent: 'read', signal: untilDone } as const;

test('a read gives the bytes that git printed and its exit code', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('bare.git'), { bare: true });
  const repository = await openRepository(dir);
  const bytes = Buffer.from([0, 1, 2, 0xff, 0x0a, 0x0d]);
  const args = ['hash-object', '-w', '--stdin'];
  const { stdout } = await door.run(repository, args, { ...READ, stdin: bytes });
  const blob = stdout.toString().trim();
  assert.deepEqual(await door.run(repository, ['cat-file', 'blob', blob], READ), {
    stdout: bytes,
    exitCode: 0,
    isTruncated: false,
  });
  const missing = ['cat-file', '-e', '1'.repeat(40)];
  assert.equal((await door.run(repository, missing, { ...READ, exitCodes: [0, 1] })).exitCode, 1);
});

test('a failure is told by its exit code, with what git wrote to stderr', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const failure = await failureOf(door.run(repository, ['rev-parse', '--verify', 'nope'], READ));
  assert.equal(failure.exitCode, 128);
  assert.equal(failure.signal, null);
  assert.match(failure.stderr, /Needed a single revision/);
  assert.deepEqual(failure.args, ['rev-parse', '--verify', 'nope']);
  assert.ok(!failure.timedOut && !failure.isCanceled && !failure.isTruncated);
});

test('of a long stderr the end is kept', async () => {
  await using fixture = await createFixture();
  const PATH = await putGitFirst(
    fixture.path('bin'),
    'head -c 1000000 /dev/zero | tr "\\0" x >&2',
    'echo the end >&2',
    'exit 7',
  );
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const failure = await failureOf(door.run(repository, ['x'], READ));
  assert.equal(failure.exitCode, 7);
  assert.equal(failure.stderr.length, 64 * 1024);
  assert.match(failure.stderr, /the end\n$/);
});

test('output beyond the bound is a failure at once, however much would follow', async () => {
  await using fixture = await createFixture();
  const PATH = await putGitFirst(fixture.path('bin'), 'exec yes');
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const failure = await failureOf(door.run(repository, ['x'], { ...READ, maxBytes: 100_000 }));
  assert.equal(failure.isTruncated, true);
  assert.equal(failure.signal, 'SIGKILL');
});

test('output of exactly the bound is no failure', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const args = ['hash-object', '--stdin'];
  const stdin = Buffer.from('x');
  const run = async (maxBytes: number) =>
    await door.run(repository, args, { ...READ, stdin, maxBytes });
  assert.equal((await run(41)).stdout.length, 41);
  assert.equal((await failureOf(run(40))).isTruncated, true);
});

test('a child that does not read its input is no crash', async () => {
  await using fixture = await createFixture();
  const PATH = await putGitFirst(fixture.path('bin'), 'exec 0<&-; exit 3');
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const stdin = Buffer.alloc(4_000_000);
  assert.equal((await failureOf(door.run(repository, ['x'], { ...READ, stdin }))).exitCode, 3);
});

test('an aborted read ends the whole process group', async () => {
  await using fixture = await createFixture();
  const lifeline = await createLifeline(fixture.path('pipe'));
  const PATH = await putGitFirst(
    fixture.path('bin'),
    lifeline.hold,
    "trap '' TERM INT",
    'sleep 1000 &',
    'wait',
  );
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const abort = new AbortController();
  const running = failureOf(door.run(repository, ['x'], { ...READ, signal: abort.signal }));
  await lifeline.held;
  abort.abort();
  assert.equal((await running).isCanceled, true);
  await lifeline.released;
});

test('a signal that was aborted before starts no child', async () => {
  await using fixture = await createFixture();
  const marker = fixture.path('started');
  const PATH = await putGitFirst(fixture.path('bin'), `touch '${marker}'`);
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const signal = AbortSignal.abort();
  assert.equal(
    (await failureOf(door.run(repository, ['x'], { ...READ, signal }))).isCanceled,
    true,
  );
  const operating = door.operate(
    repository,
    { signal, onOutput: () => undefined },
    async (simple) => {
      await simple.raw(['status']);
    },
  );
  assert.equal((await failureOf(operating)).isCanceled, true);
  assert.equal(await exists(marker), false);
});

test('no more children run at once than allowed, as many as allowed do, and failures free their place', async () => {
  await using fixture = await createFixture();
  const log = fixture.path('log');
  await writeFile(log, '');
  const PATH = await putGitFirst(
    fixture.path('bin'),
    `echo + >> '${log}'`,
    // The first four wait for each other: that many must run at once, or none ever ends.
    `until [ $(wc -l < '${log}') -ge 4 ]; do :; done`,
    `echo - >> '${log}'`,
    'exit $1',
  );
  const { git: door } = await openDoor(fixture, { host: { PATH }, maxChildren: 4 });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const runs = Array.from(
    { length: 20 },
    async (_, index) => await door.run(repository, [String(index % 2)], READ),
  );
  const outcomes = await Promise.allSettled(runs);
  assert.equal(outcomes.filter((each) => each.status === 'fulfilled').length, 10);
  let running = 0;
  let most = 0;
  for (const line of (await readFile(log, 'utf8')).split('\n')) {
    running += line === '+' ? 1 : line === '-' ? -1 : 0;
    most = Math.max(most, running);
  }
  assert.equal(most, 4);
});

test('a folder that has gone, and a git that is not there, are failures of the command', async () => {
  await using fixture = await createFixture();
  const dir = await initRepository(fixture.path('copy'));
  const repository = await openRepository(dir);
  const { git: none } = await openDoor(fixture, { host: { PATH: fixture.path('nothing') } });
  const options = { signal: untilDone, onOutput: () => undefined };
  const operate = async (door: typeof none) =>
    await door.operate(repository, options, async (simple) => await simple.raw(['status']));
  assert.match(
    (await failureOf(none.run(repository, ['status'], READ))).stderr,
    /cannot be started/,
  );
  assert.match((await failureOf(operate(none))).stderr, /ENOENT/);
  const { git: door } = await openDoor(fixture);
  await rename(dir, fixture.path('moved'));
  assert.match(
    (await failureOf(door.run(repository, ['status'], READ))).stderr,
    /cannot be started/,
  );
  await failureOf(operate(door));
});

test('an operation fails with the facts of git, and a mistake of ours stays what it is', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const options = { signal: untilDone, onOutput: () => undefined };
  const failure = await failureOf(
    door.operate(repository, options, async (simple) => {
      await simple.raw(['merge', '--ff-only', '1'.repeat(40)]);
    }),
  );
  assert.equal(failure.exitCode, 1);
  assert.match(failure.stderr, /not something we can merge/);
  assert.deepEqual(failure.args, ['merge', '--ff-only', '1'.repeat(40)]);
  const bug = new TypeError('ours');
  await assert.rejects(
    door.operate(repository, options, () => Promise.reject(bug)),
    bug,
  );
});

test('an operation tells what git prints as it prints it, on both streams', async () => {
  await using fixture = await createFixture();
  const PATH = await putGitFirst(fixture.path('bin'), 'echo out', 'echo err >&2');
  const { git: door } = await openDoor(fixture, { host: { PATH } });
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const printed: string[] = [];
  const onOutput = (bytes: Buffer): void => {
    printed.push(bytes.toString());
  };
  await door.operate(repository, { signal: untilDone, onOutput }, async (simple) => {
    await simple.raw(['x']);
  });
  assert.deepEqual(printed.toSorted(), ['err\n', 'out\n']);
});

test('an operation ends when git does, although a hook left a service that holds its output open', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('copy'));
  await writeCommit(dir, { files: { a: '1' } });
  await git(dir, 'reset', '--quiet', '--hard');
  await writeCommit(dir, { branch: 'side' });
  const lifeline = await createLifeline(fixture.path('pipe'));
  const pid = fixture.path('pid');
  await writeScript(
    join(dir, '.git/hooks/post-checkout'),
    lifeline.hold,
    'sleep 1000 &',
    `echo $! > '${pid}'`,
  );
  const repository = await openRepository(dir);
  await door.operate(
    repository,
    { signal: untilDone, onOutput: () => undefined },
    async (simple) => {
      await simple.checkout(['side', '--']);
    },
  );
  // It lives, as it would had somebody typed the command.
  process.kill(Number(await readFile(pid, 'utf8')), 'SIGKILL');
  await lifeline.released;
});

test('a hook that reads its input finds none, and git commands in it may abbreviate as ever', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('copy'));
  await writeCommit(dir, { files: { a: '1' } });
  await writeCommit(dir, { branch: 'side' });
  await git(dir, 'reset', '--quiet', '--hard');
  const marker = fixture.path('marker');
  const hook = ['set -e', 'cat', 'git status --porc', `touch '${marker}'`];
  await writeScript(join(dir, '.git/hooks/post-checkout'), ...hook);
  const repository = await openRepository(dir);
  await door.operate(
    repository,
    { signal: untilDone, onOutput: () => undefined },
    async (simple) => {
      await simple.checkout(['side', '--']);
    },
  );
  assert.ok(await exists(marker));
});

test('an index file of its own is used for rehearsals', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('copy'));
  await writeFile(join(dir, 'a'), '1');
  const repository = await openRepository(dir);
  const indexFile = fixture.path('index');
  await door.run(repository, ['add', 'a'], { intent: 'status', signal: untilDone, indexFile });
  assert.equal(await exists(join(dir, '.git/index')), false);
  assert.equal(await exists(indexFile), true);
  await rm(indexFile);
});
