/** A network that breaks: stands before the agent, and cuts each connection after a number of bytes from it. */
import { once } from 'node:events';
import { connect, createServer, type AddressInfo, type Socket } from 'node:net';

export interface CuttingProxy extends AsyncDisposable {
  readonly url: string;
  /** How many connections it has cut. */
  readonly cuts: number;
}

/** @param next after how many bytes the next connection is cut */
export async function startCuttingProxy(url: string, next: () => number): Promise<CuttingProxy> {
  const { hostname, port } = new URL(url);
  const sockets = new Set<Socket>();
  let cuts = 0;
  const server = createServer((client) => {
    const agent = connect(Number(port), hostname);
    let left = next();
    const cut = (): void => {
      client.destroy();
      agent.destroy();
    };
    for (const socket of [client, agent]) {
      sockets.add(socket);
      socket.on('error', () => undefined);
      socket.once('close', () => {
        sockets.delete(socket);
        // What was received before still goes out.
        (socket === agent ? client : agent).end();
      });
    }
    client.on('data', (bytes) => agent.write(bytes));
    agent.on('data', (bytes: Buffer) => {
      const part = bytes.subarray(0, left);
      left -= part.length;
      client.write(part, () => {
        if (left === 0) cut();
      });
      if (left > 0) return;
      cuts += 1;
      agent.destroy();
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    get cuts() {
      return cuts;
    },
    async [Symbol.asyncDispose]() {
      for (const socket of sockets) socket.destroy();
      server.close();
      await once(server, 'close');
    },
  };
}
