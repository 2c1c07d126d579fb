import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shell, startAgent } from './agent.ts';
import { gate } from './support.ts';
import { writeFile } from 'node:fs/promises';

test('a clock that jumps, back or forward, changes neither the order of jobs nor how long anything may take', async (t) => {
  await using agent = await startAgent({
    repos: {
      repo: {
        commands: {
          quick: 'true',
          wait: shell(gate('go'), { timeoutSeconds: 60 }),
          hang: shell('sleep 60', { timeoutSeconds: 0.2 }),
        },
      },
    },
  });
  const now = Date.now();
  const first = await agent.ended(agent.submit({ command: 'quick' }).id);
  const waiting = agent.submit({ command: 'wait' });
  // A day forward while a command runs that may take a minute: it goes on.
  const clock = t.mock.method(Date, 'now', () => now + 86_400_000);
  await writeFile(agent.fixture.path('go'), '');
  const second = await agent.ended(waiting.id);
  assert.equal(second.state, 'SUCCEEDED');
  // And two days back: what takes too long is ended all the same.
  clock.mock.mockImplementation(() => now - 86_400_000);
  const third = await agent.ended(agent.submit({ command: 'hang' }).id);
  assert.equal(third.error?.code, 'COMMAND_FAILED');
  assert.deepEqual(
    agent.jobs.list({ limit: 10 }).map(({ id }) => id),
    [third.id, second.id, first.id],
  );
});
