import assert from 'node:assert/strict';
import { test } from 'node:test';
import { auditServer } from 'graphql-http';
import { createScene } from './scene.ts';

/** SHOULDs of GraphQL over HTTP that the agent does not follow, by name, each with its reason. */
const NOT_FOLLOWED: Readonly<Record<string, string>> = {};

test('the agent passes graphql-http’s audits: every MUST, and every SHOULD but those listed', async (t) => {
  await using scene = await createScene();
  const results = await auditServer({ url: `${scene.url}/graphql`, fetchFn: fetch });
  const failed = results.filter((each) => each.status !== 'ok');
  const musts = failed.filter(({ name }) => name.startsWith('MUST'));
  assert.deepEqual(
    musts.map(({ name, reason }) => `${name}: ${reason}`),
    [],
  );
  assert.deepEqual(failed.map(({ name }) => name).toSorted(), Object.keys(NOT_FOLLOWED).toSorted());
  t.diagnostic(`${results.length} audits, ${failed.length} not followed`);
  assert.ok(results.length > 50);
});
