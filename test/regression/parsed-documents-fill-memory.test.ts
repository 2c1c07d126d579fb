/**
 * The attack: GraphQL Yoga keeps the last 1024 documents it has parsed, and as many that it could not
 * parse, of any length and whoever sent them. Somebody without credentials who sent ever new ones made
 * an agent with a password grow from 110 MB to 1.6 GB within half a minute.
 *
 * Only short documents are kept, and few of them.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readProc } from '../support/agent-process.ts';
import { ask } from '../support/graphql-client.ts';
import { createScene } from '../agent/scene.ts';

/** Of almost the size that is accepted, once well-formed and once not. They made it grow by 400 MB. */
const DOCUMENTS = 120;
const LIMIT_MB = 200;

test('documents that are sent once do not stay in memory', async () => {
  await using scene = await createScene({ config: { password: 'secret' } });
  const rss = () =>
    Number(/VmRSS:\s+(\d+) kB/.exec(readProc(`/proc/${scene.agent.pid}/status`))?.[1]) / 1024;
  const before = rss();
  const padding = '.'.repeat(900_000);
  for (let number = 0; number < DOCUMENTS; number++) {
    const { data } = await ask(scene.url, `query Q${number} { viewer { name } } # ${padding}`);
    assert.deepEqual(data, { viewer: { name: 'anonymous' } });
    const { errors } = await ask(scene.url, `query Q${number} { # ${padding}`);
    assert.equal(errors?.length, 1);
  }
  const grown = rss() - before;
  assert.ok(grown < LIMIT_MB, `the agent grew by ${grown.toFixed(0)} MB`);
});
