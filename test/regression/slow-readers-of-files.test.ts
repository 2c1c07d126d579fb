/**
 * The attack: who may read opens as many downloads as files are sent at once, and reads none of them. All
 * others, the owner too, waited until he let go.
 */
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { test } from 'node:test';
import { startAgent } from '../support/agent-process.ts';
import { within } from '../support/deadline.ts';
import { createFixture, initRepository, writeCommit } from '../support/git-fixture.ts';
import { formatRequest, openConnection, request } from '../support/raw-http.ts';

test('files that one caller does not read keep no other caller waiting', async () => {
  await using fixture = await createFixture();
  const path = await initRepository(fixture.path('site.git'), { bare: true });
  await writeCommit(path, { files: { big: randomBytes(20_000_000), small: 'small\n' } });
  const config = { repo: { site: { repo_path: path } }, password: 'secret', anonymous: ['read'] };
  await using agent = await startAgent({ config });
  await using stack = new AsyncDisposableStack();
  for (let n = 0; n < 12; n++) {
    const reader = stack.use(await openConnection(agent.url));
    reader.socket.pause();
    reader.write(formatRequest('GET', '/repo/site/raw/main/big'));
  }
  const headers = { Authorization: `Basic ${Buffer.from(':secret').toString('base64')}` };
  const answer = request(agent.url, 'GET', '/repo/site/raw/main/small', headers);
  const { status, text } = await within(answer, 'the owner is answered');
  assert.deepEqual([status, text], [200, 'small\n']);
});
