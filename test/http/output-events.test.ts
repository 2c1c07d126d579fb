import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createScene, waitAt, type Scene } from '../agent/scene.ts';
import { formatRequest, openConnection, request, sendForm } from '../support/raw-http.ts';
import { parseEvents, type Event } from './events.ts';

async function exec(scene: Scene, command: string, block = '1'): Promise<string> {
  const form = { command, block };
  const { headers } = await sendForm(scene.url, 'POST', '/repo/site/exec', form);
  return (headers['location'] ?? '').slice('/jobs/'.length);
}

const EVENTS = { Accept: 'text/event-stream' };

async function readEvents(
  scene: Scene,
  job: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<Event[]> {
  const path = `/jobs/${job}/output`;
  const { status, text } = await request(scene.url, 'GET', path, { ...EVENTS, ...headers });
  assert.equal(status, 200, text);
  return parseEvents(text);
}

describe('server-sent events of an output', () => {
  test('carry their cursor, and end with how the job ended', async () => {
    await using scene = await createScene({ commands: { fail: 'echo out; exit 3' } });
    const id = await exec(scene, 'fail');
    const path = `/jobs/${id}/output`;
    const { headers, text } = await request(scene.url, 'GET', path, EVENTS);
    assert.equal(headers['content-type'], 'text/event-stream');
    assert.equal(headers['cache-control'], 'no-cache');
    assert.equal(headers['x-accel-buffering'], 'no');
    const printed = '$ echo out; exit 3\nout\ngitagent: command "fail" ended with exit code 3\n';
    const cursor = `${id}:${printed.length}`;
    assert.deepEqual(parseEvents(text), [
      { event: 'message', id: cursor, data: { offset: 0, text: printed } },
      {
        event: 'end',
        id: cursor,
        data: {
          state: 'FAILED',
          exit_code: 3,
          signal: null,
          err_code: 'COMMAND_FAILED',
          err_msg: 'command "fail" ended with exit code 3',
        },
      },
    ]);
    // Who was cut off before the end is told it when he comes back.
    const [end, ...others] = await readEvents(scene, id, { 'Last-Event-ID': cursor });
    assert.deepEqual([end?.event, others], ['end', []]);
  });

  test('come as the job prints, with comments while it is silent', async () => {
    await using scene = await createScene({
      config: { timeouts: { heartbeat: 0.05 } },
      commands: { talk: `echo first; ${waitAt('gate')}; echo last` },
    });
    const id = await exec(scene, 'talk', '0');
    using connection = await openConnection(scene.url);
    connection.write(formatRequest('GET', `/jobs/${id}/output`, EVENTS));
    await connection.peek((bytes) => bytes.includes(String.raw`first\n`));
    await connection.peek((bytes) => bytes.toString().split('\n:\n\n').length > 3);
    await scene.open('gate');
    const events = parseEvents((await connection.read()).text);
    assert.ok(events.length >= 3);
    const text = events
      .map(({ data }) => (typeof data['text'] === 'string' ? data['text'] : ''))
      .join('');
    assert.ok(text.endsWith('\nfirst\nlast\n'), text);
    assert.partialDeepStrictEqual(events.at(-1), {
      event: 'end',
      data: { state: 'SUCCEEDED', exit_code: 0 },
    });
  });

  test('say line ends and bytes that are not UTF-8 exactly', async () => {
    const print = String.raw`printf 'a\rb\r\nc\n\n\342\200\250\0data: x\377\n'`;
    await using scene = await createScene({ commands: { print } });
    const [event] = await readEvents(scene, await exec(scene, 'print'));
    const { text, raw } = event?.data ?? {};
    const printed = Buffer.concat([
      Buffer.from(`$ ${print}\na\rb\r\nc\n\n\u2028\0data: x`),
      Buffer.from([0xff, 0x0a]),
    ]);
    assert.equal(text, printed.toString());
    assert.deepEqual(Buffer.from(raw as string, 'base64'), printed);
  });

  test('go on behind the last one, else behind `after`', async () => {
    await using scene = await createScene({ commands: { hello: 'echo hello' } });
    const id = await exec(scene, 'hello');
    const other = await exec(scene, 'hello');
    const path = `/jobs/${id}/output?after=13`;
    const first = async (headers: Readonly<Record<string, string>>) => {
      const { text } = await request(scene.url, 'GET', path, { ...EVENTS, ...headers });
      return parseEvents(text)[0]?.data['text'];
    };
    assert.equal(await first({}), 'hello\n');
    assert.equal(await first({ 'Last-Event-ID': `${id}:15` }), 'llo\n');
    for (const [bad, why] of [
      [`${other}:3`, /cursor of another job/],
      [`${id}:3x`, /not a cursor/],
      [`${id}:20`, /19 bytes so far, not 20/],
    ] as const) {
      const headers = { ...EVENTS, 'Last-Event-ID': bad };
      const { status, text } = await request(scene.url, 'GET', path, headers);
      assert.equal(status, 400);
      assert.match(text, why);
    }
  });
});

test('a plain output that is followed tells how the job ended: behind it, and on request in its last line', async () => {
  await using scene = await createScene({
    commands: { fail: 'printf x; exit 3', slow: 'printf x; sleep 1006' },
  });
  const id = await exec(scene, 'fail');
  const printed = '$ printf x; exit 3\nx\ngitagent: command "fail" ended with exit code 3\n';
  const path = `/jobs/${id}/output?follow=1`;
  using connection = await openConnection(scene.url);
  connection.write(formatRequest('GET', path, { Connection: 'close' }));
  const received = await connection.peek((bytes) => bytes.includes('GitAgent-Exit-Code: '));
  assert.match(
    received.toString(),
    new RegExp(`\r\nGitAgent-Cursor: ${id}:${printed.length}\r\nGitAgent-State: FAILED\r\nGitAgent-Exit-Code: 3\r\n`),
  ); // prettier-ignore
  const { text } = await request(scene.url, 'GET', path, { Connection: 'close' });
  assert.equal(text, printed);
  const told = await request(scene.url, 'GET', `${path}&outcome=1`, { Connection: 'close' });
  assert.equal(told.text, `${printed}gitagent: failed, exit code 3\n`);
});
