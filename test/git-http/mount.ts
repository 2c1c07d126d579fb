/** Every way to mount the handler that we promise to work; the suites loop over them. */
import { createServer, type RequestListener, type Server } from 'node:http';
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

const behindPrefix: Mount = {
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

export const mounts: readonly Mount[] = [plain, behindPrefix];

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

export type { RequestListener };
