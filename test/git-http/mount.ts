/** Every way to mount the handler that we promise to work; the suites loop over them. */
import { getRequestListener, type HttpBindings } from '@hono/node-server';
import { RESPONSE_ALREADY_SENT } from '@hono/node-server/utils/response';
import express from 'express';
import { fastify } from 'fastify';
import { Hono } from 'hono';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { GitHttpHandler } from '../../src/git-http/index.ts';

export interface Mounted {
  /** Without a slash at its end; a repository's name follows it. */
  readonly url: string;
  close(): Promise<void>;
}

export interface Mount {
  readonly name: string;
  /** What the handler has to be told as its `prefix`. */
  readonly prefix: string;
  listen(handler: GitHttpHandler): Promise<Mounted>;
}

export const plain: Mount = {
  name: 'node:http',
  prefix: '',
  listen: async (handler) => await listenOn(createServer(SETTINGS, handler), ''),
};

/** Others answer 418 what is not git's. */
export const behindPrefix: Mount = {
  name: 'node:http behind a path prefix',
  prefix: '/code/git',
  listen: async (handler) =>
    await listenOn(
      createServer(SETTINGS, (request, response) => {
        handler(request, response, () => response.writeHead(418).end('not git\n'));
      }),
      '/code/git',
    ),
};

const inExpress: Mount = {
  name: 'Express',
  prefix: '', // Express takes its own part off the URL.
  listen: async (handler) => {
    const app = express();
    app.use('/git', handler);
    return await listenOn(createServer(SETTINGS, app), '/git');
  },
};

const inFastify: Mount = {
  name: 'Fastify',
  prefix: '/git',
  listen: async (handler) => {
    const app = fastify(SETTINGS);
    app.removeAllContentTypeParsers();
    app.addContentTypeParser('*', (_request, _payload, done) => {
      done(null);
    });
    app.all('/git/*', (request, reply) => {
      reply.hijack();
      handler(request.raw, reply.raw);
    });
    await app.ready();
    return await listenOn(app.server, '/git');
  },
};

const inHono: Mount = {
  name: 'Hono',
  prefix: '/git',
  listen: async (handler) => {
    const app = new Hono<{ Bindings: HttpBindings }>();
    app.all('/git/*', ({ env }) => {
      handler(env.incoming, env.outgoing);
      return RESPONSE_ALREADY_SENT;
    });
    const listener = getRequestListener(app.fetch);
    return await listenOn(
      createServer(SETTINGS, (request, response) => void listener(request, response)),
      '/git',
    );
  },
};

export const mounts: readonly Mount[] = [plain, behindPrefix, inExpress, inFastify, inHono];

/** A push takes as long as it takes. */
export const SETTINGS = { requestTimeout: 0 };

/** Listens on any free port of loopback. */
export async function listenOn(
  server: Server | { listen: Server['listen'] },
  path: string,
): Promise<Mounted> {
  const listening = await new Promise<Server>((resolve, reject) => {
    const started = server.listen(0, '127.0.0.1', () => {
      resolve(started);
    });
    started.once('error', reject);
  });
  const { port } = listening.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}${path}`,
    close: async () => {
      await new Promise<void>((resolve) => {
        listening.close(() => {
          resolve();
        });
        listening.closeAllConnections();
      });
    },
  };
}
