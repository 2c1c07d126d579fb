/**
 * The cached status is right: a working copy is changed at random, and after each change the answer is
 * compared with that of a fresh `git status`. `npm run test:soak` makes 4,000 changes, twenty for
 * each round of GITAGENT_SOAK; GITAGENT_SEED says where they start.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Git } from '../../src/git/git.ts';
import { openRepository } from '../../src/git/repository.ts';
import { readStatus, type Status } from '../../src/git/status.ts';
import { createCopyWatch } from '../../src/live/copy-watch.ts';
import { createInotify } from '../../src/live/inotify.ts';
import { linesOf } from '../git/status-oracle.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture } from '../support/git-fixture.ts';
import { createWalk } from './walk.ts';

/** A line for each thing that only one of them says. */
function differ(cached: Status | string | null, fresh: Status | string): string[] {
  const [told, wanted] = [cached, fresh].map((status) => {
    if (status === null || typeof status === 'string') return [String(status)];
    const { branch, head, upstream } = status;
    return [JSON.stringify({ branch, head, upstream }), ...linesOf(status)];
  });
  if (JSON.stringify(cached) === JSON.stringify(fresh)) return [];
  const [inTold, inWanted] = [new Set(told), new Set(wanted)];
  return [
    'they differ, in these lines or only in their order:',
    ...[...inTold].filter((line) => !inWanted.has(line)).map((line) => `cached: ${line}`),
    ...[...inWanted].filter((line) => !inTold.has(line)).map((line) => `fresh: ${line}`),
  ];
}

const STEPS = Number(process.env['GITAGENT_SOAK'] ?? 3) * 20;
const SEED = Number(process.env['GITAGENT_SEED'] ?? 1);

test(
  `the cached status is that of a fresh git status after each of ${STEPS} random changes`,
  {
    timeout: 60_000 + STEPS * 5000,
    skip: process.platform !== 'linux' && 'nothing is cached there',
  },
  async () => {
    await using fixture = await createFixture();
    const walk = await createWalk(fixture, SEED);
    const { git, host } = await openDoor(fixture);
    const repository = await openRepository(walk.copy);
    let children = 0;
    const counting: Git = {
      ...git,
      run: async (...args) => {
        children += 1;
        return await git.run(...args);
      },
    };
    const watch = createCopyWatch({
      git: counting,
      repository,
      host,
      inotify: createInotify(10_000),
      maxFolders: 10_000,
      pollSeconds: 5,
      onNews: () => undefined,
    });
    await using stack = new AsyncDisposableStack();
    stack.defer(async () => {
      await watch.close();
    });
    const history: string[] = [];
    let cachedAnswers = 0;
    for (let step = 0; step < STEPS; step++) {
      history.push(`${step} ${walk.step()}`);
      const seen = await watch.read().catch((error: unknown) => String(error));
      const fresh = await readStatus(git, repository, untilDone).catch((error: unknown) =>
        String(error),
      );
      const told = typeof seen === 'string' ? seen : seen.status;
      const differences = differ(told, fresh);
      if (differences.length > 0) {
        const done = history.slice(-8).join('\n');
        assert.fail(`seed ${SEED}, after:\n${done}\n${differences.slice(0, 20).join('\n')}`);
      }
      assert.equal(watch.obstacle, null);
      const before = children;
      const again = await watch.read().catch((error: unknown) => String(error));
      if (children === before) {
        cachedAnswers += 1;
        assert.deepEqual(differ(typeof again === 'string' ? again : again.status, fresh), []);
      }
    }
    // Some changes need a second look: at what was ignored, or at a file that was written this very moment.
    assert.ok(cachedAnswers > STEPS * 0.7, `only ${cachedAnswers} of ${STEPS} answers were cached`);
  },
);
