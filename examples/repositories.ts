import { timingSafeEqual } from 'node:crypto';
import { stat } from 'node:fs/promises';
import { join, resolve } from 'node:path';
// In a program of your own: from 'gitagent/git-http'.
import { createGitHttpHandler, type GitHttpHandler } from '../src/git-http/index.ts';

/**
 * Serves the repositories of one folder. Everybody may read; pushing needs the name and password that
 * `GIT_USER` and `GIT_PASSWORD` say.
 */
export function serveFolder(folder: string, prefix = ''): GitHttpHandler {
  const expected = `${process.env['GIT_USER'] ?? ''}:${process.env['GIT_PASSWORD'] ?? ''}`;
  return createGitHttpHandler({
    prefix,
    async resolve({ name }) {
      // `name` never has `..` or an empty part in it. One part is enough here.
      if (name === '' || name.includes('/')) return null;
      const path = join(resolve(folder), name);
      const exists = await stat(join(path, 'HEAD')).catch(() => null);
      return exists === null ? null : { path };
    },
    authorize({ request, service }) {
      if (service === 'git-upload-pack') return { kind: 'allow' };
      const given = /^basic +(\S+)$/i.exec(request.headers.authorization ?? '')?.[1] ?? '';
      const pair = Buffer.from(given, 'base64');
      const isRight =
        pair.length === Buffer.byteLength(expected) && timingSafeEqual(pair, Buffer.from(expected));
      if (!isRight || expected === ':') return { kind: 'challenge', realm: 'example' };
      return { kind: 'allow', caller: pair.toString().split(':')[0] ?? '' };
    },
    onError(error) {
      console.error(error);
    },
  });
}

/** `node examples/NAME.ts FOLDER [PORT]` */
export const [folder = '.', port = '8080'] = process.argv.slice(2);
