/**
 * Makes `docs/graphiql.png`: GraphiQL in a real browser, with what the first example answers for three
 * repositories that are made here. Run it when the page or the example has changed:
 *
 *     node scripts/screenshot.ts
 */
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { startAgent } from '../test/support/agent-process.ts';
import { openBrowser } from '../test/support/browser.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  writeCommit,
} from '../test/support/git-fixture.ts';

const REPOSITORIES = [
  {
    name: 'website',
    message: 'Front page: new opening hours',
    author: 'Maria Jensen <maria@example.com>',
    commands: {
      deploy: { run: 'make deploy', description: 'Builds the pages and publishes them' },
    },
    changed: ['index.html'],
  },
  {
    name: 'api',
    message: 'Orders: refuse negative amounts',
    author: 'Tomás Oliveira <tomas@example.com>',
    commands: { restart: 'systemctl restart api' },
    changed: [],
  },
  {
    name: 'handbook',
    message: 'How we review',
    author: 'Aiko Tanaka <aiko@example.com>',
    commands: {},
    changed: [],
  },
];

await using fixture = await createFixture();
const repo: Record<string, object> = {};
for (const { name, message, author, commands, changed } of REPOSITORIES) {
  const origin = await initRepository(fixture.path(`${name}.git`), { bare: true });
  const date = Date.UTC(2026, 10, 20, 15, 4) / 1000;
  const files = { 'README.md': `# ${name}\n`, 'index.html': '<h1>Hello</h1>\n' };
  await writeCommit(origin, { files, message: 'Begin', author, date: date - 86_400 });
  await writeCommit(origin, { files: { 'a.txt': '' }, message, author, date });
  const copy = await cloneRepository(origin, fixture.path(name));
  if (changed.length > 0) await writeCommit(origin, { files: { 'b.txt': '' }, date: date + 3600 });
  await git(copy, 'fetch', '--quiet');
  for (const file of changed) await writeFile(join(copy, file), '<h1>Good evening</h1>\n');
  repo[name] = { repo_path: copy, command: commands };
}
await using agent = await startAgent({ config: { repo } });
await using opened = await openBrowser();
const page = await opened.browser.newPage({ viewport: { width: 1280, height: 800 } });
await page.goto(`${agent.url}/graphql`);
const button = page.locator('.graphiql-execute-button[aria-label^="Execute"]');
const result = page.locator('.result-window', { hasText: 'messageHeadline' });
// For a moment the button does nothing.
for (let tries = 0; tries < 10 && (await result.count()) === 0; tries++) {
  await button.click();
  await result.waitFor({ timeout: 1000 }).catch(() => undefined);
}
await result.waitFor();
await page.mouse.move(900, 790);
await page.evaluate('document.fonts.ready');
const path = join(import.meta.dirname, '../docs/graphiql.png');
await page.screenshot({ path });
console.log(`wrote ${path}`);
