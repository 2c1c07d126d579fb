/** The limits of a job's stages, and what cancel reaches. */
import assert from 'node:assert/strict';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeScript } from '../support/fake-git.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  writeCommit,
} from '../support/git-fixture.ts';
import { shell, startAgent } from './agent.ts';
import { onLinux, processesOf } from './support.ts';

test(
  'a command that prints nothing for too long is ended, one that prints now and then is not',
  onLinux,
  async () => {
    const chatty = 'for i in 1 2 3 4 5 6 7 8; do echo $i; sleep 0.1; done';
    await using agent = await startAgent({
      repos: {
        repo: {
          commands: { silent: shell('echo begins; sleep 60', { idleSeconds: 0.3 }), chatty },
        },
      },
      timeouts: { idleSeconds: 5 },
    });
    const silent = await agent.ended(agent.submit({ command: 'silent' }).id);
    assert.equal(silent.state, 'FAILED');
    assert.equal(
      silent.error?.message,
      'command "silent" was ended, for it printed nothing for 0.3 seconds: raise the command\'s "idle", or timeouts.idle',
    );
    assert.deepEqual(processesOf(agent.mark), []);
    assert.equal((await agent.ended(agent.submit({ command: 'chatty' }).id)).state, 'SUCCEEDED');
  },
);

test('a command without a limit of its own has that of timeouts.command', onLinux, async () => {
  await using agent = await startAgent({
    repos: {
      repo: { commands: { slow: 'sleep 60', own: shell('sleep 0.5', { timeoutSeconds: 60 }) } },
    },
    timeouts: { commandSeconds: 0.2 },
  });
  const slow = await agent.ended(agent.submit({ command: 'slow' }).id);
  assert.match(slow.error?.message ?? '', /^command "slow" was ended after 0\.2 seconds: raise /);
  assert.equal((await agent.ended(agent.submit({ command: 'own' }).id)).state, 'SUCCEEDED');
});

test('a move that takes too long is ended and undone', onLinux, async () => {
  await using fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  await writeCommit(origin, { files: { a: 'one\n', 'm.slow': 'one\n', z: 'one\n' } });
  const copy = await cloneRepository(origin, fixture.path('copy'));
  const before = await git(copy, 'rev-parse', 'HEAD');
  const hold = fixture.path('hold');
  const smudge = await writeScript(
    fixture.path('smudge'),
    `[ -e '${hold}' ] && rm '${hold}' && sleep 60`,
    'exec cat',
  );
  await mkdir(join(copy, '.git/info'), { recursive: true });
  await writeFile(join(copy, '.git/info/attributes'), '*.slow filter=slow\n');
  await git(copy, 'config', 'filter.slow.smudge', smudge);
  await git(copy, 'config', 'filter.slow.clean', 'cat');
  await writeCommit(origin, { files: { a: 'two\n', 'm.slow': 'two\n', z: 'two\n' } });
  await writeFile(hold, '');
  await writeFile(join(copy, 'notes'), 'mine\n');
  await using agent = await startAgent({
    repos: { repo: { path: copy } },
    timeouts: { checkoutSeconds: 1 },
  });
  const { id } = agent.submit({ kind: 'PULL' });
  const job = await agent.jobs.wait(id, AbortSignal.timeout(60_000));
  assert.equal(job.error?.message, 'git merge was ended after 1 seconds: raise timeouts.checkout');
  assert.equal(await git(copy, 'rev-parse', 'HEAD'), before);
  assert.equal(await git(copy, 'status', '--porcelain'), '?? notes');
  assert.deepEqual(processesOf(agent.mark), []);
});

test('cancel reaches the whole group, and not what left it to live on', onLinux, async () => {
  await using agent = await startAgent({
    repos: {
      repo: { commands: { both: 'setsid sh -c "echo ready; exec sleep 61" & sleep 62 & wait' } },
    },
    killSeconds: 1,
  });
  const { id } = agent.submit({ command: 'both' });
  await agent.printed(id, 'ready\n');
  agent.jobs.cancel(id);
  assert.equal((await agent.ended(id)).state, 'CANCELLED');
  assert.equal(processesOf(agent.mark).length, 1);
});
