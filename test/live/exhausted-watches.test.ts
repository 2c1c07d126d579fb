import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createFixture, initRepository, runProgram } from '../support/git-fixture.ts';

const FEW = 10;

/** Whether a user namespace can be made, where the limit is ours to set. */
function canLimit(): boolean {
  try {
    const limit = `echo ${FEW} > /proc/sys/user/max_inotify_watches`;
    execFileSync('unshare', ['--user', '--map-root-user', '/bin/sh', '-c', limit], {
      stdio: 'ignore',
    });
    return true;
  } catch {
    return false;
  }
}

test(
  'a repository is polled, with no watch left, when the system allows no more watches',
  { skip: !canLimit() && 'needs a user namespace' },
  async () => {
    await using fixture = await createFixture();
    const copy = await initRepository(fixture.path('copy'));
    for (let n = 0; n < 2 * FEW; n++) {
      await mkdir(join(copy, `folder-${n}`));
      await writeFile(join(copy, `folder-${n}/.gitignore`), '*\n');
    }
    const script = `echo ${FEW} > /proc/sys/user/max_inotify_watches && exec "$@"`;
    const shell = ['--user', '--map-root-user', '/bin/sh', '-c', script, 'sh'];
    const program = [process.execPath, join(import.meta.dirname, 'few-watches.ts')];
    const printed = await runProgram('unshare', ...shell, ...program, fixture.dir, copy);
    assert.deepEqual(JSON.parse(printed), {
      obstacle: 'the system allows no more watches: raise fs.inotify.max_user_watches',
      untracked: [{ text: 'new' }],
      watches: 0,
    });
  },
);
