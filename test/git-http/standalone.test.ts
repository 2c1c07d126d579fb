import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';

const SCRIPT = `
  import { registerHooks } from 'node:module';
  const seen = [];
  registerHooks({ load: (url, context, next) => (seen.push(url), next(url, context)) });
  await import(process.argv[1]);
  console.log(JSON.stringify(seen));
`;

test('importing the handler loads git and nothing else of ours, no GraphQL and no database', async () => {
  const root = join(import.meta.dirname, '../..');
  const index = join(root, 'src/git-http/index.ts');
  const args = ['--input-type=module', '--eval', SCRIPT, index];
  const { stdout } = await promisify(execFile)(process.execPath, args);
  const loaded = JSON.parse(stdout) as string[];
  assert.ok(loaded.length > 20);
  const ours = loaded.filter((url) => url.includes('/src/') && !url.includes('/node_modules/'));
  for (const url of ours)
    assert.match(url, /\/src\/(?:git-http|git)\/[^/]+\.ts$|\/src\/error\.ts$/);
  for (const url of loaded)
    assert.doesNotMatch(url, /graphql|pothos|sqlite|\/ws\/|zod|pino|commander/);
});
