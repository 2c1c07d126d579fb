import type { ServerResponse } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { GitCommandError } from '../git/git-command-error.ts';
import type { GitConfig } from '../git/environment.ts';
import type { GitOutcome, GitProcess, GitWriter } from '../git/git-process.ts';
import type { Git, SpawnOptions } from '../git/git.ts';
import type { Repository } from '../git/repository.ts';
import { breakOff, NO_CACHE, sendText } from './answer.ts';
import type { Exchange } from './exchange.ts';
import type { ServedRepository } from './options.ts';
import { pump } from './pump.ts';
import type { Service } from './route.ts';

/** A request that was let in, and all that its answer needs. */
export interface ServiceCall extends Exchange {
  readonly git: Git;
  readonly service: Service;
  readonly served: ServedRepository;
  readonly repository: Repository;
  /** As `authorize` named it. */
  readonly caller: string | undefined;
  readonly config: GitConfig;
  readonly gitProtocol: string | null;
  readonly onError: (error: unknown) => void;
}

interface SpawnSettings {
  readonly signal?: AbortSignal;
  readonly graceMs?: number;
}

/** Starts one of the two services in this call's repository. */
export async function spawnService(
  call: ServiceCall,
  option: '--http-backend-info-refs' | '--stateless-rpc',
  settings: SpawnSettings = {},
): Promise<GitProcess> {
  const { args, options } = commandOf(call, option, settings);
  return await call.git.spawn(call.repository, args, options);
}

/** The same, with the connection as its standard output. */
export async function spawnServiceInto(
  connection: Socket,
  call: ServiceCall,
  option: '--stateless-rpc',
): Promise<GitWriter> {
  const { args, options } = commandOf(call, option, {});
  return await call.git.spawnInto(connection, call.repository, args, options);
}

function commandOf(
  call: ServiceCall,
  option: string,
  settings: SpawnSettings,
): { args: string[]; options: SpawnOptions } {
  const { service, repository, served } = call;
  const isPush = service === 'git-receive-pack';
  return {
    args: isPush
      ? ['receive-pack', option, repository.gitDir]
      : ['upload-pack', '--strict', option, repository.gitDir],
    options: {
      intent: isPush ? (served.hooks === true ? 'operate' : 'receive') : 'read',
      signal: settings.signal ?? call.signal,
      graceMs: settings.graceMs ?? 0,
      config: call.config,
      env: { ...callerVariables(call), ...protocolVariable(call.gitProtocol) },
    },
  };
}

/** What git's http-backend tells hooks and reflogs about who pushes. */
function callerVariables({ caller, request }: ServiceCall): Record<string, string> {
  // oxlint-disable-next-line no-control-regex -- an identity in a reflog is one line, without brackets
  const name = caller?.replaceAll(/[<>\u0000-\u001f\u007f]/g, '') ?? '';
  const address = request.socket.remoteAddress ?? '';
  return {
    ...(name === '' ? {} : { REMOTE_USER: name }),
    REMOTE_ADDR: address,
    GIT_COMMITTER_NAME: name || 'anonymous',
    GIT_COMMITTER_EMAIL: `${name || 'anonymous'}@http.${address || '(none)'}`,
  };
}

function protocolVariable(gitProtocol: string | null): Record<string, string> {
  return gitProtocol === null ? {} : { GIT_PROTOCOL: gitProtocol };
}

/** How the answer of a service begins. */
export interface Opening {
  readonly contentType: string;
  /** Sent before git's own first byte. */
  readonly prelude?: Buffer;
}

/** Sends what git prints. The status waits for git's first byte, and the end for its exit code. */
export async function sendOutput(
  child: GitProcess,
  response: ServerResponse,
  opening: Opening,
  onChunk?: (chunk: Buffer) => void,
): Promise<GitOutcome> {
  await pump(child.stdout, response, (chunk) => {
    if (!response.headersSent) open(response, opening);
    onChunk?.(chunk);
  });
  return await child.ended;
}

export function open(response: ServerResponse, { contentType, prelude }: Opening): void {
  if (response.destroyed) return;
  response.writeHead(200, { ...NO_CACHE, 'Content-Type': contentType });
  if (prelude !== undefined) response.write(prelude);
}

/**
 * Ends an answer by how git ended. What git wrote to stderr goes to our log, never to the client.
 * @param isRequestsFault whether the request was cut short: then, without output, git's http-backend
 * answers 200 and nothing, and so do we
 */
export function finish(
  call: ServiceCall,
  outcome: GitOutcome,
  opening: Opening,
  isRequestsFault = false,
): void {
  const { response } = call;
  if (response.destroyed) return;
  if (outcome.exitCode === 0 || (isRequestsFault && !response.headersSent)) {
    if (!response.headersSent) open(response, opening);
    response.end();
    return;
  }
  if (!call.signal.aborted) call.onError(toError(call, outcome));
  if (response.headersSent) breakOff(response);
  else if (call.signal.aborted) sendText(response, 503, 'the server is stopping');
  else sendText(response, 500, "git failed in this repository; the server's log says why");
}

export function toError(call: ServiceCall, { exitCode, signal, stderr }: GitOutcome): Error {
  return new GitCommandError({
    args: [call.service.replace('git-', ''), call.repository.gitDir],
    exitCode,
    signal,
    stderr,
    timedOut: false,
    isCanceled: call.signal.aborted,
    isTruncated: false,
  });
}

/**
 * Gives git a request's body as it comes. Resolves with what is wrong with the body (it is no gzip, too
 * large, cut off), or null: when git has it all, or wants no more of it.
 */
export async function feed(stream: Readable, child: GitWriter): Promise<Error | null> {
  return await new Promise((resolve) => {
    const fail = (error: Error): void => {
      child.stdin.destroy();
      resolve(error);
    };
    if (stream.errored !== null) {
      fail(stream.errored);
      return;
    }
    stream.once('error', fail);
    child.stdin.once('close', () => {
      stream.unpipe(child.stdin);
      resolve(null);
    });
    stream.pipe(child.stdin);
  });
}
