/**
 * What every client can see of the smart protocol, request by request, on raw sockets. Each case is also
 * put to `git http-backend`: status, headers and body must be the same, but for what is said beside it.
 */
import assert from 'node:assert/strict';
import { cp } from 'node:fs/promises';
import { test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { createPktLineSplitter, PktLineError } from '../../src/git-http/pkt-line.ts';
import { openConnection, type RawResponse } from '../support/raw-http.ts';
import { git, initRepository, runGit, writeCommit, type Fixture } from '../support/git-fixture.ts';
import { askBackend } from './http-backend.ts';
import { createGitScene, type GitScene } from './scene.ts';

const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
const FLUSH = '0000';
const DELIMITER = '0001';
const ZERO = '0'.repeat(40);

const FETCH = { 'Content-Type': 'application/x-git-upload-pack-request' };
const PUSH = { 'Content-Type': 'application/x-git-receive-pack-request' };
const V1 = { 'Git-Protocol': 'version=1' };
const V2 = { 'Git-Protocol': 'version=2' };
const GZIP = { 'Content-Encoding': 'gzip' };

interface Case {
  readonly title: string;
  readonly method?: string;
  readonly target: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** Of the one commit in the repository, and of another object. */
  readonly body?: (oid: string, repository: string) => Buffer | string | Promise<Buffer>;
  /** How the body is sent. Default: `Content-Length`. */
  readonly framing?: 'chunked' | 'expect';
  readonly protocol?: 'HTTP/1.0';
  /** Where we do something else than the backend, on purpose; and why. */
  readonly instead?: {
    readonly status: number;
    readonly because: string;
    readonly body?: RegExp;
  };
}

const upload = (title: string, rest: Partial<Case>): Case => ({
  title: `git-upload-pack: ${title}`,
  method: 'POST',
  target: '/site.git/git-upload-pack',
  ...rest,
  headers: { ...FETCH, ...rest.headers },
});
const receive = (title: string, rest: Partial<Case>): Case => ({
  title: `git-receive-pack: ${title}`,
  method: 'POST',
  target: '/site.git/git-receive-pack',
  ...rest,
  headers: { ...PUSH, ...rest.headers },
});

const want = (oid: string, capabilities = ''): string => pkt(`want ${oid}${capabilities}\n`);
const lsRefs = `${pkt('command=ls-refs\n')}${pkt('object-format=sha1')}${DELIMITER}${pkt('peel\n')}${pkt('symrefs\n')}${FLUSH}`;
const command = (before: string, after: string, name: string, capabilities: string): string =>
  pkt(`${before} ${after} ${name}\0${capabilities}`);
const REPORT = ' report-status side-band-64k object-format=sha1 agent=test';

/** A pack of what the commit `oid` reaches, as a client would send it. */
async function packOf(repository: string, oid: string): Promise<Buffer> {
  return await runGit(
    repository,
    ['pack-objects', '--revs', '--stdout', '--quiet', '--threads=1'],
    {
      input: `${oid}\n`,
    },
  );
}

const cases: readonly Case[] = [
  // gitprotocol-http(5), "Discovering References"
  { title: 'info/refs for a fetch', target: '/site.git/info/refs?service=git-upload-pack' },
  { title: 'info/refs for a push', target: '/site.git/info/refs?service=git-receive-pack' },
  {
    title: 'info/refs, version 1',
    target: '/site.git/info/refs?service=git-upload-pack',
    headers: V1,
  },
  {
    title: 'info/refs, version 2',
    target: '/site.git/info/refs?service=git-upload-pack',
    headers: V2,
  },
  {
    title: 'info/refs, the highest of several versions',
    target: '/site.git/info/refs?service=git-upload-pack',
    headers: { 'Git-Protocol': 'version=1:version=2' },
  },
  {
    title: 'info/refs, a version nobody knows',
    target: '/site.git/info/refs?service=git-upload-pack',
    headers: { 'Git-Protocol': 'version=9' },
  },
  {
    title: 'info/refs for a push, version 1',
    target: '/site.git/info/refs?service=git-receive-pack',
    headers: V1,
  },
  {
    title: 'info/refs of an empty repository',
    target: '/empty.git/info/refs?service=git-upload-pack',
  },
  {
    title: 'info/refs of an empty repository, for a push',
    target: '/empty.git/info/refs?service=git-receive-pack',
  },
  {
    title: 'info/refs of a SHA-256 repository',
    target: '/sha256.git/info/refs?service=git-upload-pack',
  },
  {
    title: 'info/refs of a SHA-256 repository, version 2',
    target: '/sha256.git/info/refs?service=git-upload-pack',
    headers: V2,
  },
  {
    title: 'info/refs, HTTP/1.0',
    target: '/site.git/info/refs?service=git-upload-pack',
    protocol: 'HTTP/1.0',
  },
  {
    title: 'info/refs, the last of two services',
    target: '/site.git/info/refs?service=git-upload-pack&service=git-receive-pack',
  },
  {
    title: 'info/refs of a name with a blank and letters of another alphabet',
    target: '/sp%20ace%20%D0%B6.git/info/refs?service=git-upload-pack',
  },
  {
    title: 'info/refs of a nested name',
    target: '/team/site.git/info/refs?service=git-upload-pack',
  },
  {
    title: 'HEAD of info/refs',
    method: 'HEAD',
    target: '/site.git/info/refs?service=git-upload-pack',
  },

  // What does not exist
  { title: 'an unknown service', target: '/site.git/info/refs?service=git-bogus' },
  { title: 'a service that is an option', target: '/site.git/info/refs?service=git---exec-path' },
  { title: 'a service that is another command', target: '/site.git/info/refs?service=git-gc' },
  { title: 'a service without git-', target: '/site.git/info/refs?service=upload-pack' },
  { title: 'an empty service', target: '/site.git/info/refs?service=' },
  { title: 'no repository', target: '/none.git/info/refs?service=git-upload-pack' },
  upload('no repository', { target: '/none.git/git-upload-pack' }),
  { title: 'a file of the repository', target: '/site.git/config' },
  { title: 'another service to POST to', method: 'POST', target: '/site.git/git-upload-archive' },
  {
    title: 'a path that climbs',
    target: '/site.git/../site.git/info/refs?service=git-upload-pack',
    instead: {
      status: 404,
      because: 'the backend fails with 500 ("aliased"); there is just no such name',
    },
  },
  {
    title: 'a path with an empty part',
    target: '//site.git/info/refs?service=git-upload-pack',
    instead: { status: 404, because: 'the backend fails with 500 ("aliased")' },
  },

  // Methods
  {
    title: 'POST to info/refs',
    method: 'POST',
    target: '/site.git/info/refs?service=git-upload-pack',
  },
  { title: 'DELETE of info/refs', method: 'DELETE', target: '/site.git/info/refs' },
  { title: 'GET of a service', target: '/site.git/git-upload-pack' },
  { title: 'HEAD of a service', method: 'HEAD', target: '/site.git/git-receive-pack' },
  { title: 'PUT to a service', method: 'PUT', target: '/site.git/git-receive-pack' },
  {
    title: 'GET of a service, HTTP/1.0',
    target: '/site.git/git-upload-pack',
    protocol: 'HTTP/1.0',
  },

  // Content types
  upload('no content type', { headers: { 'Content-Type': '' }, body: () => FLUSH }),
  upload('a form', {
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: () => 'a=b',
  }),
  upload('text', { headers: { 'Content-Type': 'text/plain' }, body: () => FLUSH }),
  upload("the other service's", { headers: PUSH, body: () => FLUSH }),
  upload('with a parameter', {
    headers: { 'Content-Type': `${FETCH['Content-Type']}; charset=utf-8` },
    body: () => FLUSH,
  }),
  receive("the other service's", { headers: FETCH, body: () => FLUSH }),

  // Fetches
  upload('a clone', { body: (oid) => `${want(oid)}${FLUSH}${pkt('done\n')}` }),
  upload('a clone with the side band', {
    body: (oid) => `${want(oid, ' side-band-64k no-progress ofs-delta')}${FLUSH}${pkt('done\n')}`,
  }),
  upload('a shallow clone', {
    body: (oid) => `${want(oid, ' shallow')}${pkt('deepen 1')}${FLUSH}${pkt('done\n')}`,
  }),
  upload('the depth alone', {
    body: (oid) => `${want(oid, ' shallow')}${pkt('deepen 1')}${FLUSH}`,
  }),
  upload('a negotiation that goes on', {
    body: (oid) =>
      `${want(oid, ' multi_ack_detailed')}${FLUSH}${pkt(`have ${'1'.repeat(40)}\n`)}${FLUSH}`,
  }),
  upload('chunked', { framing: 'chunked', body: (oid) => `${want(oid)}${FLUSH}${pkt('done\n')}` }),
  upload('Expect: 100-continue', {
    framing: 'expect',
    body: (oid) => `${want(oid)}${FLUSH}${pkt('done\n')}`,
  }),
  upload('gzip', {
    headers: GZIP,
    body: (oid) => gzipSync(`${want(oid)}${FLUSH}${pkt('done\n')}`),
  }),
  upload('x-gzip, chunked', {
    framing: 'chunked',
    headers: { 'Content-Encoding': 'x-gzip' },
    body: (oid) => gzipSync(`${want(oid)}${FLUSH}${pkt('done\n')}`),
  }),
  upload('HTTP/1.0', {
    protocol: 'HTTP/1.0',
    body: (oid) => `${want(oid)}${FLUSH}${pkt('done\n')}`,
  }),
  upload('ls-refs, version 2', { headers: V2, body: () => lsRefs }),
  upload('fetch, version 2', {
    headers: V2,
    body: (oid) =>
      `${pkt('command=fetch')}${pkt('object-format=sha1')}${DELIMITER}${pkt('no-progress')}${pkt(`want ${oid}\n`)}${pkt('done\n')}${FLUSH}`,
  }),
  upload('nothing at all, version 2', { headers: V2, body: () => '' }),
  upload('a mark alone', { body: () => FLUSH }),

  // Bodies that end too early
  upload('nothing at all', { body: () => '' }),
  upload('a line cut short', { body: () => '0032want' }),
  upload('no end of the wants', { body: (oid) => want(oid) }),
  upload('a line cut short, version 2', { headers: V2, body: () => '0014command=ls-refs' }),
  receive('nothing at all', { body: () => '' }),
  receive('a line cut short', { body: () => '00a8000000' }),
  receive('no end of the commands', {
    body: (oid) => command(ZERO, oid, 'refs/heads/new', REPORT),
  }),
  receive('no pack', {
    body: () => command(ZERO, '1'.repeat(40), 'refs/heads/new', REPORT) + FLUSH,
  }),
  receive('half a pack', {
    body: async (oid, repository) => {
      const pack = await packOf(repository, oid);
      const head = command(ZERO, '1'.repeat(40), 'refs/heads/new', REPORT) + FLUSH;
      return Buffer.concat([Buffer.from(head), pack.subarray(0, pack.length - 30)]);
    },
  }),
  upload('half a gzip', {
    headers: GZIP,
    body: (oid) => gzipSync(`${want(oid)}${FLUSH}${pkt('done\n')}`).subarray(0, 30),
    instead: { status: 400, because: 'the backend has said 200 before it finds out' },
  }),
  upload('no gzip', {
    headers: GZIP,
    body: () => FLUSH,
    instead: { status: 400, because: 'the backend has said 200 before it finds out' },
  }),
  upload('an encoding that no git uses', {
    headers: { 'Content-Encoding': 'deflate' },
    body: () => FLUSH,
    instead: { status: 415, because: 'the backend takes it for no encoding' },
  }),

  // Bodies that make no sense
  upload('an object that is not there', {
    body: () => `${want('1'.repeat(40))}${FLUSH}${pkt('done\n')}`,
  }),
  upload('an unknown command, version 2', {
    headers: V2,
    body: () => `${pkt('command=bogus')}${FLUSH}`,
    instead: { status: 500, because: 'the backend says 200 and nothing' },
  }),
  receive('commands that are none', {
    body: () => `${pkt('hello world\0report-status')}${FLUSH}`,
    instead: { status: 400, because: 'the backend says 200 and nothing' },
  }),
  receive('no pkt-lines', {
    body: () => 'hello, world',
    instead: { status: 400, because: 'the backend says 200 and nothing' },
  }),

  // Pushes
  receive('the empty probe before a large push', { body: () => FLUSH }),
  receive('the empty probe, chunked', { framing: 'chunked', body: () => FLUSH }),
  receive('a new branch', {
    body: async (oid, repository) =>
      Buffer.concat([
        Buffer.from(command(ZERO, oid, 'refs/heads/new', REPORT) + FLUSH),
        await packOf(repository, oid),
      ]),
  }),
  receive('a new branch, without the side band', {
    body: async (oid, repository) =>
      Buffer.concat([
        Buffer.from(command(ZERO, oid, 'refs/heads/new', 'report-status') + FLUSH),
        await packOf(repository, oid),
      ]),
  }),
  receive('a new branch, without a report', {
    body: async (oid, repository) =>
      Buffer.concat([
        Buffer.from(command(ZERO, oid, 'refs/heads/new', '') + FLUSH),
        await packOf(repository, oid),
      ]),
  }),
  receive('gzip, chunked', {
    headers: GZIP,
    framing: 'chunked',
    body: async (oid, repository) =>
      gzipSync(
        Buffer.concat([
          Buffer.from(command(ZERO, oid, 'refs/heads/new', REPORT) + FLUSH),
          await packOf(repository, oid),
        ]),
      ),
  }),
  receive('a deletion', {
    body: (oid) => command(oid, ZERO, 'refs/heads/side', `${REPORT} delete-refs`) + FLUSH,
  }),
  receive('a deletion of the current branch', {
    body: (oid) => command(oid, ZERO, 'refs/heads/main', `${REPORT} delete-refs`) + FLUSH,
  }),
  receive('a ref that may not be', {
    body: (oid) => command(oid, ZERO, 'refs/heads/a..b', REPORT) + FLUSH,
  }),
];

/** What the two sides may differ in: ours says more. */
const COMPARED = ['content-type', 'cache-control', 'expires', 'pragma', 'allow'];

test('the smart protocol is that of git http-backend', async (t) => {
  await using scene = await createGitScene();
  const oid = await fillFolder(scene.fixture);
  const reference = scene.fixture.path('reference');
  await cp(scene.fixture.path('served'), reference, { recursive: true });
  for (const [index, each] of cases.entries()) {
    await t.test(each.title, async () => {
      // A push has a repository for itself, in either folder.
      const name = each.target.includes('receive-pack') ? `site-${index}.git` : 'site.git';
      if (name !== 'site.git') {
        for (const dir of [scene.fixture.path('served'), reference]) {
          await cp(`${dir}/site.git`, `${dir}/${name}`, { recursive: true });
        }
      }
      await compare(scene, { ...each, target: each.target.replace('site.git', name) }, oid);
      assert.equal(
        await git(scene.path(name), 'for-each-ref'),
        await git(`${reference}/${name}`, 'for-each-ref'),
      );
    });
  }
});

async function compare(scene: GitScene, each: Case, oid: string): Promise<void> {
  const body = Buffer.from((await each.body?.(oid, scene.path('site.git'))) ?? '');
  const theirs = await askBackend(scene.fixture.path('reference'), {
    method: each.method ?? 'GET',
    target: each.target,
    headers: each.headers ?? {},
    body,
    ...(each.protocol === undefined ? {} : { protocol: each.protocol }),
  });
  const ours = await send(scene.url, each, body);
  // Whatever we say of it to the client, the owner is told when git fails.
  const told = scene.errors.splice(0);
  assert.ok(told.every((error) => error instanceof GitCommandError));

  if (each.instead !== undefined) {
    assert.notEqual(theirs.status, each.instead.status, 'no difference is left');
    assert.equal(ours.status, each.instead.status);
    assert.match(ours.headers['content-type'] ?? '', /^text\/plain/);
    assert.doesNotMatch(ours.text, /fatal|\/tmp\//, 'git speaks to the log, not to the client');
    return;
  }
  assert.equal(ours.status, theirs.status);
  const isRefused = theirs.status >= 300;
  for (const name of COMPARED) {
    if (isRefused && name === 'content-type') continue; // Ours has a text for the user.
    assert.equal(ours.headers[name], theirs.headers[name], name);
  }
  if (!isRefused && each.method !== 'HEAD') {
    assert.equal(joinBands(ours.body), joinBands(theirs.body));
  }
}

/** What a body says: where git cuts one band's content into lines depends on its pipes. */
function joinBands(body: Buffer): string {
  const splitter = createPktLineSplitter();
  const said: string[] = [];
  try {
    for (const line of splitter.split(body)) {
      const text = typeof line === 'string' ? line : line.toString('latin1');
      const isSameBand = text.charCodeAt(0) <= 2 && said.at(-1)?.startsWith(text.charAt(0));
      if (isSameBand === true) said.push(`${said.pop()}${text.slice(1)}`);
      else said.push(text);
    }
  } catch (error) {
    if (!(error instanceof PktLineError)) throw error;
    return body.toString('latin1'); // A pack without the side band.
  }
  return said.join('\n');
}

async function send(url: string, each: Case, body: Buffer): Promise<RawResponse> {
  using connection = await openConnection(url);
  connection.write(format(each, body));
  const method = each.method === 'HEAD' ? 'HEAD' : undefined;
  const response = await connection.read(method);
  if (each.framing !== 'expect') return response;
  assert.equal(response.status, 100);
  return await connection.read(method);
}

/** Makes the repositories, and gives the commit that `site.git` has. */
async function fillFolder(fixture: Fixture): Promise<string> {
  const names = ['site.git', 'empty.git', 'sp ace ж.git', 'team/site.git'];
  for (const name of names) await initRepository(fixture.path('served', name), { bare: true });
  const sha256 = fixture.path('served/sha256.git');
  await initRepository(sha256, { bare: true, objectFormat: 'sha256' });
  for (const name of ['sha256.git', 'sp ace ж.git', 'team/site.git']) {
    await writeCommit(fixture.path('served', name), { files: { a: '1' } });
  }
  const site = fixture.path('served/site.git');
  const commit = await writeCommit(site, { files: { a: 'one\n' } });
  await git(site, 'update-ref', 'refs/heads/side', commit);
  await git(site, 'tag', '-m', 'a tag', 'v1', commit);
  return commit;
}

function format(
  { method = 'GET', target, headers = {}, framing, protocol }: Case,
  body: Buffer,
): Buffer {
  const isPost = method === 'POST' || method === 'PUT';
  const lines = [
    `${method} ${target} ${protocol ?? 'HTTP/1.1'}`,
    'Host: 127.0.0.1',
    ...Object.entries(headers)
      .filter(([, value]) => value !== '')
      .map(([name, value]) => `${name}: ${value}`),
    ...(framing === 'expect' ? ['Expect: 100-continue'] : []),
  ];
  if (framing === 'chunked') {
    // Pieces as small as can be, so that every boundary falls into the middle of something.
    const chunks = Array.from(body, (byte) =>
      Buffer.concat([Buffer.from('1\r\n'), Buffer.of(byte), Buffer.from('\r\n')]),
    );
    const head = Buffer.from([...lines, 'Transfer-Encoding: chunked', '', ''].join('\r\n'));
    return Buffer.concat([head, ...chunks, Buffer.from('0\r\n\r\n')]);
  }
  if (isPost) lines.push(`Content-Length: ${body.length}`);
  return Buffer.concat([Buffer.from([...lines, '', ''].join('\r\n')), body]);
}
