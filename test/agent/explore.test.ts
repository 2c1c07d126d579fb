/**
 * Every field that leads from a repository to its objects, asked of the running agent over repositories with all
 * that is odd in git, and compared with what git itself prints.
 */
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { buildSchema } from 'graphql';
import { createRandom } from '../git/random-history.ts';
import { startAgent } from '../support/agent-process.ts';
import { createFixture } from '../support/git-fixture.ts';
import { compareBlames, compareChanges } from './compare-changes.ts';
import { compareComparisons, compareHistories } from './compare-history.ts';
import { compareCommits, compareFiles, compareParents, compareSignatures, compareTrees } from './compare-objects.ts'; // prettier-ignore
import { compareExpressions, comparePagesBackwards, compareRefLists, compareRefs, compareTags } from './compare-refs.ts'; // prettier-ignore
import { compareStatus } from './compare-status.ts';
import { createExplorer } from './explorer.ts';
import { createKeys, writeOddRepositories } from './odd-repository.ts';
import { readSubject } from './subject.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000));

const COMPARISONS = {
  commits: compareCommits,
  'trees and their last commits': compareTrees,
  'refs by name, and HEAD': compareRefs,
  histories: compareHistories,
  'what commits changed': compareChanges,
  'commits compared': compareComparisons,
  'where lines come from': compareBlames,
};

/** What a shallow and bare repository has not, or as any other one does. */
const MORE = {
  expressions: compareExpressions,
  signatures: compareSignatures,
  'the working copy': compareStatus,
  'parents in pages': compareParents,
  'files by path, and their contents': compareFiles,
  tags: compareTags,
};

/** What does not depend on how long an object id is. */
const ONCE = {
  'refs in every order': compareRefLists,
  'pages backwards': comparePagesBackwards,
};

test(
  `the agent says what git prints, of every field and of all that is odd (seed ${SEED})`,
  { concurrency: 2 },
  async (t) => {
    await using fixture = await createFixture();
    const keys = await createKeys(fixture);
    const made = (['sha1', 'sha256'] as const).map(
      async (format, n) =>
        await writeOddRepositories(fixture, format, createRandom(SEED + n), keys),
    );
    // A shallow one of each would only take longer.
    const repositories = (await Promise.all(made))
      .flat()
      .filter(({ name }) => name !== 'sha256-shallow');
    const repo = Object.fromEntries(
      repositories.map(({ name, dir }) => [name, { repo_path: dir }]),
    );
    await using agent = await startAgent({ config: { repo } });
    const sdl = await readFile(join(import.meta.dirname, '../../schema.graphql'), 'utf8');
    const explorer = createExplorer(agent.url, buildSchema(sdl));
    const compared = repositories.map(
      async (each, n) =>
        await t.test(each.name, async (t) => {
          const subject = await readSubject(explorer, each, createRandom(SEED + n));
          const comparisons = {
            ...COMPARISONS,
            ...(each.isShallow ? {} : MORE),
            ...(n === 0 ? ONCE : {}),
          };
          for (const [title, compare] of Object.entries(comparisons)) {
            await t.test(title, async () => {
              await compare(subject);
            });
          }
        }),
    );
    await Promise.all(compared);
    assert.deepEqual(explorer.missing(), [], 'every field was asked');
  },
);
