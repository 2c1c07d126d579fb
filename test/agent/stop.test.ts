import assert from 'node:assert/strict';
import { once } from 'node:events';
import { connect } from 'node:net';
import { test } from 'node:test';
import {
  jobDocument,
  runDocument,
  watchBusyDocument,
  watchJobDocument,
  watchOutputDocument,
} from '../../src/client/documents.ts';
import { AgentDidNotStart, processesOf, startAgent } from '../support/agent-process.ts';
import { until, within } from '../support/deadline.ts';
import { openEvents, openSocket, query, refusal } from '../support/graphql-client.ts';
import { createScene, waitAt, type Scene } from './scene.ts';

async function run(scene: Scene, command: string): Promise<string> {
  return (await query(scene.url, runDocument, { input: { repo: 'site', command } })).run.job.key;
}

async function isReady(scene: Scene): Promise<boolean> {
  const response = await fetch(`${scene.url}/readyz`);
  return response.status === 200;
}

async function readAll(events: AsyncIterable<{ output: { text: string } }>): Promise<string> {
  let all = '';
  for await (const { output } of events) all += output.text;
  return all;
}

/** The job as the next agent on the same state folder tells it. */
async function jobAfterwards(scene: Scene, id: string) {
  const { stateDir } = scene.agent;
  const repo = { site: { repo_path: scene.copy } };
  await using next = await startAgent({ config: { repo }, stateDir });
  const { job } = await query(next.url, jobDocument, { id });
  const output = await readAll(openEvents(next.url, watchOutputDocument, { job: id }));
  return { state: job?.state, error: job?.error, output };
}

test('SIGTERM lets running jobs end, takes no new work, and tells subscribers the end', async () => {
  await using scene = await createScene({
    others: ['other'],
    config: { timeouts: { drain: 20 } },
    commands: { slow: `${waitAt('gate')}; seq 1000; echo over` },
  });
  await using socket = openSocket(scene.url);
  const job = await run(scene, 'slow');
  const bySocket = readAll(socket.subscribe(watchOutputDocument, { job }));
  const byEvents = readAll(openEvents(scene.url, watchOutputDocument, { job }));
  const states: string[] = [];
  const watching = (async () => {
    for await (const each of socket.subscribe(watchJobDocument, { id: job }))
      states.push(each.job.state);
  })();
  assert.equal(await isReady(scene), true);
  scene.agent.signal('SIGTERM');
  await until(async () => !(await isReady(scene)), 'the agent is not ready any more');
  assert.equal((await fetch(`${scene.url}/livez`)).status, 200);

  const refused = await refusal(scene.url, runDocument, {
    input: { repo: 'site', command: 'slow', ifBusy: 'WAIT' },
  });
  assert.equal(refused.code, 'BUSY');
  assert.match(refused.message, /stopping/);
  const pull = 'mutation { pull(input: { repo: "other" }) { job { key } } }';
  assert.match((await refusal(scene.url, pull, {})).message, /stopping/);

  await scene.open('gate');
  for (const output of await Promise.all([bySocket, byEvents]))
    assert.match(output, /\n1000\nover\n$/);
  await watching;
  assert.equal(states.at(-1), 'SUCCEEDED');
  assert.deepEqual(await within(scene.agent.exited, 'the agent ends'), { code: 0, signal: null });
  assert.equal((await within(socket.closed, 'the socket is closed')).code, 1001);
  assert.equal((await jobAfterwards(scene, job)).state, 'SUCCEEDED');
});

test('a job that takes longer than timeouts.drain is ended, and INTERRUPTED', async () => {
  await using scene = await createScene({
    config: { timeouts: { drain: 0.2, kill: 0.2 } },
    commands: { stubborn: "trap '' TERM; echo begun; sleep 1001 & sleep 1002" },
  });
  await using socket = openSocket(scene.url);
  const job = await run(scene, 'stubborn');
  const output = socket.subscribe(watchOutputDocument, { job });
  for await (const each of output) if (/^begun$/m.test(each.output.text)) break;
  const states: string[] = [];
  const watching = (async () => {
    for await (const each of socket.subscribe(watchJobDocument, { id: job }))
      states.push(each.job.state);
  })();
  assert.deepEqual(await scene.agent.stop(), { code: 0, signal: null });
  await watching;
  assert.equal(states.at(-1), 'INTERRUPTED');
  assert.deepEqual(processesOf(scene.agent.home), []);
  const { state, error, output: kept } = await jobAfterwards(scene, job);
  assert.deepEqual([state, error?.code], ['INTERRUPTED', 'INTERRUPTED']);
  assert.match(kept, /\nbegun\n/);
});

test('a second signal ends the agent and its job at once', async () => {
  await using scene = await createScene({
    config: { timeouts: { drain: 20 } },
    commands: { slow: 'sleep 1001' },
  });
  const job = await run(scene, 'slow');
  scene.agent.signal('SIGTERM');
  await until(async () => !(await isReady(scene)), 'the agent is stopping');
  // One that follows at once is taken for the same: under npm a Ctrl-C arrives twice.
  let hasEnded = false;
  void scene.agent.exited.then(() => (hasEnded = true));
  await until(
    () => {
      if (!hasEnded) scene.agent.signal('SIGINT');
      return hasEnded;
    },
    'the agent ends',
    3000,
  );
  assert.deepEqual(await scene.agent.exited, { code: 130, signal: null });
  assert.equal((await jobAfterwards(scene, job)).state, 'INTERRUPTED');
});

test('a job that was running when the agent was killed is INTERRUPTED, and its output is kept', async () => {
  await using scene = await createScene({ commands: { slow: `echo begun; ${waitAt('gate')}` } });
  const job = await run(scene, 'slow');
  const output = openEvents(scene.url, watchOutputDocument, { job });
  for await (const each of output) if (/^begun$/m.test(each.output.text)) break;
  assert.deepEqual(await scene.agent.kill(), { code: null, signal: 'SIGKILL' });
  const { state, output: kept } = await jobAfterwards(scene, job);
  assert.equal(state, 'INTERRUPTED');
  assert.match(kept, /\nbegun\n/);
  await scene.open('gate');
  await until(() => processesOf(scene.agent.home).length === 0, 'the command ends');
});

test('clients that wait, or do not read, or only hold a connection, do not keep the agent from stopping', async () => {
  await using scene = await createScene();
  await using watching = openSocket(scene.url);
  await watching.subscribe(watchBusyDocument, {}).next();
  await using deaf = openSocket(scene.url);
  await deaf.subscribe(watchBusyDocument, {}).next();
  (await deaf.connected()).pause();
  const events = openEvents(scene.url, watchBusyDocument, {});
  await events.next();
  const idle = connect(Number(new URL(scene.url).port), '127.0.0.1');
  idle.on('error', () => undefined);
  idle.write('POST /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\n');

  // Refused, and told so, but it never closes its side.
  const refused = connect({
    port: Number(new URL(scene.url).port),
    host: '127.0.0.1',
    allowHalfOpen: true,
  });
  refused.on('error', () => undefined);
  refused.write(
    'GET /graphql HTTP/1.1\r\nHost: 127.0.0.1\r\nOrigin: http://evil.example\r\nConnection: Upgrade\r\n' +
      'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n',
  );
  const [answer] = (await within(once(refused, 'data'), 'it is refused')) as [Buffer];
  assert.match(answer.toString(), /^HTTP\/1\.1 403 /);

  const start = performance.now();
  assert.deepEqual(await scene.agent.stop(), { code: 0, signal: null });
  assert.ok(performance.now() - start < 4000, `it took ${performance.now() - start} ms`);
  assert.equal((await within(watching.closed, 'the socket is closed')).code, 1001);
  idle.destroy();
  refused.destroy();
  (await deaf.connected()).resume();
});

test('an agent whose log nobody reads any more goes on, and stops in order', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  const job = await run(scene, 'slow');
  scene.agent.hangUp();
  await scene.open('gate');
  for await (const _ of openEvents(scene.url, watchOutputDocument, { job }));
  assert.deepEqual(await scene.agent.stop(), { code: 0, signal: null });
});

test('a second agent on the same state folder does not start, and says why', async () => {
  await using scene = await createScene();
  const repo = { site: { repo_path: scene.copy } };
  const second = startAgent({ config: { repo }, stateDir: scene.agent.stateDir });
  await assert.rejects(second, (error: unknown) => {
    assert.ok(error instanceof AgentDidNotStart);
    assert.equal(error.exit.code, 1);
    assert.match(error.stderr, /^gitagent: .*another agent.*state/m);
    return true;
  });
  assert.equal(await isReady(scene), true);
});

test('an agent whose port is taken does not start, and says so', async () => {
  await using scene = await createScene();
  const { port } = new URL(scene.url);
  const repo = { site: { repo_path: scene.copy } };
  const second = startAgent({ config: { repo }, flags: ['--port', port] });
  await assert.rejects(second, (error: unknown) => {
    assert.ok(error instanceof AgentDidNotStart);
    assert.equal(error.exit.code, 1);
    assert.match(error.stderr, new RegExp(`^gitagent: port ${port} on 127.0.0.1 is in use: `, 'm'));
    return true;
  });
});
