import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { createHash } from 'node:crypto';
import { parentPort } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import type { GraphiQLPage } from './graphiql.ts';

/** The operations that a newcomer finds, each in a tab of its own. */
const EXPLORE = `# Everything this agent serves, as it is now.
# Press the button with the triangle, or Ctrl-Enter.
query Explore {
  repos {
    nodes {
      name
      branch
      busy
      dirty
      head {
        abbreviatedOid
        messageHeadline
        author {
          name
          date
        }
      }
      upstream {
        name
        ahead
        behind
      }
      changedFiles {
        totalCount
        files {
          path
          status
        }
      }
      untrackedFiles(first: 20)
      commands {
        name
        description
      }
    }
  }
}
`;

const PULL = `# Bring a working copy up to date, and wait for the end.
# Put a repository's name into the variables below; add "command" to run one afterwards.
mutation Pull($input: PullInput!) {
  pull(input: $input) {
    job {
      key
      state
      before {
        abbreviatedOid
      }
      after {
        abbreviatedOid
      }
      changedFiles {
        totalCount
      }
      error {
        code
        message
      }
    }
  }
}
`;

const WATCH = `# What the running job prints, line by line, or else the next one.
# Start it, then start the pull in the other tab.
subscription Watch($repo: String!) {
  output(repo: $repo) {
    text
    cursor
    job {
      state
    }
  }
}
`;

const html = renderGraphiQL({
  title: 'GitAgent',
  subscriptionsProtocol: 'WS',
  defaultTabs: [
    { query: EXPLORE },
    { query: PULL, variables: JSON.stringify({ input: { repo: '', wait: true } }, null, 2) },
    { query: WATCH, variables: JSON.stringify({ repo: '' }, null, 2) },
  ],
});
const page: GraphiQLPage = {
  gzip: gzipSync(html),
  etag: `"${createHash('sha256').update(html).digest('hex').slice(0, 32)}"`,
};
parentPort?.postMessage(page);
