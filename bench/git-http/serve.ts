/** Our side: the handler in a plain node:http server. `node bench/git-http/serve.ts FOLDER` prints its port. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { createGitHttpHandler } from '../../src/git-http/index.ts';

const folder = process.argv[2] ?? '.';
const handler = createGitHttpHandler({
  resolve: ({ name }) => ({ path: join(folder, name) }),
  authorize: () => ({ kind: 'allow' }),
  limits: { total: 64, perRepository: 64, perCaller: 64 },
  maintenance: false,
  onError: (error) => {
    console.error(error);
  },
});
const server = createServer({ requestTimeout: 0 }, handler);
server.listen(0, '127.0.0.1', () => {
  console.log((server.address() as AddressInfo).port);
});
process.once('SIGTERM', () => {
  server.close();
  server.closeAllConnections();
  void handler.close();
});
