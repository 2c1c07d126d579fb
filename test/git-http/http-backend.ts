/** `git http-backend` as the reference: one request through CGI (RFC 3875), in a few lines. */
import { spawn } from 'node:child_process';
import { configVariables } from '../../src/git/environment.ts';
import { GIT_ENVIRONMENT } from '../support/git-fixture.ts';

export interface BackendRequest {
  readonly method: string;
  /** Path and query. */
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: Buffer;
  /** Who the web server let in; the backend takes pushes from nobody else. Default: ada. */
  readonly user?: string;
  /** Default: HTTP/1.1. */
  readonly protocol?: string;
}

export interface BackendResponse {
  readonly status: number;
  /** Names in lower case. */
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** @param root the folder of the repositories */
export async function askBackend(root: string, request: BackendRequest): Promise<BackendResponse> {
  const { method, target, headers = {}, body = Buffer.alloc(0), user = 'ada' } = request;
  const [path = '', query = ''] = target.split('?');
  const variables = Object.entries(headers).map(([name, value]) => {
    const variable = name.toUpperCase().replaceAll('-', '_');
    const isOwn = variable === 'CONTENT_TYPE' || variable === 'CONTENT_LENGTH';
    return [isOwn ? variable : `HTTP_${variable}`, value];
  });
  const child = spawn('git', ['http-backend'], {
    env: {
      ...GIT_ENVIRONMENT,
      GIT_PROJECT_ROOT: root,
      GIT_HTTP_EXPORT_ALL: '1',
      ...configVariables([
        ['uploadpack.allowFilter', 'true'],
        ['uploadpack.allowAnySHA1InWant', 'true'],
        ['receive.advertisePushOptions', 'true'],
      ]),
      REQUEST_METHOD: method,
      PATH_INFO: decodeURIComponent(path),
      QUERY_STRING: query,
      SERVER_PROTOCOL: request.protocol ?? 'HTTP/1.1',
      REMOTE_USER: user,
      REMOTE_ADDR: '127.0.0.1',
      ...(Object.fromEntries(variables) as Record<string, string>),
      ...(headers['Git-Protocol'] === undefined ? {} : { GIT_PROTOCOL: headers['Git-Protocol'] }),
    },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.on('error', () => undefined);
  child.stdin.end(body);
  const chunks: Buffer[] = [];
  for await (const chunk of child.stdout) chunks.push(chunk as Buffer);
  return parseCgi(Buffer.concat(chunks));
}

function parseCgi(bytes: Buffer): BackendResponse {
  const end = bytes.indexOf('\r\n\r\n');
  const head = end === -1 ? '' : bytes.toString('latin1', 0, end);
  const fields = head.split('\r\n').map((line): [string, string] => {
    const colon = line.indexOf(':');
    return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()];
  });
  const { status = '200', ...headers } = Object.fromEntries(fields) as Record<string, string>;
  return { status: Number.parseInt(status, 10), headers, body: bytes.subarray(end + 4) };
}
