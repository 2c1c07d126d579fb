/**
 * Runs benchmarks and prints what they measured:
 *
 *     npm run bench            all of them
 *     npm run bench start      bench/start.ts
 *
 * Each file of this folder but this one exports `measure`, which gives its rows.
 */
import { readdir } from 'node:fs/promises';
import type { Row } from './support/row.ts';

function format({ what, value, unit, against }: Row): string {
  const shown = `${what.padEnd(48)}${value.toFixed(value < 10 ? 2 : 0).padStart(8)} ${unit.padEnd(4)}`;
  if (against === undefined) return shown;
  const ratio = (value / against.value).toFixed(2);
  return `${shown} ${ratio}x of ${against.what} (${against.value.toFixed(0)} ${unit})`;
}

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
  const bench = (await import(`./${name}.ts`)) as { measure(): Promise<readonly Row[]> };
  console.log(`${name}:`);
  for (const row of await bench.measure()) console.log(`  ${format(row)}`);
}
