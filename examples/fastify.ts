// git over HTTP in Fastify: node examples/fastify.ts /srv/git 8080
import { fastify } from 'fastify';
import { folder, port, serveFolder } from './repositories.ts';

const app = fastify({ requestTimeout: 0 });
const git = serveFolder(folder, '/git');

await app.register(async (routes) => {
  // In this scope only: Fastify must leave the bodies alone, for git's are streams.
  routes.removeAllContentTypeParsers();
  routes.addContentTypeParser('*', (_request, _payload, done) => {
    done(null);
  });
  routes.all('/git/*', (request, reply) => {
    reply.hijack();
    git(request.raw, reply.raw);
  });
});
app.get('/', async () => await Promise.resolve('the rest of the application\n'));

console.log(`${await app.listen({ port: Number(port), host: '127.0.0.1' })}/git`);
