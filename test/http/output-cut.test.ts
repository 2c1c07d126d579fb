import assert from 'node:assert/strict';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { get, type IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { createScene, waitAt, type Scene } from '../agent/scene.ts';
import { createRandom } from '../jobs/support.ts';
import { processesOf } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { request, sendForm } from '../support/raw-http.ts';
import { startCuttingProxy } from './cutting-proxy.ts';
import { parseEvents } from './events.ts';

const random = createRandom(9);
const BYTES = 60_000;

/** What a build prints, and what it should not: cursor movements, half characters, bytes that are none. */
const NOISE = Buffer.concat(
  Array.from({ length: BYTES }, () => {
    const parts = ['x'.repeat(1 + random(80)), '\n', '\r', '\r\n', '\u001b[1m', '€', '🐎', '\n\n'];
    return random(40) === 0 ? Buffer.from([128 + random(128)]) : Buffer.from(parts[random(8)] ?? '');
  }),
).subarray(0, BYTES); // prettier-ignore

/** What a reader has so far. It goes on with what it has, whenever it was cut. */
interface Reader {
  bytes: Buffer;
  isEnded: boolean;
  /** Reads until the end or until the connection breaks. */
  read(url: string, job: string): Promise<void>;
}

/** Whatever comes of it, the end of a body or a broken connection. */
async function readBody(url: string, headers: Readonly<Record<string, string>>): Promise<{ response: IncomingMessage; body: Buffer } | null> {
  const sent = get(url, { headers, agent: false });
  const answered = await once(sent, 'response').catch(() => null);
  if (answered === null) return null;
  const [response] = answered as [IncomingMessage];
  const parts: Buffer[] = [];
  response.on('data', (part: Buffer) => parts.push(part));
  await once(response, 'end').catch(() => undefined);
  return { response, body: Buffer.concat(parts) };
} // prettier-ignore

function plainReader(): Reader {
  return {
    bytes: Buffer.alloc(0),
    isEnded: false,
    async read(url, job) {
      const path = `/jobs/${job}/output?follow=1&after=${this.bytes.length}`;
      const answer = await readBody(`${url}${path}`, {});
      if (answer === null) return;
      this.bytes = Buffer.concat([this.bytes, answer.body]);
      this.isEnded = answer.response.complete;
    },
  };
}

function eventReader(): Reader {
  let last: string | undefined;
  return {
    bytes: Buffer.alloc(0),
    isEnded: false,
    async read(url, job) {
      const headers = { Accept: 'text/event-stream', ...(last && { 'Last-Event-ID': last }) };
      const answer = await readBody(`${url}/jobs/${job}/output`, headers);
      for (const { event, id, data } of parseEvents(answer?.body.toString() ?? '')) {
        last = id;
        if (event === 'end') {
          assert.equal(data['state'], 'SUCCEEDED');
          this.isEnded = true;
        } else {
          assert.equal(data['offset'], this.bytes.length);
          this.bytes = Buffer.concat([this.bytes, bytesOf(data['text'], data['raw'])]);
        }
      }
    },
  };
}

const QUERY = `subscription ($job: ID, $after: String) {
  output(job: $job, after: $after) { offset cursor text textRaw }
}`;

interface Message {
  readonly type: string;
  readonly payload?: { readonly data: { readonly output: Record<string, unknown> } };
}

function socketReader(): Reader {
  let after: unknown;
  return {
    bytes: Buffer.alloc(0),
    isEnded: false,
    async read(url, job) {
      const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws');
      socket.on('error', () => undefined);
      socket.on('open', () => {
        socket.send('{"type":"connection_init"}');
      });
      socket.on('message', (data: Buffer) => {
        const { type, payload } = JSON.parse(data.toString()) as Message;
        if (type === 'connection_ack') {
          const operation = { query: QUERY, variables: { job, after } };
          socket.send(JSON.stringify({ id: '1', type: 'subscribe', payload: operation }));
        } else if (type === 'next') {
          const { offset, cursor, text, textRaw } = payload?.data.output ?? {};
          assert.equal(offset, this.bytes.length);
          after = cursor;
          this.bytes = Buffer.concat([this.bytes, bytesOf(text, textRaw)]);
        } else {
          assert.equal(type, 'complete', data.toString());
          this.isEnded = true;
          socket.close();
        }
      });
      await new Promise((resolve) => socket.once('close', resolve));
    },
  };
}

function bytesOf(text: unknown, raw: unknown): Buffer {
  return typeof raw === 'string' ? Buffer.from(raw, 'base64') : Buffer.from(String(text));
}

const READERS = {
  'plain text': plainReader,
  'server-sent events': eventReader,
  'graphql-ws': socketReader,
};

async function start(scene: Scene, command: string): Promise<string> {
  await writeFile(scene.fixture.path('noise'), NOISE);
  const { headers } = await sendForm(scene.url, 'POST', '/repo/site/exec', { command });
  return (headers['location'] ?? '').slice('/jobs/'.length);
}

for (const [transport, createReader] of Object.entries(READERS)) {
  test(`over ${transport} readers whose connections break at any byte get every byte once`, async (t) => {
    const command = `head -c 30000 "$GATES/noise"; ${waitAt('gate')}; tail -c +30001 "$GATES/noise"`;
    await using scene = await createScene({
      config: { limits: { output_chunk: 1024 } },
      commands: { print: command },
    });
    // From nothing at all up to a few chunks with the head of an answer before them.
    await using proxy = await startCuttingProxy(scene.url, () => 1 + random(6000));
    const job = await start(scene, 'print');
    const readers = Array.from({ length: 4 }, createReader);
    const all = readers.map(async (reader) => {
      while (!reader.isEnded) await reader.read(proxy.url, job);
    });
    await until(() => proxy.cuts >= 20, 'they have been cut often');
    const cutsBefore = proxy.cuts;
    await scene.open('gate');
    await Promise.all(all);
    const late = createReader();
    while (!late.isEnded) await late.read(proxy.url, job);
    const printed = Buffer.concat([Buffer.from(`$ ${command}\n`), NOISE]);
    for (const { bytes } of [...readers, late]) assert.ok(bytes.equals(printed));
    t.diagnostic(`${cutsBefore} cuts while it ran, ${proxy.cuts} in all`);
    assert.ok(proxy.cuts > 40, `only ${proxy.cuts} cuts`);
  });
}

test('a reader whose agent was killed goes on with the next one, and is told that the job was interrupted', async () => {
  const talk = `cat "$GATES/noise"; ${waitAt('gate')}`;
  await using scene = await createScene({ commands: { talk } });
  const job = await start(scene, 'talk');
  const printed = Buffer.concat([Buffer.from(`$ ${talk}\n`), NOISE]);
  const path = `/jobs/${job}/output`;
  await until(async () => {
    const { body } = await request(scene.url, 'GET', path);
    return body.length >= printed.length - 3;
  }, 'it is printed');
  await scene.agent.kill();
  await scene.open('gate');
  await until(() => processesOf(scene.agent.home).length === 0, 'the command has ended, too');
  const repo = { site: { repo_path: scene.copy } };
  await using again = await createScene({ stateDir: scene.agent.stateDir, config: { repo } });
  const read = async (after: number) => {
    const headers = { Accept: 'text/event-stream', 'Last-Event-ID': `${job}:${after}` };
    return parseEvents((await request(again.url, 'GET', path, headers)).text);
  };
  const events = await read(1000);
  const rest = events.map(({ data }) => (data['text'] === undefined ? Buffer.alloc(0) : bytesOf(data['text'], data['raw']))); // prettier-ignore
  assert.ok(
    Buffer.concat(rest)
      .subarray(0, printed.length - 1000)
      .equals(printed.subarray(1000)),
  );
  assert.partialDeepStrictEqual(events.at(-1), { event: 'end', data: { state: 'INTERRUPTED' } });
  const [end, ...others] = await read(Number(events.at(-1)?.id.split(':')[1]));
  assert.deepEqual([end?.event, others], ['end', []]);
});
