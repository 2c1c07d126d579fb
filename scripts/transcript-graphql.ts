/** The questions and answers of docs/graphql.md. */
import { writeFile } from 'node:fs/promises';
import { GitAgentError, createGitAgentClient, type GitAgentClient } from '../src/client/index.ts';
import { startAgent } from '../test/support/agent-process.ts';
import {
  cloneRepository,
  createFixture,
  initRepository,
  runGit,
  writeCommit,
  type Fixture,
} from '../test/support/git-fixture.ts';
import { createNormalizer, type TranscriptPage } from './transcript-rest.ts';

const DEPLOY = `#!/bin/sh
for step in install build restart; do echo "$step ..."; done
`;
const ADA = 'Ada Lovelace <ada@example.com>';
const GRACE = 'Grace Hopper <grace@example.com>';

/**
 * A block of the kind `graphql` is sent, and the block of the kind `json` after it is the answer: of a
 * subscription each result. All are sent in order. `$job` is the job that was started last.
 */
export const graphqlPage: TranscriptPage = {
  file: 'docs/graphql.md',
  async renew(text) {
    await using fixture = await createFixture();
    const repo = await prepare(fixture);
    await using agent = await startAgent({ config: { repo } });
    await using client = createGitAgentClient({ url: agent.url });
    const ports = { '10000': new URL(agent.url).port, '10001': '' };
    const normalize = createNormalizer({ dir: fixture.dir, ports, since: Date.now() });
    const ask = createAsker(client);
    const parts: string[] = [];
    let rest = text;
    for (;;) {
      const block = /^```graphql\n(.*?)^```\n(?:\n```json\n.*?^```\n)?/ms.exec(rest);
      if (block === null) return [...parts, rest].join('');
      const [all, operation = ''] = block;
      const answer = normalize(await ask(operation));
      parts.push(rest.slice(0, block.index), '```graphql\n', operation, '```\n\n```json\n', answer, '```\n'); // prettier-ignore
      rest = rest.slice(block.index + all.length);
    }
  },
};

function createAsker(client: GitAgentClient): (operation: string) => Promise<string> {
  let job = '';
  return async (operation) => {
    const variables = operation.includes('$job') ? { job } : {};
    if (operation.startsWith('subscription')) {
      const results: string[] = [];
      for await (const result of client.subscribe(operation, variables)) {
        results.push(`${JSON.stringify(result)}\n`);
      }
      return results.join('');
    }
    const answer = await client.query(operation, variables).then(
      (data) => ({ data }),
      (error: unknown) => {
        if (error instanceof GitAgentError) return { errors: error.errors, data: error.data };
        throw error;
      },
    );
    const text = JSON.stringify(answer, null, 2);
    job = /"key": "([^"]+)"/.exec(text)?.[1] ?? job;
    if (operation.startsWith('mutation') && job !== '') {
      // What is asked next is asked of a job that has ended, or the answer would be another each time.
      for await (const _ of client.followOutput({ job }));
    }
    return `${text}\n`;
  };
}

/** `website` is clean and behind, `api` has work in it, `docs` is bare and has no commit. */
async function prepare(made: Fixture): Promise<Record<string, unknown>> {
  const path = (name: string): string => made.path(name);
  const at = (day: string): number => Date.parse(`${day}T09:30:00Z`) / 1000;
  const origin = await initRepository(path('origin.git'), { bare: true });
  await writeCommit(origin, {
    author: ADA,
    date: at('2026-01-12'),
    message: 'First page\n',
    files: {
      'README.md': '# Website\n\nRead me.\n',
      'deploy.sh': { mode: '100755', content: DEPLOY },
      'pages/index.html': '<h1>Hello</h1>\n<p>Soon more.</p>\n',
    },
  });
  await writeCommit(origin, {
    author: GRACE,
    date: at('2026-02-03'),
    message: 'A page about us\n\nWith the whole story.\n',
    files: { 'pages/about.html': '<h1>About us</h1>\n<p>We are two.</p>\n' },
  });
  await runGit(origin, ['tag', '-a', '-m', 'The first release', 'v1.0', 'main'], {
    env: { GIT_COMMITTER_DATE: '2026-02-04T08:00:00Z' },
  });
  await writeCommit(origin, {
    author: ADA,
    date: at('2026-03-20'),
    message: 'Greet the whole world\n',
    files: { 'pages/index.html': '<h1>Hello, world</h1>\n<p>Soon more.</p>\n' },
  });
  await writeCommit(origin, {
    author: GRACE,
    branch: 'topic',
    parents: ['main'],
    date: at('2026-04-01'),
    message: 'We are three\n',
    files: { 'pages/about.html': '<h1>About us</h1>\n<p>We are three.</p>\n' },
  });
  const website = await cloneRepository(origin, path('website'));
  const api = await cloneRepository(origin, path('api'));
  await writeCommit(origin, {
    author: ADA,
    date: at('2026-04-07'),
    message: 'Say more\n',
    files: { 'pages/index.html': '<h1>Hello, world</h1>\n<p>Much more.</p>\n' },
  });
  await runGit(website, ['fetch', '--quiet']);
  await writeFile(`${api}/pages/index.html`, '<h1>Hello, you</h1>\n');
  await writeFile(`${api}/notes.txt`, '');
  const docs = await initRepository(path('docs.git'), { bare: true });
  const command = { deploy: './deploy.sh', serve: 'echo serving; exec sleep 3600' };
  return {
    website: { repo_path: website, command },
    api: { repo_path: api, command },
    docs: { repo_path: docs },
  };
}
