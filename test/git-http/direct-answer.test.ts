/** Packs that git writes to the client's connection itself, and where they go through our process instead. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { within } from '../support/deadline.ts';
import { initRepository, writeCommit } from '../support/git-fixture.ts';
import { openConnection, request, type RawConnection } from '../support/raw-http.ts';
import { plain, type Mount } from './mount.ts';
import { createGitScene, type GitScene } from './scene.ts';

const isLinux = process.platform === 'linux';
const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;

async function fill(scene: GitScene, bytes = 3_000_000): Promise<string> {
  const origin = await initRepository(scene.path('site.git'), { bare: true });
  return await writeCommit(origin, { files: { big: randomBytes(bytes) } });
}

function fetchOf(oid: string): string {
  const wants = `${pkt(`want ${oid} no-progress\n`)}0000${pkt('done\n')}`;
  return [
    'POST /site.git/git-upload-pack HTTP/1.1',
    'Host: 127.0.0.1',
    'Content-Type: application/x-git-upload-pack-request',
    `Content-Length: ${wants.length}`,
    '',
    wants,
  ].join('\r\n');
}

async function allOf(connection: RawConnection): Promise<Buffer> {
  await within(
    new Promise((resolve) => connection.socket.once('close', resolve)),
    'it ends',
    30_000,
  );
  return connection.take();
}

/** What follows `NAK`, without the side band: a pack, whose trailer says that it is whole. */
function isWholePack(bytes: Buffer): boolean {
  return bytes.includes('0008NAK\nPACK');
}

test(
  'a pack ends with its connection, and is framed by nothing else',
  { skip: !isLinux },
  async () => {
    await using scene = await createGitScene();
    using connection = await openConnection(scene.url);
    connection.write(fetchOf(await fill(scene)));
    const bytes = await allOf(connection);
    const head = bytes.toString('latin1', 0, bytes.indexOf('\r\n\r\n'));
    assert.match(head, /^HTTP\/1\.1 200 OK\r\n/);
    assert.match(head, /^Connection: close$/m);
    assert.match(head, /^Content-Type: application\/x-git-upload-pack-result$/m);
    assert.doesNotMatch(head, /transfer-encoding|content-length/i);
    assert.ok(isWholePack(bytes));
    assert.ok(bytes.length > 3_000_000);
  },
);

/** A middleware that looks at what is written, as those do that compress or count. */
const behindMiddleware: Mount = {
  name: 'behind a middleware',
  prefix: '',
  async listen(handler) {
    const server = createServer((incoming: IncomingMessage, response: ServerResponse) => {
      const write = response.write.bind(response);
      response.write = ((chunk: unknown) => write(chunk)) as typeof response.write;
      handler(incoming, response);
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return {
      url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
      close: async () => {
        server.closeAllConnections();
        await new Promise((resolve) => server.close(resolve));
      },
    };
  },
};

test('behind a middleware that changes answers a pack goes through it', async () => {
  await using scene = await createGitScene({ mount: behindMiddleware });
  using connection = await openConnection(scene.url);
  connection.write(fetchOf(await fill(scene)));
  const response = await connection.read();
  assert.equal(response.headers['transfer-encoding'], 'chunked');
  assert.ok(isWholePack(response.body));
});

test('a request whose predecessor on the connection is still being answered gets its pack too', async () => {
  await using scene = await createGitScene();
  const oid = await fill(scene);
  using connection = await openConnection(scene.url);
  const advertise = 'GET /site.git/info/refs?service=git-upload-pack HTTP/1.1\r\nHost: x\r\n\r\n';
  connection.write(advertise + fetchOf(oid));
  assert.equal((await connection.read()).status, 200);
  assert.ok(isWholePack((await connection.read()).body));
});

test('bytes behind the request do not stop the process', async () => {
  await using scene = await createGitScene({ mount: plain });
  using connection = await openConnection(scene.url);
  const oid = await fill(scene, 20_000_000);
  connection.socket.pause();
  // Just as much as one read takes: a second read would wait for ever on a connection that blocks.
  connection.write(fetchOf(oid));
  connection.write(Buffer.alloc(65_536, 'x'));
  for (let n = 0; n < 5; n++) {
    const refs = '/site.git/info/refs?service=git-upload-pack';
    assert.equal(
      (await within(request(scene.url, 'GET', refs), 'others are answered')).status,
      200,
    );
    connection.write(Buffer.alloc(65_536, 'x'));
  }
  connection.socket.resume();
  connection.socket.on('error', () => undefined);
  connection.socket.destroy();
});
