import { once } from 'node:events';
import type { ServerResponse } from 'node:http';
import type { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGzip } from 'node:zlib';
import { requireScope } from '../auth/caller.ts';
import { openArchive, type ArchiveFormat } from '../git/archive.ts';
import { getBlob, openBlob } from '../git/blob-stream.ts';
import { parseTreePath } from '../git/git-path.ts';
import type { GitProcess } from '../git/git-process.ts';
import { isOid, type Oid } from '../git/oid.ts';
import type { Repository } from '../git/repository.ts';
import { resolveCommit } from '../git/revision.ts';
import { parseByteRange } from '../git-http/byte-range.ts';
import { watchExchange } from '../git-http/exchange.ts';
import { createLimiter, type Limits } from '../git-http/limiter.ts';
import type { Services } from '../schema/context.ts';
import { sendProblem } from './respond.ts';
import type { Exchange, Route } from './rest-route.ts';

/** Archives and files that are sent at once; others wait. One caller's slow clients keep nobody else waiting. */
const LIMITS: Limits = {
  total: 32,
  perRepository: 24,
  perCaller: 8,
  waiting: 500,
  waitingPerCaller: 100,
  waitMs: 60_000,
};
/** Who takes nothing for so long has gone, and the git child with him. */
const STALL_MS = 60_000;
/** What git looks at to tell text from binary. */
const SNIFF_BYTES = 8000;

/** Paths that no repository's own files can be taken for, whatever they end with. */
export const RAW_PATH = /^\/repo\/([^/]+)\/raw\/([^/]+)\/(.+)$/;
const ARCHIVE_PATH = /^\/repo\/([^/]+)\/archive\/([^/]+)\.(tar\.gz|zip)$/;

const ARCHIVE_TYPES: Readonly<Record<string, string>> = {
  'tar.gz': 'application/gzip',
  zip: 'application/zip',
};

/** `GET /repo/NAME/archive/REVISION.tar.gz`, `.zip`, and `GET /repo/NAME/raw/REVISION/PATH`. */
export function contentRoutes({ git, repositories }: Services): readonly Route[] {
  const limiter = createLimiter(LIMITS);

  /** Waits for a place, and leaves when the client has gone or stalls. @throws AppError LIMIT_EXCEEDED */
  async function stream(
    { request, response, caller }: Exchange,
    { commonDir }: Repository,
    send: (signal: AbortSignal) => Promise<void>,
  ): Promise<void> {
    const { signal } = watchExchange(request, response, STALL_MS, new AbortController().signal);
    const isKnownCaller = caller.name !== 'anonymous';
    const leave = await limiter.enter({
      repository: commonDir,
      caller: isKnownCaller ? caller.name : `address ${request.socket.remoteAddress ?? ''}`,
      hasBegun: false,
      signal,
    });
    try {
      await send(signal);
    } finally {
      leave();
    }
  }

  async function sendArchive(exchange: Exchange): Promise<void> {
    requireScope(exchange.caller, 'read');
    const { request, response, params } = exchange;
    const [name = '', revision = '', ending = ''] = params;
    const { repository } = repositories.get(name);
    const commit = await resolveCommit(git, repository, revision, exchange.signal);
    const folder = `${fileName(name)}-${fileName(revision)}`;
    const headers = {
      'Content-Type': ARCHIVE_TYPES[ending] ?? '',
      'Content-Disposition': `attachment; filename="${folder}.${ending}"`,
      // Weak: another zlib may compress the same files otherwise.
      ETag: `W/"${commit}-${folder}.${ending}"`,
      'Cache-Control': cacheControl(revision, commit),
    };
    if (isKnown(request.headers['if-none-match'], headers.ETag)) {
      response.writeHead(304, headers).end();
      return;
    }
    if (request.method === 'HEAD') {
      response.writeHead(200, headers).end();
      return;
    }
    const format: ArchiveFormat = ending === 'zip' ? 'zip' : 'tar';
    await stream(exchange, repository, async (signal) => {
      const child = await openArchive(git, repository, commit, { format, prefix: `${folder}/`, signal }); // prettier-ignore
      child.stdin.end();
      await waitForOutput(child);
      response.writeHead(200, headers);
      const stages = ending === 'zip' ? [] : [createGzip()];
      await finish(child, response, signal, async () => {
        await pipeline([child.stdout, ...stages, response], { end: false, signal });
        const { exitCode, stderr } = await child.ended;
        if (exitCode !== 0) throw new Error(`git archive failed: ${stderr}`);
      });
    });
  }

  async function sendRaw(exchange: Exchange): Promise<void> {
    requireScope(exchange.caller, 'read');
    const { request, response, params } = exchange;
    const [name = '', revision = '', path = ''] = params;
    const { repository } = repositories.get(name);
    const commit = await resolveCommit(git, repository, revision, exchange.signal);
    const treePath = parseTreePath(Buffer.from(path));
    const blob = await getBlob(git, repository, commit, treePath, exchange.signal);
    const headers = {
      ETag: `"${blob.oid}"`,
      'Cache-Control': cacheControl(revision, commit),
      'Accept-Ranges': 'bytes',
      // Whatever it is, a browser must not run it as a page of ours.
      'Content-Security-Policy': "default-src 'none'; sandbox",
      'Cross-Origin-Resource-Policy': 'same-origin',
    };
    if (isKnown(request.headers['if-none-match'], headers.ETag)) {
      response.writeHead(304, headers).end();
      return;
    }
    const since = request.headers['if-range'];
    const range = since === undefined || since === headers.ETag ? parseByteRange(request.headers.range, blob.size) : null; // prettier-ignore
    if (range === 'unsatisfiable') {
      const bounds = { 'Content-Range': `bytes */${blob.size}` };
      sendProblem(response, 416, `this file has ${blob.size} bytes`, {}, bounds);
      return;
    }
    const { first, last } = range ?? { first: 0, last: blob.size - 1 };
    await stream(exchange, repository, async (signal) => {
      const enough = new AbortController();
      const all = AbortSignal.any([signal, enough.signal]);
      const child = await openBlob(git, repository, blob.oid, all);
      child.stdin.end();
      const head = await waitForOutput(child);
      response.writeHead(range === null ? 200 : 206, {
        ...headers,
        'Content-Type': head.subarray(0, SNIFF_BYTES).includes(0) ? 'application/octet-stream' : 'text/plain; charset=utf-8', // prettier-ignore
        'Content-Length': last - first + 1,
        ...(range === null ? {} : { 'Content-Range': `bytes ${first}-${last}/${blob.size}` }),
      });
      if (request.method === 'HEAD') {
        enough.abort();
        await child.ended;
        response.end();
        return;
      }
      await finish(child, response, signal, async () => {
        await sendPart(child.stdout, response, first, last, signal);
        enough.abort();
      });
    });
  }

  return [
    { method: 'GET', path: ARCHIVE_PATH, answer: sendArchive },
    { method: 'GET', path: RAW_PATH, answer: sendRaw },
  ];
}

/** What git prints first stays to be read. No status is sent before: git may fail instead. */
async function waitForOutput({ stdout, ended }: GitProcess): Promise<Buffer> {
  await once(stdout, 'readable');
  const chunk: unknown = stdout.read();
  if (Buffer.isBuffer(chunk)) {
    stdout.unshift(chunk);
    return chunk;
  }
  const { exitCode, stderr } = await ended;
  if (exitCode !== 0) throw new Error(`git failed before it sent anything: ${stderr}`);
  return Buffer.alloc(0);
}

/** Sends, and ends the answer only if all was sent: what breaks off must not look whole. */
async function finish(
  child: GitProcess,
  response: ServerResponse,
  signal: AbortSignal,
  send: () => Promise<void>,
): Promise<void> {
  let isSent = false;
  try {
    await send();
    isSent = true;
  } catch (error) {
    if (!signal.aborted) throw error;
  } finally {
    child.stdout.destroy();
    if (isSent) response.end();
    else response.destroy();
    await child.ended;
  }
}

async function sendPart(
  source: Readable,
  response: ServerResponse,
  first: number,
  last: number,
  signal: AbortSignal,
): Promise<void> {
  let at = 0;
  for await (const chunk of source) {
    if (!Buffer.isBuffer(chunk)) throw new Error('a pipe without encoding gives buffers');
    const part = chunk.subarray(Math.max(0, first - at), Math.max(0, last + 1 - at));
    at += chunk.length;
    if (part.length > 0 && !response.write(part)) await once(response, 'drain', { signal });
    if (at > last) return;
  }
  if (at <= last) throw new Error('git cat-file ended too early');
}

/** A full hash always means the same. */
function cacheControl(revision: string, commit: Oid): string {
  return isOid(revision) && revision === commit
    ? 'private, max-age=31536000, immutable'
    : 'private, no-cache';
}

function isKnown(tags: string | undefined, etag: string): boolean {
  const strong = etag.replace(/^W\//, '');
  const known = new Set((tags ?? '').split(',').map((tag) => tag.trim().replace(/^W\//, '')));
  return known.has(strong) || known.has('*');
}

/** What can stand in a header and in every file system. */
function fileName(text: string): string {
  return text.replaceAll(/[^A-Za-z0-9._-]/g, '-').slice(0, 100);
}
