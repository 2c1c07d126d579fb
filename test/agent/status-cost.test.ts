import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { reposDocument } from '../../src/client/documents.ts';
import { startAgent } from '../support/agent-process.ts';
import { putGitFirst } from '../support/fake-git.ts';
import { query } from '../support/graphql-client.ts';
import {
  cloneRepository,
  createFixture,
  initRepository,
  writeCommit,
} from '../support/git-fixture.ts';

const COUNT = 20;

test('20 repositories asked for their full status start at most 20 git children, at most 4 at once', async () => {
  await using fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  await writeCommit(origin, { files: { a: 'one\n' }, message: 'first\n' });
  const names = Array.from({ length: COUNT }, (_, index) => `repo-${index}`);
  const repo: Record<string, { repo_path: string }> = {};
  for (const name of names) {
    repo[name] = { repo_path: await cloneRepository(origin, fixture.path(name)) };
    await writeFile(join(fixture.path(name), 'a'), `${name}\n`);
    await writeFile(join(fixture.path(name), `new in ${name}`), '');
  }
  const log = fixture.path('log');
  // Long enough for all that are allowed to be there at once.
  const PATH = await putGitFirst(
    fixture.path('bin'),
    `echo start >> '${log}'`,
    '"$REAL_GIT" "$@"',
    'code=$?',
    'sleep 0.3',
    `echo end >> '${log}'`,
    'exit $code',
  );
  await using agent = await startAgent({ config: { repo }, env: { PATH } });
  await writeFile(log, '');

  const { repos } = await query(agent.url, reposDocument, { first: COUNT });
  assert.deepEqual(
    repos.nodes.map((each) => ({
      name: each.name,
      branch: each.branch,
      message: each.head?.message,
      dirty: each.dirty,
      modified: each.changedFiles.modified,
      untracked: each.untrackedFiles,
      upstream: each.upstream,
    })),
    names.map((name) => ({
      name,
      branch: 'main',
      message: 'first\n',
      dirty: true,
      modified: ['a'],
      untracked: [`new in ${name}`],
      upstream: { name: 'origin/main', ahead: 0, behind: 0 },
    })),
  );
  const events = (await readFile(log, 'utf8')).trim().split('\n');
  let running = 0;
  let most = 0;
  for (const event of events) {
    running += event === 'start' ? 1 : -1;
    most = Math.max(most, running);
  }
  assert.equal(events.filter((event) => event === 'start').length, COUNT);
  assert.equal(most, 4);
});
