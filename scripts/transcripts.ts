/**
 * Runs what stands in docs/rest.md and docs/graphql.md against real agents with real repositories, and
 * writes the answers below it. With `--check` it writes nothing and fails when something would change.
 */
import { readFile, writeFile } from 'node:fs/promises';
import { graphqlPage } from './transcript-graphql.ts';
import { restPage } from './transcript-rest.ts';

const isCheck = process.argv.includes('--check');

for (const page of [restPage, graphqlPage]) {
  const { file } = page;
  const present = await readFile(file, 'utf8');
  const fresh = await page.renew(present);
  if (fresh === null) {
    console.error(`transcripts: there is no curl on this machine, so ${file} was not looked at`);
    if (!isCheck) process.exitCode = 1;
  } else if (fresh === present) {
    console.log(`transcripts: ${file} is fresh`);
  } else if (isCheck) {
    console.error(`transcripts: ${file} is stale; run: node scripts/transcripts.ts`);
    console.error(firstDifference(file, present, fresh));
    process.exitCode = 1;
  } else {
    await writeFile(file, fresh);
    console.log(`transcripts: wrote ${file}`);
  }
}

function firstDifference(file: string, before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')];
  const at = old.findIndex((line, i) => line !== now[i]);
  return `${file}:${at + 1}\n- ${old[at] ?? ''}\n+ ${now[at] ?? ''}`;
}
