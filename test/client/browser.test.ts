/**
 * The client in a real browser, as ES modules that it loads one by one: our files with their types taken
 * out, and graphql-ws's own. So nothing in it may need Node, a bundler or the rest of the package.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { stripTypeScriptTypes } from 'node:module';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Page } from 'playwright-core';
import type * as Client from '../../src/client/index.ts';
import { createScene, waitAt } from '../agent/scene.ts';
import { openBrowser } from '../support/browser.ts';
import { createBreakingProxy } from '../support/breaking-proxy.ts';
import { until, within } from '../support/deadline.ts';

const source = join(import.meta.dirname, '../../src/client');
const graphqlWs = fileURLToPath(import.meta.resolve('graphql-ws/client'));

/** Serves the modules to the page below `/modules`, from its own origin, and notes which it asked for. */
async function serveModules(page: Page): Promise<string[]> {
  const asked: string[] = [];
  await page.route('**/modules/**', async (route) => {
    const path = new URL(route.request().url()).pathname.replace('/modules/', '');
    asked.push(path);
    const isOurs = path.endsWith('.ts');
    const file = isOurs
      ? join(source, posix.normalize(path))
      : join(graphqlWs, '..', posix.basename(path));
    const text = await readFile(file, 'utf8');
    const body = isOurs ? stripTypeScriptTypes(text) : text;
    await route.fulfill({ contentType: 'text/javascript', body });
  });
  return asked;
}

test('in a browser it asks, pulls and follows the output through a lost connection', async () => {
  const count = 60;
  await using scene = await createScene({
    config: { password: 'žluť' },
    commands: {
      talk: `for n in $(seq ${count}); do echo "line $n 🐎"; sleep 0.02; done; ${waitAt('gate')}`,
    },
  });
  await using proxy = await createBreakingProxy(scene.url);
  await using opened = await openBrowser();
  const page = await opened.browser.newPage();
  const complaints: string[] = [];
  page.on('pageerror', (error) => complaints.push(error.message));
  const asked = await serveModules(page);
  // A page that is really from there: Chromium lets no other open a socket to this machine.
  await page.goto(`${proxy.url}/livez`);
  await page.addScriptTag({
    type: 'importmap',
    content: JSON.stringify({ imports: { 'graphql-ws/client': '/modules/graphql-ws/client.js' } }),
  });

  let text = '';
  let cuts = 0;
  page.on('console', (message) => {
    if (message.type() !== 'info') return;
    text += message.text();
    if (cuts++ < 4) proxy.cut();
  });
  const result = page.evaluate(async () => {
    const path = '/modules/index.ts';
    const client = (await import(path)) as typeof Client;
    const agent = client.createGitAgentClient({ url: location.origin, password: 'žluť' });
    const { repo } = await agent.query(client.repoDocument, { name: 'site' });
    const input = { repo: 'site', command: 'talk' };
    const { run } = await agent.mutate(client.runDocument, { input });
    for await (const chunk of agent.followOutput({ job: run.job.id })) console.info(chunk.text);
    const refused = await agent.mutate(client.pullDocument, { input: { repo: 'nowhere' } }).then(
      () => null,
      (error: unknown) => (error instanceof client.GitAgentError ? error.code : String(error)),
    );
    agent.close();
    return { head: repo?.head?.oid, refused };
  });
  let failure: unknown;
  result.catch((error: unknown) => (failure = error));
  await until(() => cuts > 4 || failure !== undefined, 'it was cut and came back', 30_000);
  await scene.open('gate');
  const { head, refused } = await within(result, 'the page is done');
  assert.deepEqual([head, refused], [scene.first, 'NOT_FOUND']);
  const lines = Array.from({ length: count }, (_, n) => `line ${n + 1} 🐎\n`).join('');
  assert.equal(text.replace(/^.*\n/, ''), lines);
  assert.deepEqual(complaints, []);
  // What it consists of: nothing of the server's, and no package but one.
  assert.ok(asked.includes('graphql-ws/client.js') && asked.includes('follow-output.ts'));
  assert.ok(asked.every((path) => /^[\w/-]+\.ts$|^graphql-ws\/[\w-]+\.js$/.test(path)), String(asked)); // prettier-ignore
});
