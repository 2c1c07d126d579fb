import assert from 'node:assert/strict';
import { createServer, type Server } from 'node:http';
import { test } from 'node:test';
import { fetchPatiently } from '../../src/git/fetch-retry.ts';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { within } from '../support/deadline.ts';
import { openDoor } from '../support/git-door.ts';
import { createFixture, git, initRepository } from '../support/git-fixture.ts';

interface Trial extends AsyncDisposable {
  readonly said: string[];
  /** How many requests the server has answered. */
  requests(): number;
  /** A fetch from a server that answers with these statuses, the last of them for ever. */
  run(
    patience: { retries: number; firstDelayMs: number },
    signal?: AbortSignal,
    onSaid?: () => void,
  ): Promise<unknown>;
}

async function createTrial(...statuses: number[]): Promise<Trial> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await createFixture());
  let count = 0;
  const server: Server = createServer((_request, response) => {
    const status = statuses[Math.min(count, statuses.length - 1)] ?? 500;
    count += 1;
    response.writeHead(status, { Connection: 'close' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  stack.defer(async () => {
    await new Promise((resolve) => server.close(resolve));
  });
  const address = server.address();
  assert.ok(address !== null && typeof address === 'object');
  const dir = await initRepository(fixture.path('copy'));
  await git(dir, 'remote', 'add', 'origin', `http://127.0.0.1:${address.port}/x`);
  const { git: door } = await openDoor(fixture);
  const repository = await openRepository(dir);
  const said: string[] = [];
  const kept = stack.move();
  return {
    said,
    requests: () => count,
    async run(patience, signal = new AbortController().signal, onSaid) {
      const copy = openWorkingCopy(door, repository, { signal, onOutput: () => undefined });
      const fetch = async (): Promise<void> => {
        await copy.fetch('origin');
      };
      const say = (line: string): void => {
        said.push(line);
        onSaid?.();
      };
      return await within(fetchPatiently(fetch, patience, signal, say), 'the fetch ends').then(
        () => null,
        (reason: unknown) => reason,
      );
    },
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
    },
  };
}

test('a fetch that the network fails is tried again, and says so, until the tries are used up', async () => {
  await using trial = await createTrial(503);
  const error = await trial.run({ retries: 2, firstDelayMs: 10 });
  assert.ok(error instanceof GitCommandError);
  assert.match(error.stderr, /503/);
  assert.equal(trial.requests(), 3);
  assert.equal(trial.said.length, 2);
  assert.match(
    trial.said[0] ?? '',
    /^fetch failed: unable to access '.*': The requested URL returned error: 503; trying again in 0\.0 s \(1 of 2\)$/,
  );
  assert.match(trial.said[1] ?? '', /\(2 of 2\)$/);
});

test('what is refused after a failure of the network is not tried once more', async () => {
  await using trial = await createTrial(503, 404);
  const error = await trial.run({ retries: 5, firstDelayMs: 10 });
  assert.ok(error instanceof GitCommandError);
  assert.match(error.stderr, /not found/);
  assert.equal(trial.requests(), 2);
});

test('a refusal is not tried again', async () => {
  await using trial = await createTrial(403);
  assert.ok((await trial.run({ retries: 5, firstDelayMs: 10 })) instanceof GitCommandError);
  assert.deepEqual([trial.requests(), trial.said], [1, []]);
});

test('no retries means none', async () => {
  await using trial = await createTrial(503);
  assert.ok((await trial.run({ retries: 0, firstDelayMs: 10 })) instanceof GitCommandError);
  assert.deepEqual([trial.requests(), trial.said], [1, []]);
});

test('the wait ends at once when the job is cancelled', async () => {
  await using trial = await createTrial(503);
  const controller = new AbortController();
  const reason = new Error('cancelled');
  const patience = { retries: 5, firstDelayMs: 3_600_000 };
  const error = await trial.run(patience, controller.signal, () => {
    setImmediate(() => controller.abort(reason));
  });
  assert.equal(error, reason);
  assert.equal(trial.requests(), 1);
});
