import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  cancelDocument,
  jobDocument,
  runDocument,
  watchJobDocument,
  watchOutputDocument,
} from '../../src/client/documents.ts';
import { processesOf } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { openEvents, openSocket, query, refusal } from '../support/graphql-client.ts';
import { createScene, getStatus, waitAt, type Scene } from './scene.ts';

/** What the job's command started that still lives: `sleep` is nothing the agent runs itself. */
function sleepers(scene: Scene): number {
  return processesOf(scene.agent.home).filter(({ command }) => /^sleep 10\d\d/.test(command))
    .length;
}

async function run(scene: Scene, command: string): Promise<string> {
  return (await query(scene.url, runDocument, { input: { repo: 'site', command } })).run.job.key;
}

test('cancelling ends the whole process group, and the job is CANCELLED only once it is gone', async () => {
  await using scene = await createScene({
    config: { timeouts: { kill: 2 } },
    // TERM is ignored by all three, so only KILL after 2 s helps.
    commands: { stubborn: "trap '' TERM; sleep 1001 & sleep 1002 & sleep 1003" },
  });
  await using socket = openSocket(scene.url);
  const job = await run(scene, 'stubborn');
  await until(() => sleepers(scene) === 3, 'the command has started its children');
  const watching = (async () => {
    const seen = [];
    for await (const { job: each } of socket.subscribe(watchJobDocument, { id: job })) {
      seen.push([each.state, sleepers(scene)]);
    }
    return seen;
  })();
  const { cancel } = await query(scene.url, cancelDocument, { input: { job } });
  assert.deepEqual([cancel.job.state, sleepers(scene)], ['RUNNING', 3]);
  const asked = await query(scene.url, cancelDocument, { input: { job, wait: true } });
  assert.deepEqual([asked.cancel.job.state, sleepers(scene)], ['CANCELLED', 0]);
  assert.equal(asked.cancel.job.error?.code, 'CANCELLED');
  assert.deepEqual((await watching).at(-1), ['CANCELLED', 0]);
  assert.equal((await getStatus(scene.url))['busy'], false);
});

test('a job that waits for its turn is cancelled at once, and never runs', async () => {
  await using scene = await createScene({
    commands: { slow: waitAt('gate'), mark: 'touch marked' },
  });
  const slow = await run(scene, 'slow');
  const { run: waiting } = await query(scene.url, runDocument, {
    input: { repo: 'site', command: 'mark', ifBusy: 'WAIT' },
  });
  const { cancel } = await query(scene.url, cancelDocument, { input: { job: waiting.job.id } });
  assert.deepEqual([cancel.job.state, cancel.job.key], ['CANCELLED', waiting.job.key]);
  await scene.open('gate');
  for await (const _ of openEvents(scene.url, watchOutputDocument, { job: slow }));
  assert.deepEqual((await getStatus(scene.url))['untracked_files'], []);
});

test('cancelling a job that has ended changes nothing; one that never was is an error', async () => {
  await using scene = await createScene({ commands: { quick: 'true' } });
  const { run: done } = await query(scene.url, runDocument, {
    input: { repo: 'site', command: 'quick', wait: true },
  });
  const { key } = done.job;
  const { cancel } = await query(scene.url, cancelDocument, { input: { job: key } });
  assert.equal(cancel.job.state, 'SUCCEEDED');
  assert.equal((await query(scene.url, jobDocument, { id: key })).job?.state, 'SUCCEEDED');
  const nobody = '00000000-0000-4000-8000-000000000000';
  const refused = await refusal(scene.url, cancelDocument, { input: { job: nobody } });
  assert.equal(refused.code, 'NOT_FOUND');
});

test('a command that takes longer than its timeout is ended, with all that it started', async () => {
  await using scene = await createScene({
    commands: { slow: { run: 'sleep 1001 & sleep 1002', timeout: 0.3 } },
  });
  const { run: done } = await query(scene.url, runDocument, {
    input: { repo: 'site', command: 'slow', wait: true },
  });
  assert.deepEqual([done.job.state, done.job.error?.code], ['FAILED', 'COMMAND_FAILED']);
  assert.match(done.job.error?.message ?? '', /0\.3 seconds/);
  assert.equal(sleepers(scene), 0);
});

test('who waits for a job and goes away neither ends the job nor troubles the agent', async () => {
  await using scene = await createScene({ commands: { slow: `${waitAt('gate')}; touch marked` } });
  const gone = new AbortController();
  const asking = query(
    scene.url,
    runDocument,
    { input: { repo: 'site', command: 'slow', wait: true } },
    { signal: gone.signal },
  );
  await until(async () => (await getStatus(scene.url))['busy'] === true, 'the job is accepted');
  gone.abort();
  await assert.rejects(asking, { name: 'AbortError' });
  const output = openEvents(scene.url, watchOutputDocument, { repo: 'site' });
  await output.next();
  await scene.open('gate');
  for await (const _ of output);
  assert.deepEqual((await getStatus(scene.url))['untracked_files'], ['marked']);
});
