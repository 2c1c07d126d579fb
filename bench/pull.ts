/** What a pull takes in a working copy of 5,000 files, against `git pull --ff-only` in another one like it. */
import { setTimeout as delay } from 'node:timers/promises';
import { startAgent } from '../test/support/agent-process.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  writeCommit,
} from '../test/support/git-fixture.ts';
import { manyFiles } from './support/many-files.ts';
import { median, printRows, type Row } from './support/row.ts';

const FILES = 5000;
const ROUNDS = 15;

async function measure(): Promise<Row[]> {
  await using fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  await writeCommit(origin, { files: manyFiles(FILES) });
  const theirs = await cloneRepository(origin, fixture.path('theirs'));
  const ours = await cloneRepository(origin, fixture.path('ours'));
  await using agent = await startAgent({ config: { repo: { site: { repo_path: ours } } } });
  const byAgent = async (): Promise<void> => {
    const body = new URLSearchParams({ block: '1' });
    const answer = await fetch(`${agent.url}/repo/site/pull`, { method: 'POST', body });
    const { ret } = (await answer.json()) as { ret: string };
    if (ret !== 'success') throw new Error(`the pull ended with ${ret}`);
  };
  const byGit = async (): Promise<void> => void (await git(theirs, 'pull', '--quiet', '--ff-only'));
  // The indexes were written in the same moment as the files, so that git would compare them byte by byte.
  await delay(1100);
  await byAgent();
  await byGit();
  const compare = async (what: string, prepare: () => Promise<unknown>): Promise<Row> => {
    const agents: number[] = [];
    const gits: number[] = [];
    for (let round = 0; round < ROUNDS; round++) {
      await prepare();
      // Each goes first as often as the other.
      const sides = [
        async () => agents.push(await time(byAgent)),
        async () => gits.push(await time(byGit)),
      ];
      for (const side of round % 2 === 0 ? sides : sides.toReversed()) await side();
    }
    const against = { what: 'git pull --ff-only', value: median(gits) };
    return { what, value: median(agents), unit: 'ms', against };
  };
  let count = FILES;
  return [
    await compare('POST /repo/NAME/pull, nothing new', async () => {}),
    await compare(
      'POST /repo/NAME/pull, one new commit',
      async () =>
        await writeCommit(origin, { files: { 'part-0/folder-0/file-0': `${count++}\n` } }),
    ),
  ];
}

async function time(action: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await action();
  return performance.now() - start;
}

printRows(await measure());
