import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDocument, watchOutputDocument } from '../../src/client/documents.ts';
import { until } from '../support/deadline.ts';
import { openSocket, query } from '../support/graphql-client.ts';
import { request } from '../support/raw-http.ts';
import { createScene } from './scene.ts';

const LOOK = `query ($id: ID!) { job(id: $id) { state isOutputKept output { nodes { text } } } }`;

test('an output that is not kept any more says so, over REST and GraphQL', async () => {
  await using scene = await createScene({ commands: { hello: 'echo hello' } });
  const input = { repo: 'site', command: 'hello', wait: true };
  const { key: id } = (await query(scene.url, runDocument, { input })).run.job;
  const before = await query(scene.url, LOOK, { id });
  const nodes = [{ text: '$ echo hello\nhello\n' }];
  assert.deepEqual(before['job'], { state: 'SUCCEEDED', isOutputKept: true, output: { nodes } });
  await scene.agent.stop();

  await using again = await createScene({
    stateDir: scene.agent.stateDir,
    config: { repo: { site: { repo_path: scene.copy } }, retention: { output_bytes: 0 } },
  });
  const removed = () => again.agent.log().find(({ msg }) => msg === 'removed old jobs and outputs');
  await until(() => removed() !== undefined, 'the first sweep is done');
  assert.partialDeepStrictEqual(removed(), { jobs: 0, outputs: 1, bytes: 19 });
  const after = await query(again.url, LOOK, { id });
  assert.deepEqual(after['job'], {
    state: 'SUCCEEDED',
    isOutputKept: false,
    output: { nodes: [] },
  });
  for (const [headers, path] of [
    [{}, `/jobs/${id}/output`],
    [{}, `/jobs/${id}/output?follow=1&after=3`],
    [{ Accept: 'text/event-stream' }, `/jobs/${id}/output`],
  ] as const) {
    const { status, text } = await request(again.url, 'GET', path, headers);
    assert.equal(status, 410);
    assert.match(text, /not kept any more/);
  }
  await using socket = openSocket(again.url);
  await assert.rejects(socket.subscribe(watchOutputDocument, { job: id }).next(), (error) =>
    /NOT_FOUND/.test(JSON.stringify(error)),
  );
});

test('an output beyond limits.output_bytes has a marker in its middle, over REST and GraphQL', async () => {
  await using scene = await createScene({
    config: { limits: { output_bytes: 1_048_576 } },
    commands: { much: 'seq 1000000' },
  });
  const input = { repo: 'site', command: 'much', wait: true };
  const { key: id } = (await query(scene.url, runDocument, { input })).run.job;
  const { text, headers } = await request(scene.url, 'GET', `/jobs/${id}/output`);
  assert.equal(headers['content-length'], undefined);
  const [, before = '', bytes = '', after = ''] =
    /^(.*)\n\[gitagent: (\d+) bytes left out\]\n(.*)$/s.exec(text) ?? [];
  const whole = `$ seq 1000000\n${Array.from({ length: 1_000_000 }, (_, n) => `${n + 1}\n`).join('')}`;
  assert.equal(before, whole.slice(0, 524_288));
  assert.equal(before.length + Number(bytes) + after.length, whole.length);
  assert.ok(whole.endsWith(after) && after.length > 450_000 && after.length <= 524_288);
  const asked = `query ($id: ID!, $after: String) {
    job(id: $id) { output(first: 2, after: $after) { nodes { offset leftOut cursor } } }
  }`;
  const data = await query(scene.url, asked, { id, after: `${id}:600000` });
  const { nodes } = (data['job'] as { output: { nodes: object[] } }).output;
  const end = 524_288 + Number(bytes);
  assert.deepEqual(nodes[0], { offset: 600_000, leftOut: end - 600_000, cursor: `${id}:${end}` });
  assert.partialDeepStrictEqual(nodes[1], { offset: end, leftOut: null });
});
