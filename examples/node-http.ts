// git over HTTP in a plain Node server: node examples/node-http.ts /srv/git 8080
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { folder, port, serveFolder } from './repositories.ts';

const git = serveFolder(folder);

// A push takes as long as it takes: Node's own limit of 5 minutes for a request must go.
const server = createServer({ requestTimeout: 0 }, (request, response) => {
  git(request, response, () => {
    response.writeHead(404).end('not git, and nothing of mine\n');
  });
});

server.listen(Number(port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}`);
});
