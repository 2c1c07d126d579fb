import assert from 'node:assert/strict';
import { once } from 'node:events';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { runDocument, watchOutputDocument } from '../../src/client/documents.ts';
import { until } from '../support/deadline.ts';
import { openSocket, query } from '../support/graphql-client.ts';
import { createScene, waitAt, type Scene } from './scene.ts';

/** Answers that are made once for many subscribers must be what each would have been answered alone. */

async function run(scene: Scene, command: string): Promise<string> {
  return (await query(scene.url, runDocument, { input: { repo: 'site', command } })).run.job.key;
}

interface Message {
  readonly id?: string;
  readonly type: string;
  readonly payload?: { readonly data?: Readonly<Record<string, object | null>> };
}

/** A socket whose messages are looked at as they come. */
async function openRaw(scene: Scene) {
  const socket = new WebSocket(
    `${scene.url.replace('http', 'ws')}/graphql`,
    'graphql-transport-ws',
  );
  const messages: Message[] = [];
  socket.on('message', (data: Buffer) => messages.push(JSON.parse(data.toString()) as Message));
  await once(socket, 'open');
  socket.send('{"type":"connection_init"}');
  await until(() => messages.length > 0, 'it is accepted');
  return {
    socket,
    of: (id: string) => messages.filter((message) => message.id === id),
    subscribe(id: string, text: string, variables: object) {
      socket.send(JSON.stringify({ id, type: 'subscribe', payload: { query: text, variables } }));
    },
    complete(id: string) {
      socket.send(JSON.stringify({ id, type: 'complete' }));
    },
    [Symbol.dispose]() {
      socket.terminate();
    },
  };
}

const TALK = `for n in $(seq 20); do printf "%s: žluťoučký \\"🐎\\"\\n" $n; sleep 0.01; done; ${waitAt('gate')}; echo last`;

/** Documents by the fields that each must be answered with. */
const DOCUMENTS = {
  'text,offset': 'output(job: $job) { text offset }',
  'offset,text': 'output(job: $job) { offset text }',
  'text,from,to,__typename': 'output(job: $job) { text from: offset to: cursor __typename }',
  'text,textRaw,leftOut': 'output(job: $job) { text textRaw leftOut }',
  'text,job': 'output(job: $job) { text job { key __typename } }',
  'text,job,with its id': 'output(job: $job) { text job { id } }',
  'text,job,with its state': 'output(job: $job) { text job { key state } }',
  'text,offset,in a fragment': 'output(job: $job) { text ... on OutputChunk { offset } }',
};

test('subscribers with documents, names and sockets of their own are each answered what they asked', async () => {
  await using scene = await createScene({ commands: { talk: TALK } });
  const job = await run(scene, 'talk');
  using first = await openRaw(scene);
  using second = await openRaw(scene);
  const ids: string[] = [];
  for (const [fields, selection] of Object.entries(DOCUMENTS)) {
    for (const socket of [first, second]) {
      const id = `${fields} "}{\\ ${socket === first ? '🐎' : ''}`;
      socket.subscribe(id, `subscription ($job: ID) { ${selection} }`, { job });
      ids.push(id);
    }
  }
  const all = ids.map((id) => () => [...first.of(id), ...second.of(id)]);
  await until(() => all.every((of) => textOf(of()).includes('20: ')), 'all are answered');
  await scene.open('gate');
  await until(() => all.every((of) => of().at(-1)?.type === 'complete'), 'all are told the end');
  const whole = textOf(all[0]?.() ?? []);
  assert.ok(whole.startsWith('$ ') && whole.endsWith('20: žluťoučký "🐎"\nlast\n'), whole);
  for (const [index, id] of ids.entries()) {
    const messages = all[index]?.() ?? [];
    assert.equal(textOf(messages), whole, id);
    const fields = Object.keys(DOCUMENTS)[Math.floor(index / 2)]?.split(/,(?:in a|with its) /)[0];
    for (const { type, payload } of messages.slice(0, -1)) {
      assert.equal(type, 'next');
      assert.deepEqual(Object.keys(payload ?? {}), ['data']);
      assert.equal(Object.keys(payload?.data?.['output'] ?? {}).join(), fields);
    }
  }
});

function textOf(messages: readonly Message[]): string {
  return messages
    .map(({ payload }) => (payload?.data?.['output'] as { text?: string } | undefined)?.text ?? '')
    .join('');
}

test('a variable that includes a field counts for its subscriber only', async () => {
  await using scene = await createScene({
    commands: { talk: `echo first; ${waitAt('gate')}; echo last` },
  });
  const job = await run(scene, 'talk');
  using socket = await openRaw(scene);
  const text =
    'subscription ($job: ID, $more: Boolean!) { output(job: $job) { text offset @include(if: $more) } }';
  const ids = ['yes', 'no', 'yes again'];
  for (const id of ids) socket.subscribe(id, text, { job, more: id !== 'no' });
  await until(() => ids.every((id) => textOf(socket.of(id)).includes('\nfirst\n')), 'all are answered'); // prettier-ignore
  await scene.open('gate');
  await until(() => ids.every((id) => socket.of(id).at(-1)?.type === 'complete'), 'all are told the end'); // prettier-ignore
  for (const id of ids) {
    const chunks = socket.of(id).flatMap(({ payload }) => payload?.data?.['output'] ?? []);
    assert.ok(chunks.length > 0);
    for (const chunk of chunks) assert.equal('offset' in chunk, id !== 'no');
  }
});

test('who completes a subscription gets no more of it, and the others do', async () => {
  await using scene = await createScene({
    commands: { talk: `echo first; ${waitAt('gate')}; echo last` },
  });
  const job = await run(scene, 'talk');
  using socket = await openRaw(scene);
  const text = 'subscription ($job: ID) { output(job: $job) { text } }';
  for (const id of ['leaves', 'stays']) socket.subscribe(id, text, { job });
  await until(() => ['leaves', 'stays'].every((id) => textOf(socket.of(id)).includes('\nfirst\n')), 'both are answered'); // prettier-ignore
  socket.complete('leaves');
  await scene.open('gate');
  await until(() => socket.of('stays').at(-1)?.type === 'complete', 'the other is told the end');
  assert.ok(textOf(socket.of('stays')).endsWith('\nfirst\nlast\n'));
  const left = socket.of('leaves');
  assert.ok(left.every(({ type }) => type === 'next') && !textOf(left).includes('\nlast'));
});

test('a subscriber who does not read delays nobody, and finds everything when he does', async () => {
  const lines =
    'for n in $(seq 20000); do echo "$n ........................................"; done';
  await using scene = await createScene({ commands: { talk: `${waitAt('gate')}; ${lines}` } });
  const job = await run(scene, 'talk');
  await using stopped = openSocket(scene.url);
  await using reading = openSocket(scene.url);
  const late = stopped.subscribe(watchOutputDocument, { job });
  await late.next();
  const connection = await stopped.connected();
  connection.pause();
  const early = reading.subscribe(watchOutputDocument, { job });
  await early.next();
  await scene.open('gate');
  const read = async (events: typeof early): Promise<string> => {
    let text = '';
    for await (const { output } of events) text += output.text;
    return text;
  };
  const whole = await read(early);
  assert.equal(whole, Array.from({ length: 20_000 }, (_, n) => `${n + 1} ${'.'.repeat(40)}\n`).join('')); // prettier-ignore
  connection.resume();
  assert.equal(await read(late), whole);
});

test('who is told of the next job of a repository while he waits is answered like the others', async () => {
  await using scene = await createScene({
    commands: { talk: `echo first; ${waitAt('gate')}; echo last` },
  });
  using socket = await openRaw(scene);
  const text = 'subscription { output(repo: "site") { text } }';
  for (const id of ['stays', 'leaves', 'other']) socket.subscribe(id, text, {});
  socket.complete('leaves');
  await run(scene, 'talk');
  await until(() => textOf(socket.of('stays')).includes('\nfirst\n'), 'it is answered');
  await scene.open('gate');
  await until(() => ['stays', 'other'].every((id) => socket.of(id).at(-1)?.type === 'complete'), 'both are told the end'); // prettier-ignore
  assert.ok(textOf(socket.of('stays')).endsWith('\nfirst\nlast\n'));
  assert.equal(textOf(socket.of('other')), textOf(socket.of('stays')));
  assert.deepEqual(socket.of('leaves'), []);
});
