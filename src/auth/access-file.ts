import { createHash, timingSafeEqual } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { AppError } from '../error.ts';

/** Who may push where, as GitTornado's access file says it. */
export interface AccessFile {
  /** Whether the file has this user with this password. Users' names are compared without regard to case. */
  knows(user: string, password: string): boolean;
  /** Whether the file lets this user push to the repository, named with or without `.git`. */
  mayPush(user: string, repo: string): boolean;
}

/** Callers that the access file does not know of: nobody may pass for them in the journal. */
const RESERVED: ReadonlySet<string> = new Set(['anonymous', 'password']);

/**
 * Parses an INI file of two sections, as Python's ConfigParser read it:
 *
 *     [users]
 *     ada = her password
 *     [access]
 *     ada = website.git, tools
 *
 * A line that starts with `#` or `;` is a comment, as is what follows ` ;`. The first `=` or `:` ends the
 * name. Blanks around repositories' names do not count, which they did in GitTornado.
 * @throws AppError BAD_USER_INPUT that names file and line
 */
export function parseAccessFile(text: string, file: string): AccessFile {
  const passwords = new Map<string, Buffer>();
  const repositories = new Map<string, ReadonlySet<string>>();
  let section: string | undefined;
  for (const [index, line] of text
    .replace(/^\uFEFF/, '')
    .split(/\r?\n/)
    .entries()) {
    const mistake = (what: string): AppError =>
      new AppError('BAD_USER_INPUT', `${file}:${index + 1}: ${what}`);
    if (/^\s*(?:[#;]|$)/.test(line)) continue;
    const header = /^\[([^\]]*)\]\s*$/.exec(line)?.[1];
    if (header !== undefined) {
      if (header !== 'users' && header !== 'access') {
        throw mistake(`there is no section [${header}]; the sections are [users] and [access]`);
      }
      section = header;
      continue;
    }
    const [, name = '', rest = ''] = /^([^=:]+)[=:](.*)$/.exec(line) ?? [];
    const user = name.trim().toLowerCase();
    if (user === '' || section === undefined) {
      throw mistake('write "NAME = VALUE" below [users] or [access]');
    }
    if (RESERVED.has(user))
      throw mistake(`${JSON.stringify(user)} is the agent's own name for a caller`);
    const value = rest.replace(/\s;.*$/, '').trim();
    if (section === 'users') {
      if (value === '') throw mistake(`the password of ${JSON.stringify(user)} is empty`);
      passwords.set(user, digest(value));
    } else {
      repositories.set(user, new Set(value.split(',').map(withoutSuffix)));
    }
  }
  return {
    knows(user, password) {
      const expected = passwords.get(user.toLowerCase());
      // Compared even for an unknown user, so that an answer's time does not tell who is known.
      const isRight = timingSafeEqual(digest(password), expected ?? digest(''));
      return isRight && expected !== undefined;
    },
    mayPush: (user, repo) =>
      repositories.get(user.toLowerCase())?.has(withoutSuffix(repo)) ?? false,
  };
}

/** @throws AppError NOT_FOUND when it cannot be read, BAD_USER_INPUT when it makes no sense */
export async function readAccessFile(file: string): Promise<AccessFile> {
  const text = await readFile(file, 'utf8').catch((error: unknown) => {
    const reason = error instanceof Error && 'code' in error ? String(error.code) : 'unknown';
    const what = reason === 'ENOENT' ? 'does not exist' : `cannot be read (${reason})`;
    throw new AppError(
      'NOT_FOUND',
      `accessfile: ${file} ${what}; correct the path, or write [users] and [access] there`,
      undefined,
      { cause: error },
    );
  });
  return parseAccessFile(text, file);
}

function withoutSuffix(name: string): string {
  return name.trim().replace(/\.git$/, '');
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
