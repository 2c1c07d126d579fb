import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { JobRequest } from '../../src/jobs/job.ts';
import { createFixture } from '../support/git-fixture.ts';
import { startAgent } from './agent.ts';

function keyed(key: string, asked: object = { command: 'hello' }): Partial<JobRequest> {
  return { kind: 'RUN', command: 'hello', idempotency: { key, asked } };
}

const repos = {
  site: { commands: { hello: 'echo hello', gate: 'cat >/dev/null; exec sleep 60' } },
};

test('a request that is repeated with its key gets the job of the first, while it runs and after', async () => {
  await using agent = await startAgent({ repos });
  const first = agent.submit(keyed('k'));
  assert.equal(agent.submit(keyed('k')).id, first.id);
  const done = await agent.ended(first.id);
  assert.equal(done.state, 'SUCCEEDED');
  const again = agent.submit(keyed('k'));
  assert.deepEqual(
    [again.id, again.state, again.finishedAt],
    [done.id, done.state, done.finishedAt],
  );
  assert.equal(agent.jobs.list({ limit: 10 }).length, 1);
  assert.notEqual(agent.submit(keyed('other'), 'WAIT').id, first.id);
});

test('the same key with something else asked for is refused, and starts nothing', async () => {
  await using agent = await startAgent({ repos });
  const { id } = agent.submit(keyed('k'));
  for (const other of [keyed('k', { command: 'gate' }), { ...keyed('k'), trigger: 'other' }]) {
    assert.throws(() => agent.submit(other), {
      code: 'BAD_USER_INPUT',
      message: /"k" was used for another request/,
      detail: { job: id },
    });
  }
  await agent.ended(id);
  assert.equal(agent.jobs.list({ limit: 10 }).length, 1);
});

test('what is null and what is left out are the same request, in any order', async () => {
  await using agent = await startAgent({ repos });
  const first = agent.submit(keyed('k', { a: 1, b: '2', c: null }));
  assert.equal(agent.submit(keyed('k', { b: '2', a: 1 })).id, first.id);
  await agent.ended(first.id);
});

test('a key belongs to its caller', async () => {
  await using agent = await startAgent({ repos });
  const ada = agent.submit({ ...keyed('k'), caller: 'ada' }, 'WAIT');
  const bob = agent.submit({ ...keyed('k'), caller: 'bob' }, 'WAIT');
  assert.notEqual(ada.id, bob.id);
  await agent.ended(bob.id);
});

test('a request that was refused because of another job starts one when it is repeated', async () => {
  await using agent = await startAgent({ repos });
  const other = agent.submit({ kind: 'RUN', command: 'hello' });
  assert.throws(() => agent.submit(keyed('k')), { code: 'BUSY' });
  await agent.ended(other.id);
  assert.equal((await agent.ended(agent.submit(keyed('k')).id)).state, 'SUCCEEDED');
});

test('a key outlives the agent', async () => {
  await using fixture = await createFixture();
  const stateDir = fixture.path('state');
  let id: string;
  {
    await using agent = await startAgent({ repos, stateDir });
    ({ id } = agent.submit(keyed('k')));
    await agent.ended(id);
  }
  await using agent = await startAgent({ repos, stateDir });
  assert.equal(agent.submit(keyed('k')).id, id);
  assert.throws(() => agent.submit(keyed('k', {})), { code: 'BAD_USER_INPUT' });
});

test('the journal takes no key of a caller twice, whoever writes into it', async () => {
  await using agent = await startAgent({ repos });
  const job = await agent.ended(agent.submit(keyed('k')).id);
  assert.throws(() => agent.journal.insert({ ...job, ...keyed('k'), id: 'another' }), /UNIQUE/);
});
