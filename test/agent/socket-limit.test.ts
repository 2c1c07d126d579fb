import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { IncomingMessage } from 'node:http';
import { test } from 'node:test';
import { WebSocket } from 'ws';
import { runDocument, watchJobDocument, watchOutputDocument } from '../../src/client/documents.ts';
import { readProc } from '../support/agent-process.ts';
import { until, within } from '../support/deadline.ts';
import { openSocket, query } from '../support/graphql-client.ts';
import { createScene, waitAt, type Scene } from './scene.ts';

async function run(scene: Scene, command: string): Promise<string> {
  return (await query(scene.url, runDocument, { input: { repo: 'site', command } })).run.job.key;
}

test('a socket carries so many operations, and the one too many is refused', async () => {
  await using scene = await createScene({
    config: { limits: { socket_operations: 3 } },
    commands: { slow: `echo x; ${waitAt('gate')}` },
  });
  const job = await run(scene, 'slow');
  await using socket = openSocket(scene.url);
  const running = [1, 2, 3].map(() => socket.subscribe(watchOutputDocument, { job }));
  await Promise.all(running.map(async (each) => await each.next()));
  const refused = socket.subscribe(watchOutputDocument, { job }).next();
  await assert.rejects(refused, (error: unknown) =>
    /socket_operations/.test(JSON.stringify(error)),
  );
  // The others go on, and one that is left makes room.
  await running[0]?.return?.();
  const again = socket.subscribe(watchJobDocument, { id: job });
  await again.next();
  await again.return?.();
  await scene.open('gate');
  for (const each of running.slice(1)) while ((await each.next()).done !== true);
});

test('one address may open so many sockets, all of them so many, and closing one makes room', async () => {
  await using scene = await createScene({ config: { limits: { client_sockets: 2, sockets: 3 } } });
  const statusOf = async (localAddress: string) => {
    const socket = new WebSocket(`${scene.url.replace('http', 'ws')}/graphql`, 'graphql-transport-ws', { localAddress }); // prettier-ignore
    socket.on('error', () => undefined);
    const status = await within(
      new Promise<number>((resolve) => {
        socket.once('open', () => {
          resolve(101);
        });
        socket.once('unexpected-response', (_request, response) => {
          resolve(response.statusCode ?? 0);
          response.resume();
        });
      }),
      'the handshake is answered',
    );
    return { socket, status };
  };
  const first = await statusOf('127.0.0.1');
  const all = [first, await statusOf('127.0.0.1'), await statusOf('127.0.0.1')];
  all.push(await statusOf('127.0.0.2'), await statusOf('127.0.0.3'));
  assert.deepEqual(all.map(({ status }) => status), [101, 101, 429, 101, 429]); // prettier-ignore
  first.socket.terminate();
  await until(async () => {
    const { socket, status } = await statusOf('127.0.0.1');
    all.push({ socket, status });
    return status === 101;
  }, 'there is room again');
  for (const { socket } of all) socket.terminate();
});

interface Opened {
  readonly socket: WebSocket;
  /** Whether the agent still has it; what it has sent may yet be on the way. */
  readonly isOpenThere: () => boolean;
}

async function open(scene: Scene): Promise<Opened> {
  const url = `${scene.url.replace('http', 'ws')}/graphql`;
  const socket = new WebSocket(url, 'graphql-transport-ws');
  socket.on('error', () => undefined);
  // The one follows the other at once.
  const opened = once(socket, 'open');
  const [response] = (await once(socket, 'upgrade')) as [IncomingMessage];
  const ends = [scene.url.split(':').at(-1), response.socket.localPort].map(
    (port) => `:${Number(port).toString(16).toUpperCase().padStart(4, '0')}`,
  );
  await opened;
  socket.send('{"type":"connection_init"}');
  await once(socket, 'message');
  return {
    socket,
    // https://docs.kernel.org/networking/proc_net_tcp.html: 01 is ESTABLISHED.
    isOpenThere: () =>
      readProc('/proc/net/tcp')
        .split('\n')
        .map((line) => line.trim().split(/\s+/))
        .some(
          ([, local = '', remote = '', state]) =>
            state === '01' && local.endsWith(ends[0] ?? '') && remote.endsWith(ends[1] ?? ''),
        ),
  };
}

const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' };

test(
  'who stops reading is cut off, who reads slowly or is only silent is not',
  onLinux,
  async () => {
    await using scene = await createScene({
      config: { timeouts: { heartbeat: 0.5 } },
      commands: { much: 'head -c 100000000 /dev/zero | tr "\\0" x' },
    });
    const job = await run(scene, 'much');
    const payload = { query: watchOutputDocument.toString(), variables: { job } };
    const subscribe = JSON.stringify({ id: '1', type: 'subscribe', payload });
    const [silent, asleep, slow] = [await open(scene), await open(scene), await open(scene)];
    asleep.socket.send(subscribe);
    await once(asleep.socket, 'message');
    asleep.socket.pause();
    slow.socket.send(subscribe);
    let received = 0;
    slow.socket.on('message', (data: Buffer) => {
      received += data.length;
      slow.socket.pause();
      setTimeout(() => {
        slow.socket.resume();
      }, 20);
    });
    await until(() => !asleep.isOpenThere(), 'the agent has given up on who is asleep');
    assert.ok(silent.isOpenThere() && slow.isOpenThere());
    const before = received;
    await until(() => received > before + 500_000, 'the slow one gets more');
    for (const { socket } of [silent, asleep, slow]) socket.terminate();
  },
);

test(
  'who sends and sends and never reads the answers is read no more, then cut off',
  onLinux,
  async () => {
    await using scene = await createScene({ config: { timeouts: { heartbeat: 0.5 } } });
    const { socket, isOpenThere } = await open(scene);
    socket.pause();
    const ping = JSON.stringify({ type: 'ping', payload: { text: 'x'.repeat(100_000) } });
    let sent = 0;
    await until(() => {
      if (socket.readyState === WebSocket.OPEN && socket.bufferedAmount < 1_000_000) {
        socket.send(ping);
        sent += ping.length;
      }
      return !isOpenThere();
    }, 'it is cut off');
    // What the system's buffers hold on both ways, and the agent's own megabyte.
    assert.ok(sent < 50_000_000, `the agent has taken ${sent} bytes`);
    socket.terminate();
  },
);
