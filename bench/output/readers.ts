/**
 * Many subscribers to one output over graphql-ws, in a process of their own. Says `ready` when each has its
 * first event, then, when the output has ended, a JSON object with what they saw.
 *
 *     node bench/output/readers.ts URL JOB READERS STALLED
 *
 * STALLED more subscribers stop reading their sockets after the first event.
 */
import { WebSocket } from 'ws';

const [, , url = '', job = '', readers = '', stalled = ''] = process.argv;
const QUERY = 'subscription ($job: ID) { output(job: $job) { offset cursor text } }';

/** How many lines came after so many milliseconds. */
const delays = new Map<number, number>();
let lines = 0;
let events = 0;
let disorder = 0;

interface Message {
  readonly type: string;
  readonly payload?: {
    readonly data?: { readonly output: { readonly text: string; readonly offset: number } };
  };
}

function createReader(isStalled: boolean): { ready: Promise<void>; ended: Promise<number> } {
  const ready = Promise.withResolvers<void>();
  const ended = Promise.withResolvers<number>();
  const socket = new WebSocket(`${url.replace(/^http/, 'ws')}/graphql`, 'graphql-transport-ws');
  let next = 0;
  let rest = '';
  const take = (text: string): void => {
    const now = performance.timeOrigin + performance.now();
    const parts = (rest + text).split('\n');
    rest = parts.pop() ?? '';
    for (const line of parts) {
      const [number = '', time = ''] = line.split(' ');
      if (!/^\d+$/.test(number)) continue;
      if (Number(number) !== next) disorder += 1;
      next = Number(number) + 1;
      lines += 1;
      const ms = Math.round(now - Number(time));
      delays.set(ms, (delays.get(ms) ?? 0) + 1);
    }
  };
  socket.on('open', () => {
    socket.send('{"type":"connection_init"}');
  });
  socket.on('message', (data: Buffer) => {
    const { type, payload } = JSON.parse(data.toString()) as Message;
    if (type === 'connection_ack') {
      const subscribe = {
        id: '1',
        type: 'subscribe',
        payload: { query: QUERY, variables: { job } },
      };
      socket.send(JSON.stringify(subscribe));
    } else if (type === 'next') {
      events += 1;
      ready.resolve();
      if (isStalled) socket.pause();
      take(payload?.data?.output.text ?? '');
    } else if (type === 'complete') {
      ended.resolve(next);
      socket.close();
    } else {
      ready.reject(new Error(data.toString()));
    }
  });
  socket.on('error', ready.reject);
  socket.on('close', (code) => {
    if (isStalled) ended.resolve(0);
    else ended.reject(new Error(`closed with ${code}`));
  });
  ended.promise.catch(() => undefined);
  return { ready: ready.promise, ended: ended.promise };
}

const all: ReturnType<typeof createReader>[] = [];
for (let n = 0; n < Number(readers) + Number(stalled); n++) {
  all.push(createReader(n >= Number(readers)));
  // So that the handshakes are no flood.
  if (n % 50 === 49) await Promise.all(all.map(async ({ ready }) => await ready));
}
await Promise.all(all.map(async ({ ready }) => await ready));
console.log('ready');
await Promise.all(all.slice(0, Number(readers)).map(async ({ ended }) => await ended));

let seen = 0;
const sorted = [...delays].toSorted(([a], [b]) => a - b);
const percentile = (share: number): number => {
  seen = 0;
  for (const [ms, count] of sorted) {
    seen += count;
    if (seen >= lines * share) return ms;
  }
  return Number.NaN;
};
console.log(
  JSON.stringify({ lines, events, disorder, p50: percentile(0.5), p99: percentile(0.99) }),
);
process.exit();
