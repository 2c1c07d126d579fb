// git over HTTP in Express: node examples/express.ts /srv/git 8080
import express from 'express';
import type { AddressInfo } from 'node:net';
import { folder, port, serveFolder } from './repositories.ts';

const app = express();

// Before any body parser: git's bodies are streams. Express takes `/git` off the URL by itself.
app.use('/git', serveFolder(folder));
app.get('/', (_request, response) => {
  response.send('the rest of the application\n');
});

const server = app.listen(Number(port), '127.0.0.1', () => {
  console.log(`http://127.0.0.1:${(server.address() as AddressInfo).port}/git`);
});
// A push takes as long as it takes: Node's own limit of 5 minutes for a request must go.
server.requestTimeout = 0;
