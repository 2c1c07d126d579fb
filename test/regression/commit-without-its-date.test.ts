/**
 * The attack: a commit with a header between its author and its committer has no date for git, which looks no
 * further. The agent found one, put it elsewhere than git does, and pages from memory disagreed with git's own.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createHistoryReader } from '../../src/git/history.ts';
import { oid } from '../../src/git/oid.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, git, initRepository, runGit, writeCommit } from '../support/git-fixture.ts';

test('a commit whose date git does not read has none', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('r.git'), { bare: true });
  const at = 1_700_000_000;
  for (let n = 0; n < 10; n++) await writeCommit(dir, { date: at + 100 * n, message: `${n}\n` });
  const tree = await git(dir, 'rev-parse', 'main^{tree}');
  const body = `tree ${tree}\nauthor A <a@b> ${at} +0000\nodd header\ncommitter A <a@b> ${at + 650} +0000\n\nodd\n`;
  const odd = await runGit(dir, ['hash-object', '-t', 'commit', '-w', '--literally', '--stdin'], { input: body }); // prettier-ignore
  const main = await git(dir, 'rev-parse', 'main');
  const start = await writeCommit(dir, { parents: [main, odd.toString().trim()], date: at + 2000 });
  const reader = createHistoryReader({ git: door, cacheBytes: 2 ** 20 });
  const repository = await openRepository(dir);
  const ids: string[] = [];
  for (let after: string | undefined; ;) {
    const page = await reader.read(repository, oid(start), { first: 1, after, filter: {}, signal: untilDone }); // prettier-ignore
    ids.push(...page.commits.map((each) => each.oid));
    if (!page.hasNextPage) break;
    after = page.cursorAt(0);
  }
  assert.deepEqual(ids, (await git(dir, 'rev-list', start)).split('\n'));
});
