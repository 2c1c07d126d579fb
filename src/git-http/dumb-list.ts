import { readdir } from 'node:fs/promises';
import type { ServerResponse } from 'node:http';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import type { Git } from '../git/git.ts';
import { readHead } from '../git/head.ts';
import type { Repository } from '../git/repository.ts';
import { breakOff, NO_CACHE } from './answer.ts';
import { pump } from './pump.ts';

export interface ListCall {
  readonly git: Git;
  readonly repository: Repository;
  readonly hideRefs: readonly string[];
  readonly signal: AbortSignal;
  readonly response: ServerResponse;
}

/**
 * Sends one of the dumb protocol's lists. `git update-server-info` would write them to files, which are
 * out of date after the next commit; we say what is true now, as git's http-backend does.
 * @throws GitCommandError
 */
export async function sendList(
  call: ListCall,
  file: 'HEAD' | 'info/refs' | 'objects/info/packs',
): Promise<void> {
  if (file === 'info/refs') await sendRefs(call);
  else if (file === 'HEAD') sendWhole(call, 'text/plain', await formatHead(call));
  else sendWhole(call, 'text/plain; charset=utf-8', await formatPacks(call.repository));
}

/** Whether a dumb file is one of those that are made, not read. */
export function isList(file: string): file is 'HEAD' | 'info/refs' | 'objects/info/packs' {
  return file === 'HEAD' || file === 'info/refs' || file === 'objects/info/packs';
}

async function formatHead({ git, repository, signal }: ListCall): Promise<string> {
  const { branch, oid } = await readHead(git, repository, signal);
  return branch === null ? `${oid ?? ''}\n` : `ref: refs/heads/${branch}\n`;
}

/** Only packs whose index is there: a dumb client cannot use, and git is still writing, any other. */
async function formatPacks(repository: Repository): Promise<string> {
  const names = await readdir(join(repository.commonDir, 'objects/pack')).catch(() => []);
  const all = new Set(names);
  const packs = names.filter(
    (name) => /^pack-[0-9a-f]+\.pack$/.test(name) && all.has(name.replace(/\.pack$/, '.idx')),
  );
  return `${packs.map((name) => `P ${name}\n`).join('')}\n`;
}

const PEELED = '%(if)%(*objectname)%(then)%0a%(*objectname)%09%(refname)^{}%(end)';

async function sendRefs({ git, repository, hideRefs, signal, response }: ListCall): Promise<void> {
  const format = `--format=%(objectname)%09%(refname)${PEELED}`;
  const child = await git.spawn(repository, ['for-each-ref', format], { intent: 'read', signal });
  child.stdin.end();
  const lines = Readable.from(dropHidden(child.stdout, hideRefs), { objectMode: false });
  const begin = (): void => {
    response.writeHead(200, { ...NO_CACHE, 'Content-Type': 'text/plain; charset=utf-8' });
  };
  await pump(lines, response, () => {
    if (!response.headersSent && !response.destroyed) begin();
  });
  const { exitCode } = await child.ended;
  if (response.destroyed) return;
  if (exitCode === 0) {
    if (!response.headersSent) begin();
    response.end();
  } else if (response.headersSent) breakOff(response);
  else throw new Error(`git for-each-ref failed (exit code ${exitCode})`);
}

/** Passes on all lines `OID TAB NAME` but those of hidden refs, as bytes. */
async function* dropHidden(
  source: Readable,
  hideRefs: readonly string[],
): AsyncGenerator<Buffer, void, void> {
  const isShown = (line: string): boolean => {
    const name = line.slice(line.indexOf('\t') + 1);
    return !hideRefs.some((hidden) => name === hidden || name.startsWith(`${hidden}/`));
  };
  let rest = '';
  for await (const chunk of source) {
    const lines = (rest + (chunk as Buffer).toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    const shown = lines.filter(isShown).map((line) => `${line}\n`);
    if (shown.length > 0) yield Buffer.from(shown.join(''), 'latin1');
  }
}

function sendWhole({ response }: ListCall, contentType: string, text: string): void {
  const body = Buffer.from(text);
  response.writeHead(200, {
    ...NO_CACHE,
    'Content-Type': contentType,
    'Content-Length': body.length,
  });
  response.end(response.req.method === 'HEAD' ? undefined : body);
}
