import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import type { Page } from 'playwright-core';
import { pullDocument } from '../../src/client/documents.ts';
import { openBrowser } from '../support/browser.ts';
import { until } from '../support/deadline.ts';
import { query } from '../support/graphql-client.ts';
import { createScene, waitAt, type Scene } from './scene.ts';

const stack = new AsyncDisposableStack();
let scene: Scene;
let page: Page;
/** What the page asked for, and what it complained of. */
const requests: string[] = [];
const complaints: string[] = [];
/** The operations that it sent, one way or the other. */
const operations: string[] = [];

before(async () => {
  scene = stack.use(
    await createScene({ commands: { build: `echo begun; ${waitAt('gate')}; echo all done` } }),
  );
  const { browser } = stack.use(await openBrowser());
  page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  page.setDefaultTimeout(15_000);
  page.on('request', (request) => {
    requests.push(request.url());
    const operation = request.postData() ?? '';
    if (operation !== '' && !operation.includes('IntrospectionQuery')) operations.push(operation);
  });
  page.on('websocket', (socket) => {
    requests.push(socket.url());
    socket.on('framesent', ({ payload }) => {
      if (payload.toString().includes('"subscribe"')) operations.push(payload.toString());
    });
  });
  page.on('pageerror', (error) => complaints.push(error.message));
  page.on('console', (message) => {
    if (message.type() === 'error') complaints.push(message.text());
  });
  await page.goto(`${scene.url}/graphql`);
  await page.waitForSelector('.graphiql-execute-button');
});
after(async () => {
  await stack.disposeAsync();
});

/** Goes to a tab and starts its operation. */
async function run(tab: string): Promise<void> {
  const button = page.locator('.graphiql-execute-button[aria-label^="Execute"]');
  await button.waitFor();
  // No click of a mouse: tabs that still move take that for the beginning of a drag.
  await page.locator('.graphiql-tab-button', { hasText: tab }).dispatchEvent('click');
  // The editor follows a moment later, and the button starts what it has. Its spaces are no-break spaces.
  const operation = new RegExp(`\\w\\s${tab}\\s?[({]`);
  await page.locator('.graphiql-query-editor', { hasText: operation }).waitFor();
  // For a moment after a tab was changed the button does nothing.
  const begun = operations.length;
  await until(async () => {
    await button.click();
    const seen = until(() => operations.length > begun, 'it is sent', 500);
    return await seen.then(
      () => true,
      () => false,
    );
  }, `${tab} is sent`);
}

/** Resolves when the result pane shows this text. */
async function shown(text: string): Promise<void> {
  await page.locator('.result-window', { hasText: text }).waitFor();
}

test('GraphiQL has the three examples, and the first shows every repository', async () => {
  const tabs = await page.locator('.graphiql-tab').allInnerTexts();
  assert.deepEqual(
    tabs.map((tab) => tab.trim()),
    ['Explore', 'Pull', 'Watch'],
  );
  await run('Explore');
  await shown('"messageHeadline": "first"');
  await shown('"name": "site"');
});

test('its subscription shows what a pull prints that is started meanwhile', async () => {
  await run('Watch');
  const input = { repo: 'site', command: 'build' };
  await query(scene.url, pullDocument, { input });
  await shown('begun');
  await scene.open('gate');
  await shown('all done');
});

test('its mutation pulls', async () => {
  await run('Pull');
  await shown('"state": "SUCCEEDED"');
});

test('it asks no other host for anything, and complains of nothing', () => {
  const { host } = new URL(scene.url);
  const hosts = requests
    .filter((url) => !url.startsWith('data:'))
    .map((url) => new URL(url.replace(/^blob:/, '')).host);
  assert.deepEqual([...new Set(hosts)], [host]);
  assert.ok(requests.includes(`ws://${host}/graphql`));
  assert.deepEqual(complaints, []);
});

test('the page is sent once: compressed, and by its tag not again', async () => {
  const ask = async (headers: Record<string, string>) =>
    await fetch(`${scene.url}/graphql`, { headers: { accept: 'text/html', ...headers } });
  const first = await ask({ 'accept-encoding': 'gzip' });
  const tag = first.headers.get('etag') ?? '';
  assert.equal(first.headers.get('content-encoding'), 'gzip');
  assert.ok(Number(first.headers.get('content-length')) < 3_000_000);
  assert.match(await first.text(), /<title>GitAgent<\/title>/);
  assert.equal((await ask({ 'if-none-match': tag })).status, 304);
  const plain = await ask({ 'accept-encoding': 'identity' });
  assert.equal(plain.headers.get('content-encoding'), null);
  assert.match(await plain.text(), /<title>GitAgent<\/title>/);
});
