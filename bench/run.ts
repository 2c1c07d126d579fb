/**
 * Runs benchmarks, one after the other, each a program that prints what it measured:
 *
 *     npm run bench              every file of this folder but this one
 *     npm run bench start        bench/start.ts
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

const files = await readdir(import.meta.dirname);
const all = files
  .filter((file) => file.endsWith('.ts') && file !== 'run.ts')
  .map((file) => file.slice(0, -3));
const named = process.argv.slice(2);
const unknown = named.filter((name) => !all.includes(name));
if (unknown.length > 0) {
  console.error(`there is no benchmark ${unknown.join(', ')}; there is ${all.join(', ')}`);
  process.exit(2);
}
for (const name of named.length > 0 ? named : all) {
  console.log(`${name}:`);
  const path = join(import.meta.dirname, `${name}.ts`);
  const [code] = (await once(spawn(process.execPath, [path], { stdio: 'inherit' }), 'exit')) as [
    number | null,
  ];
  if (code !== 0) process.exitCode = 1;
}
