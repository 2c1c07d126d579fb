import type { IncomingMessage, ServerResponse } from 'node:http';
import { promisify } from 'node:util';
import { gunzip } from 'node:zlib';
import { Worker } from 'node:worker_threads';
import { send } from './respond.ts';

/** Serves GraphiQL, complete and without any other host. */
export type GraphiQLHandler = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

/** What `graphiql-page.ts` posts. */
export interface GraphiQLPage {
  readonly gzip: Uint8Array;
  readonly etag: string;
}

/** What it is given. */
export interface GraphiQLPageData {
  /** The repository that the examples name. */
  readonly repo: string;
}

/**
 * The page is 9 MB of script, and rendering it loads 50 MB of module. That is done in a worker that ends,
 * at the first request; what stays is the compressed page.
 */
export function createGraphiQLHandler(data: GraphiQLPageData): GraphiQLHandler {
  let page: Promise<GraphiQLPage> | undefined;
  return async (request, response) => {
    page ??= renderPage(data).catch((error: unknown) => {
      page = undefined; // The next request tries again.
      throw error;
    });
    const { gzip, etag } = await page;
    const caching = { Etag: etag, 'Cache-Control': 'no-cache', Vary: 'Accept, Accept-Encoding' };
    if (request.headers['if-none-match'] === etag) {
      response.writeHead(304, caching).end();
      return;
    }
    const type = 'text/html; charset=utf-8';
    if (/\bgzip\b/.test(request.headers['accept-encoding']?.toString() ?? '')) {
      send(response, 200, type, Buffer.from(gzip), { 'Content-Encoding': 'gzip', ...caching });
    } else {
      send(response, 200, type, await promisify(gunzip)(gzip), caching);
    }
  };
}

/** Whether a browser asks for the page, rather than a program for data. */
export function wantsPage(request: IncomingMessage): boolean {
  const isQuery = /[?&]query=/.test(request.url ?? '');
  return (
    request.method === 'GET' && !isQuery && /\btext\/html\b/.test(request.headers.accept ?? '')
  );
}

async function renderPage(workerData: GraphiQLPageData): Promise<GraphiQLPage> {
  // Beside this file, with its ending: .ts as developed, .js as published.
  const script = new URL(import.meta.url.replace(/graphiql(\.[jt]s)$/, 'graphiql-page$1'));
  return await new Promise((resolve, reject) => {
    const worker = new Worker(script, { workerData });
    worker.once('message', resolve);
    worker.once('error', reject);
  });
}
