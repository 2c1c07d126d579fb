import { constants } from 'node:fs';
import { open, realpath, type FileHandle } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join, sep } from 'node:path';
import type { Repository } from '../git/repository.ts';
import { breakOff, NO_CACHE } from './answer.ts';
import { parseByteRange } from './byte-range.ts';
import { pump } from './pump.ts';
import { Refusal } from './refusal.ts';

/** An object's name says what is in it: it never changes. GitTornado's year. */
const YEAR_SECONDS = 31_556_926;

/**
 * Sends a file below a repository's objects, by the dumb protocol (gitprotocol-http(5)): with ETag and
 * Last-Modified, and a range of it if asked for.
 * @param file relative to the git directory, as `parseRoute` found it
 * @throws Refusal
 */
export async function sendObjectFile(
  repository: Repository,
  file: string,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  await using handle = await openInside(repository.commonDir, file);
  const { size, mtime, mtimeMs, ino } = await handle.stat();
  const etag = `"${ino.toString(36)}-${size.toString(36)}-${Math.round(mtimeMs).toString(36)}"`;
  const headers = {
    ...cacheHeaders(file),
    'Content-Type': contentTypeOf(file),
    ETag: etag,
    'Last-Modified': mtime.toUTCString(),
    'Accept-Ranges': 'bytes',
  };
  if (isKnown(request, etag, mtime)) {
    response.writeHead(304, headers).end();
    return;
  }
  // If-Range: the rest of what the client has a part of, or all when that has changed.
  const since = request.headers['if-range'];
  const isSame = since === undefined || since === etag || since === mtime.toUTCString();
  const range = isSame ? parseByteRange(request.headers.range, size) : null;
  if (range === 'unsatisfiable') {
    throw new Refusal(416, 'no such range', { 'Content-Range': `bytes */${size}` });
  }
  const { first, last } = range ?? { first: 0, last: size - 1 };
  response.writeHead(range === null ? 200 : 206, {
    ...headers,
    'Content-Length': last - first + 1,
    ...(range === null ? {} : { 'Content-Range': `bytes ${first}-${last}/${size}` }),
  });
  if (request.method !== 'HEAD' && size > 0) await sendBytes(handle, first, last, response);
  else response.end();
}

async function sendBytes(
  handle: FileHandle,
  start: number,
  end: number,
  response: ServerResponse,
): Promise<void> {
  const source = handle.createReadStream({ start, end, autoClose: false });
  const leave = (): void => {
    source.destroy();
  };
  response.once('close', leave);
  try {
    await pump(source, response);
    // A file that became shorter meanwhile.
    if (source.bytesRead === end - start + 1) response.end();
    else breakOff(response);
  } catch (error) {
    breakOff(response);
    throw error;
  } finally {
    response.off('close', leave);
  }
}

/** Opens a file unless it, or a folder on the way, is a link that leads out of the repository. */
async function openInside(root: string, file: string): Promise<FileHandle> {
  try {
    const path = await realpath(join(root, file));
    if (!path.startsWith(root + sep)) throw notFound();
    // Not blocking: were it a pipe, opening it would wait for a writer.
    const flags = constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK;
    const handle = await open(path, flags);
    if ((await handle.stat()).isFile()) return handle;
    await handle.close();
    throw notFound();
  } catch (error) {
    if (
      error instanceof Error &&
      'code' in error &&
      /^(?:ENOENT|ENOTDIR|ELOOP|EACCES)$/.test(String(error.code))
    )
      throw notFound();
    throw error;
  }
}

function notFound(): Refusal {
  return new Refusal(404, 'there is no such file');
}

/** RFC 9110, 13.2.2: If-None-Match first, and only without it If-Modified-Since. */
function isKnown(request: IncomingMessage, etag: string, mtime: Date): boolean {
  const { 'if-none-match': tags, 'if-modified-since': since } = request.headers;
  if (tags !== undefined) {
    const known = new Set(tags.split(',').map((tag) => tag.trim().replace(/^W\//, '')));
    return known.has(etag) || known.has('*');
  }
  return since !== undefined && Math.floor(mtime.getTime() / 1000) * 1000 <= Date.parse(since);
}

function cacheHeaders(file: string): Readonly<Record<string, string>> {
  if (file.startsWith('objects/info/')) return NO_CACHE;
  return {
    Expires: new Date(Date.now() + YEAR_SECONDS * 1000).toUTCString(),
    'Cache-Control': `public, max-age=${YEAR_SECONDS}`,
  };
}

function contentTypeOf(file: string): string {
  if (file.endsWith('.pack')) return 'application/x-git-packed-objects';
  if (file.endsWith('.idx')) return 'application/x-git-packed-objects-toc';
  if (file.startsWith('objects/info/')) return 'text/plain';
  return 'application/x-git-loose-object';
}
