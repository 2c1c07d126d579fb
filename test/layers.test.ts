/**
 * The house rules of DESIGN section 2: imports point down, and a package that shapes the code
 * around it stays in the layer it belongs to.
 */
import assert from 'node:assert/strict';
import { glob, readFile } from 'node:fs/promises';
import { join, posix } from 'node:path';
import { test } from 'node:test';

/** What each part of src/ may import of ours besides itself. */
const mayImport: Record<string, string[]> = {
  main: [
    'agent',
    'http',
    'schema',
    'live',
    'jobs',
    'git',
    'auth',
    'config',
    'error',
    'client',
    'log',
    'host',
  ],
  agent: ['http', 'git-http', 'schema', 'live', 'jobs', 'git', 'auth', 'config', 'error', 'log'],
  http: ['git-http', 'schema', 'live', 'jobs', 'git', 'auth', 'config', 'error'],
  schema: ['live', 'jobs', 'git', 'auth', 'config', 'error'],
  live: ['jobs', 'git', 'error'],
  jobs: ['git', 'auth', 'config', 'error'],
  'git-http': ['git', 'error'], // usable in anybody's server
  git: ['error'], // usable alone
  auth: ['config', 'error'],
  config: ['error'],
  error: [],
  log: [],
  host: [],
  client: [], // what other programs import: carries nothing of the server with it
};

/** Who may import a package (and what lies under it). A package that is not here is free. */
const ownersOf: Record<string, string[]> = {
  'simple-git': ['git'],
  'node:child_process': ['git', 'jobs'],
  'node:sqlite': ['jobs'],
  '@pothos': ['schema'],
  dataloader: ['schema'],
  'graphql-yoga': ['http'],
  'graphql-ws': ['http', 'client'],
  ws: ['http'],
  'node:http': ['http', 'git-http'],
  commander: ['main'],
  pino: ['log'],
};

/** The part of src/ a file belongs to: its folder, or for a file at the top its name. */
function partOf(path: string): string {
  const name = path.split('/')[1]?.replace(/\.ts$/, '') ?? '';
  if (/^(main|index|cli\b.*)$/.test(name)) return 'main';
  return /^(config|host)\b/.exec(name)?.[0] ?? name;
}

const statements = /^(?:import|export)\b(?:[^'"]*?\bfrom)?\s*'([^']+)'|\bimport\(\s*'([^']+)'/gm;

function* violations(path: string, source: string): Generator<string> {
  const part = partOf(path);
  const allowed = mayImport[part];
  if (!allowed) yield `${path} is in no part of src/ that test/layers.test.ts knows`;
  for (const [, fixed, dynamic] of source.matchAll(statements)) {
    const name = fixed ?? dynamic ?? '';
    if (name.startsWith('.')) {
      const target = partOf(posix.join(posix.dirname(path), name));
      if (target !== part && !allowed?.includes(target)) yield `${path} imports ${name}`;
    } else {
      // It runs in browsers too.
      if (part === 'client' && name.startsWith('node:')) yield `${path} imports ${name}`;
      const owned = Object.keys(ownersOf).find((p) => name === p || name.startsWith(`${p}/`));
      if (owned && !ownersOf[owned]?.includes(part)) yield `${path} imports ${name}`;
    }
  }
}

test('imports point down and packages stay in their layer', async () => {
  const found: string[] = [];
  const root = join(import.meta.dirname, '..');
  for await (const path of glob('src/**/*.ts', { cwd: root }))
    found.push(...violations(path, await readFile(join(root, path), 'utf8')));
  assert.deepEqual(found, []);
});

test('the check sees every way of importing', () => {
  const source = [
    `import { a } from '../jobs/a.ts';`,
    `import type { Config } from '../config-file.ts';`,
    `export * from '../agent.ts';`,
    `import {\n  b,\n  type C,\n} from '@pothos/core';`,
    `import 'node:http';`,
    `const d = await import('commander');`,
    `import { AppError } from '../error.ts';`, // allowed
    `import { Oid } from './oid.ts';`, // allowed
    `import { spawn } from 'node:child_process';`, // allowed
  ].join('\n');
  const names = [...violations('src/git/x.ts', source)].map((text) => text.split(' ').at(-1));
  assert.deepEqual(names, [
    '../jobs/a.ts',
    '../config-file.ts',
    '../agent.ts',
    '@pothos/core',
    'node:http',
    'commander',
  ]);
  assert.equal([...violations('src/utils/x.ts', '')].length, 1);
  assert.equal([...violations('src/client/x.ts', `import 'node:fs';`)].length, 1);
});
