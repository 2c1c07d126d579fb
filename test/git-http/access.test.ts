/** Who may do what: the owner is asked for each request, and git users understand the answer. */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { AppError, type Access, type Decision } from '../../src/git-http/index.ts';
import { request } from '../support/raw-http.ts';
import { cloneRepository, git, initRepository, writeCommit } from '../support/git-fixture.ts';
import { runClient, tryClient } from './client.ts';
import { behindPrefix } from './mount.ts';
import { createGitScene, type GitScene } from './scene.ts';

const REALM = 'my "git" repos';

/** GitTornado's rule: everyone may read, `ada` with her password may push. */
function tornado({ request, service }: Access): Decision {
  if (service === 'git-upload-pack') return { kind: 'allow' };
  const expected = `Basic ${Buffer.from('ada:s3cret:%').toString('base64')}`;
  if (request.headers.authorization === expected) return { kind: 'allow', caller: 'ada' };
  return { kind: 'challenge', realm: REALM };
}

async function fill(scene: GitScene): Promise<{ origin: string; copy: string }> {
  const origin = await initRepository(scene.path('site.git'), { bare: true });
  await writeCommit(origin, { files: { a: '1' } });
  const copy = await cloneRepository(origin, scene.fixture.path('copy'));
  await git(copy, 'remote', 'set-url', 'origin', `${scene.url}/site.git`);
  return { origin, copy };
}

const withPassword = (url: string, user: string): string => url.replace('//', `//${user}@`);

test('a reader is not asked, a writer for name and password', async () => {
  await using scene = await createGitScene({ authorize: tornado });
  const { origin, copy } = await fill(scene);
  await runClient(copy, ['fetch', '-q']);
  const commit = await writeCommit(copy);
  const refused = await tryClient(copy, ['push', 'origin', 'main']);
  assert.equal(refused.code, 128);
  assert.match(refused.stderr, /could not read Username/);
  const wrong = await tryClient(copy, [
    'push',
    withPassword(`${scene.url}/site.git`, 'ada:nope'),
    'main',
  ]);
  assert.match(wrong.stderr, /Authentication failed/);
  await runClient(copy, [
    'push',
    '-q',
    withPassword(`${scene.url}/site.git`, 'ada:s3cret%3A%25'),
    'main',
  ]);
  assert.equal(await git(origin, 'rev-parse', 'main'), commit);
});

test('the challenge names the realm, whatever is in it', async () => {
  await using scene = await createGitScene({ authorize: tornado });
  await fill(scene);
  const response = await request(scene.url, 'GET', '/site.git/info/refs?service=git-receive-pack');
  assert.equal(response.status, 401);
  assert.equal(
    response.headers['www-authenticate'],
    String.raw`Basic realm="my \"git\" repos", charset="UTF-8"`,
  );
  assert.equal(response.text, 'Authorization needed to access this repository\n');
});

test('each request of a push is asked for, not only the first', async () => {
  const asked: string[] = [];
  await using scene = await createGitScene({
    authorize: (access) => {
      asked.push(`${access.request.method} ${access.service}`);
      // The advertisement is let through, as GitTornado let it.
      return access.request.method === 'GET' ? { kind: 'allow' } : tornado(access);
    },
  });
  const { origin, copy } = await fill(scene);
  const before = await git(origin, 'rev-parse', 'main');
  await writeCommit(copy);
  const run = await tryClient(copy, ['push', 'origin', 'main']);
  assert.notEqual(run.code, 0);
  assert.equal(await git(origin, 'rev-parse', 'main'), before);
  assert.deepEqual(asked, ['GET git-receive-pack', 'POST git-receive-pack']);
});

test('a refusal at info/refs is shown to the user, for fetches and pushes', async () => {
  await using scene = await createGitScene({
    authorize: ({ service }) => ({ kind: 'deny', message: `no ${service} on Sundays` }),
  });
  const { copy } = await fill(scene);
  for (const [command, service] of [
    ['fetch', 'git-upload-pack'],
    ['push', 'git-receive-pack'],
  ] as const) {
    const run = await tryClient(copy, [command, 'origin']);
    assert.match(run.stderr, new RegExp(`^remote: no ${service} on Sundays$`, 'm'));
    assert.match(run.stderr, /403/);
  }
});

test('a large push that is refused at the POST ends with the status, not with a broken pipe', async () => {
  await using scene = await createGitScene({
    authorize: ({ request: { method } }) =>
      method === 'GET' ? { kind: 'allow' } : { kind: 'deny' },
  });
  const { copy } = await fill(scene);
  await writeCommit(copy, { files: { big: randomBytes(20_000_000) } });
  for (const postBuffer of ['65536', '100000000']) {
    const run = await tryClient(copy, ['-c', `http.postBuffer=${postBuffer}`, 'push', 'origin']);
    assert.match(run.stderr, /403/);
    assert.doesNotMatch(run.stderr, /[Bb]roken pipe|reset|curl 55|curl 56/);
  }
});

test('names that exist and names that do not cannot be told apart by who may not know', async () => {
  const ask = async (decision: Decision): Promise<string[]> => {
    await using scene = await createGitScene({ authorize: () => decision });
    await fill(scene);
    const answers = ['/site.git', '/none.git'].flatMap((name) =>
      ['git-upload-pack', 'git-receive-pack'].map(async (service) => {
        const response = await request(scene.url, 'GET', `${name}/info/refs?service=${service}`);
        const { date: _, ...headers } = response.headers;
        return JSON.stringify([response.status, headers, response.text]);
      }),
    );
    return [...new Set(await Promise.all(answers))];
  };
  assert.equal((await ask({ kind: 'hide' })).length, 1);
  assert.equal((await ask({ kind: 'deny' })).length, 1);
  assert.equal((await ask({ kind: 'challenge', realm: 'x' })).length, 1);
});

test('a name is a name: none of its parts is a path, and a folder that is no repository is none', async () => {
  await using scene = await createGitScene();
  await fill(scene);
  const targets = [
    '/../site.git',
    '/%2e%2e/served/site.git',
    '/site.git/..%2fsite.git',
    '/site.git%00',
    '/site.git%5c..',
    '/./site.git',
    '/site.git/hooks',
    '/site.git/',
    '/',
    '/%ff.git',
  ];
  for (const target of targets) {
    const path = `${target}/info/refs?service=git-upload-pack`;
    const response = await request(scene.url, 'GET', path);
    assert.equal(response.status, 404, target);
    assert.doesNotMatch(response.text, /served|tmp/, target);
  }
});

test("the owner's own errors become the status they stand for, and mistakes stay his", async () => {
  let error: Error = new AppError('FORBIDDEN', 'closed');
  await using scene = await createGitScene({
    authorize: () => Promise.reject(error),
  });
  await fill(scene);
  const ask = async () =>
    await request(scene.url, 'GET', '/site.git/info/refs?service=git-upload-pack');
  const refused = await ask();
  assert.deepEqual([refused.status, refused.text], [403, 'closed\n']);
  error = new TypeError('secret');
  const failed = await ask();
  assert.equal(failed.status, 500);
  assert.doesNotMatch(failed.text, /secret/);
  assert.deepEqual(scene.errors.splice(0), [error]);
});

test('pages of other origins may use the repositories only where that is said', async () => {
  const origin = 'https://editor.example.com';
  const headers = { Origin: origin, Connection: 'close' };
  const target = '/site.git/git-upload-pack';
  {
    await using scene = await createGitScene();
    await fill(scene);
    const response = await request(scene.url, 'OPTIONS', target, headers);
    assert.equal(response.status, 405);
    assert.equal(response.headers['access-control-allow-origin'], undefined);
  }
  await using scene = await createGitScene({ corsOrigins: [origin] });
  await fill(scene);
  const preflight = await request(scene.url, 'OPTIONS', target, headers);
  assert.equal(preflight.status, 204);
  assert.equal(preflight.headers['access-control-allow-origin'], origin);
  assert.match(preflight.headers['access-control-allow-headers'] ?? '', /Git-Protocol/);
  const refs = '/site.git/info/refs?service=git-upload-pack';
  const answer = await request(scene.url, 'GET', refs, { Origin: origin });
  assert.equal(answer.status, 200);
  assert.equal(answer.headers['access-control-allow-origin'], origin);
  const other = await request(scene.url, 'GET', refs, { Origin: 'https://evil.example.com' });
  assert.equal(other.headers['access-control-allow-origin'], undefined);
});

test('what is not git goes on to the next handler', async () => {
  await using scene = await createGitScene({ mount: behindPrefix });
  await fill(scene);
  const path = new URL(scene.url).pathname;
  for (const target of [
    '/',
    '/repo',
    `${path}/site.git`,
    `${path}/site.git/HEAD`,
    '/info/refs',
    `${path}x/site.git/info/refs`,
  ]) {
    assert.equal((await request(scene.url, 'GET', target)).status, 418, target);
  }
  assert.equal(
    (await request(scene.url, 'POST', `${path}/site.git/git-upload-archive`)).status,
    418,
  );
});
