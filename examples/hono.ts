// git over HTTP in Hono on Node: node examples/hono.ts /srv/git 8080
import { serve, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import { Hono } from 'hono';
import { folder, port, serveFolder } from './repositories.ts';

const app = new Hono<{ Bindings: HttpBindings }>();
const git = serveFolder(folder, '/git');

app.all('/git/*', ({ env }) => {
  git(env.incoming, env.outgoing);
  return RESPONSE_ALREADY_SENT;
});
app.get('/', (context) => context.text('the rest of the application\n'));

serve(
  {
    fetch: app.fetch,
    port: Number(port),
    hostname: '127.0.0.1',
    // A push takes as long as it takes: Node's own limit of 5 minutes for a request must go.
    serverOptions: { requestTimeout: 0 },
  },
  (address) => {
    console.log(`http://127.0.0.1:${address.port}/git`);
  },
);
