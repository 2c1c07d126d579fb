/** What the network does to a fetch, done by real servers to the real git. */
import assert from 'node:assert/strict';
import { createServer as createHttpServer } from 'node:http';
import { createServer, type Server, type Socket } from 'node:net';
import { after, test } from 'node:test';
import { fetchFailureReason, isTransientFetchFailure } from '../../src/git/fetch-failure.ts';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, git, initRepository } from '../support/git-fixture.ts';

const fixture = await createFixture();
after(async () => {
  await fixture[Symbol.asyncDispose]();
});
const dir = await initRepository(fixture.path('copy'));
await git(dir, 'remote', 'add', 'origin', 'none');
const { git: door } = await openDoor(fixture);
const repository = await openRepository(dir);

async function fetchFrom(url: string): Promise<GitCommandError> {
  await git(dir, 'remote', 'set-url', 'origin', url);
  const onOutput = (): void => undefined;
  const options = { signal: untilDone, onOutput, sshCommand: 'ssh -F /dev/null -o BatchMode=yes' };
  const error = await openWorkingCopy(door, repository, options)
    .fetch('origin')
    .then(
      () => null,
      (reason: unknown) => reason,
    );
  assert.ok(error instanceof GitCommandError, `expected a GitCommandError, got ${String(error)}`);
  return error;
}

/** Serves on any free port while `use` runs. */
async function serving<T>(server: Server, use: (port: number) => Promise<T>): Promise<T> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => sockets.add(socket));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  try {
    return await use(address.port);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  }
}

async function closedPort(): Promise<number> {
  return await serving(createServer(), async (port) => await Promise.resolve(port));
}

/** Ends each connection in its own way once the client has said something. */
function hangingUp(how: (socket: Socket) => void): Server {
  return createServer((socket) => {
    socket
      .on('error', () => undefined)
      .once('data', () => {
        how(socket);
      });
  });
}

function answering(status: number): Server {
  return createHttpServer((_request, response) => {
    response.writeHead(status, status === 401 ? { 'WWW-Authenticate': 'Basic' } : {}).end();
  });
}

async function assertTransient(url: string, reason: RegExp): Promise<void> {
  const error = await fetchFrom(url);
  assert.ok(isTransientFetchFailure(error), error.stderr);
  assert.match(fetchFailureReason(error), reason);
  assert.doesNotMatch(fetchFailureReason(error), /^fatal/);
}

async function assertFinal(url: string, said: RegExp): Promise<void> {
  const error = await fetchFrom(url);
  assert.match(error.stderr, said);
  assert.ok(!isTransientFetchFailure(error), error.stderr);
}

for (const scheme of ['http', 'https', 'git', 'ssh']) {
  test(`a closed port is worth another try over ${scheme}`, async () => {
    const url = `${scheme}://127.0.0.1:${await closedPort()}/x`;
    await assertTransient(url, /Failed to connect|Couldn't connect|Connection refused/);
  });
  test(`a connection that is reset is worth another try over ${scheme}`, async () => {
    await serving(
      hangingUp((socket) => socket.resetAndDestroy()),
      async (port) => await assertTransient(`${scheme}://127.0.0.1:${port}/x`, /reset|exchange/i),
    );
  });
}

for (const scheme of ['http', 'https', 'ssh']) {
  test(`a connection that is closed is worth another try over ${scheme}`, async () => {
    await serving(
      hangingUp((socket) => socket.end()),
      async (port) =>
        await assertTransient(`${scheme}://127.0.0.1:${port}/x`, /Empty reply|TLS|SSL|closed/),
    );
  });
}

test('a host that does not resolve is worth another try', async () => {
  await assertTransient('http://no-such-host.invalid/x', /Could not resolve host/);
  await assertTransient('git://no-such-host.invalid/x', /unable to look up/);
  await assertTransient('ssh://no-such-host.invalid/x', /Could not resolve hostname/);
});

for (const status of [429, 500, 502, 503, 504]) {
  test(`the status ${status} is worth another try`, async () => {
    await serving(
      answering(status),
      async (port) =>
        await assertTransient(`http://127.0.0.1:${port}/x`, new RegExp(`error: ${status}`)),
    );
  });
}

test('an answer that breaks off is worth another try', async () => {
  const server = createHttpServer((_request, response) => {
    const type = 'application/x-git-upload-pack-advertisement';
    response.writeHead(200, { 'Content-Type': type, 'Content-Length': 1000 });
    response.write('001e# service=git-upload-pack\n', () => response.destroy());
  });
  await serving(server, async (port) => {
    await assertTransient(`http://127.0.0.1:${port}/x`, /transfer closed/);
  });
});

for (const [status, said] of [
  [401, /could not read Username/],
  [403, /error: 403/],
  [404, /not found/],
  [418, /error: 418/],
] as const) {
  test(`the status ${status} is a refusal`, async () => {
    await serving(answering(status), async (port) => {
      await assertFinal(`http://127.0.0.1:${port}/x`, said);
    });
  });
}

test('a repository that is not there, and a protocol that is not allowed, are refusals', async () => {
  await assertFinal(fixture.path('nowhere'), /does not appear to be a git repository/);
  await assertFinal('ext::sh -c true', /not allowed/);
});

function failure(stderr: string, facts: Partial<GitCommandError> = {}): GitCommandError {
  const none = { signal: null, timedOut: false, isCanceled: false, isTruncated: false };
  return new GitCommandError({ args: ['fetch'], exitCode: 128, ...none, ...facts, stderr });
}

test('what a server says of itself does not count', () => {
  const said = 'remote: fatal: early EOF\nfatal: remote error: access denied\n';
  assert.ok(!isTransientFetchFailure(failure(said)));
});

test('a connection that breaks while git is still asking is worth another try', () => {
  for (const said of ['packet write failed', 'unable to write flush packet', 'write error']) {
    assert.ok(isTransientFetchFailure(failure(`fatal: ${said}: Connection reset by peer\n`)), said);
  }
  assert.ok(!isTransientFetchFailure(failure('fatal: write error: No space left on device\n')));
});

test('ssh that is let in nowhere, or does not know the host, is a refusal whatever stands beside it', () => {
  const hung = 'fatal: the remote end hung up unexpectedly\n';
  assert.ok(isTransientFetchFailure(failure(hung)));
  assert.ok(!isTransientFetchFailure(failure(`git@host: Permission denied (publickey).\n${hung}`)));
  assert.ok(!isTransientFetchFailure(failure(`Host key verification failed.\n${hung}`)));
});

test('a fetch that was cancelled or killed is not tried again', () => {
  const stderr = 'fatal: early EOF\n';
  assert.ok(!isTransientFetchFailure(failure(stderr, { isCanceled: true })));
  assert.ok(!isTransientFetchFailure(failure(stderr, { exitCode: null, signal: 'SIGKILL' })));
  assert.ok(!isTransientFetchFailure(new Error(stderr)));
});
