/** A TCP proxy whose connections the test cuts, and which stays where it is while agents come and go. */
import { once } from 'node:events';
import { connect, createServer, type Socket } from 'node:net';

export interface BreakingProxy extends AsyncDisposable {
  /** Such as `http://127.0.0.1:40123`. */
  readonly url: string;
  /** Connections so far. */
  connections(): number;
  /** Connections that are open now. */
  open(): number;
  /** Cuts all connections. New ones are let through. */
  cut(): void;
  /** Where new connections lead; null cuts them at once. */
  lead(url: string | null): void;
  /** Bytes that went through to clients so far. */
  bytes(): number;
}

export async function createBreakingProxy(target: string): Promise<BreakingProxy> {
  let url: string | null = target;
  let count = 0;
  let passed = 0;
  /** Both halves of each connection. */
  const sockets = new Set<Socket>();
  const keep = (socket: Socket): void => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
  };
  const server = createServer((client) => {
    count++;
    keep(client);
    client.on('error', () => undefined);
    if (url === null) {
      client.destroy();
      return;
    }
    const { hostname, port } = new URL(url);
    const agent = connect(Number(port), hostname);
    keep(agent);
    agent.on('error', () => client.destroy());
    agent.on('data', (bytes) => (passed += bytes.length));
    client.once('close', () => agent.destroy());
    agent.once('close', () => client.destroy());
    client.pipe(agent).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('a TCP server has a port');
  const cut = (): void => {
    for (const socket of sockets) socket.destroy();
  };
  return {
    url: `http://127.0.0.1:${address.port}`,
    connections: () => count,
    open: () => sockets.size,
    bytes: () => passed,
    cut,
    lead(next) {
      url = next;
    },
    async [Symbol.asyncDispose]() {
      server.close();
      cut();
      await once(server, 'close');
    },
  };
}
