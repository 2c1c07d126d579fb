import assert from 'node:assert/strict';
import { test } from 'node:test';
import { runDocument, watchOutputDocument } from '../../src/client/documents.ts';
import { openEvents, query } from '../support/graphql-client.ts';
import { createScene, type Scene } from './scene.ts';

async function outputOf(scene: Scene, command: string): Promise<string> {
  const { run } = await query(scene.url, runDocument, {
    input: { repo: 'site', command, wait: true },
  });
  let text = '';
  const events = openEvents(scene.url, watchOutputDocument, { job: run.job.key });
  for await (const { output } of events) text += output.text;
  return text.replace(/^\$ .*\n/, '');
}

test('a command’s git acts on the repository it runs in, wherever the agent was started', async () => {
  await using scene = await createScene({
    env: { GIT_LITERAL_PATHSPECS: undefined },
    commands: { where: 'git rev-parse HEAD --show-toplevel' },
  });
  assert.equal(await outputOf(scene, 'where'), `${scene.first}\n${scene.copy}\n`);
});

test('a command has nothing of what npm start added', async () => {
  await using scene = await createScene({
    env: { npm_lifecycle_event: 'start', npm_config_x: 'x', INIT_CWD: '/' },
    commands: { env: 'env' },
  });
  const names = (await outputOf(scene, 'env')).split('\n').map((line) => line.split('=')[0] ?? '');
  assert.ok(names.includes('HOME'));
  const added = names.filter((name) => /^(npm_.*|NODE_COMPILE_CACHE|INIT_CWD)$/.test(name));
  assert.deepEqual(added, []);
});

test('a command has the agent’s environment without its secrets, and what says which job it is', async () => {
  await using scene = await createScene({
    env: { GITAGENT_PASSWORD: 'secret', MINE: 'mine' },
    config: { anonymous: ['read', 'run'] },
    commands: { env: { run: 'env', env: { EXTRA: 'extra' } } },
  });
  const lines = (await outputOf(scene, 'env')).split('\n');
  assert.ok(lines.includes('MINE=mine') && lines.includes('EXTRA=extra'));
  assert.deepEqual(
    lines.filter((line) => line.includes('secret')),
    [],
  );
  const told = lines
    .filter((line) => line.startsWith('GITAGENT_'))
    .map((line) => line.split('=')[0]);
  assert.deepEqual(
    told.toSorted((a = '', b = '') => a.localeCompare(b)),
    [
      'GITAGENT_AFTER',
      'GITAGENT_BEFORE',
      'GITAGENT_BRANCH',
      'GITAGENT_CALLER',
      'GITAGENT_CHILD', // By which an agent after a crash recognises what the dead one started.
      'GITAGENT_JOB',
      'GITAGENT_REPO',
    ],
  );
});
