import { renderGraphiQL } from '@graphql-yoga/render-graphiql';
import { createHash } from 'node:crypto';
import { parentPort, workerData } from 'node:worker_threads';
import { gzipSync } from 'node:zlib';
import type { GraphiQLPage, GraphiQLPageData } from './graphiql.ts';

/** The operations that a newcomer finds, each in a tab of its own. */
const EXPLORE = `# Everything this agent serves, as it is now.
# Press the triangle, or Ctrl-Enter.
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

const PULL = `# Bring a working copy up to date.
# The variables below say which, and may name
# a "command" of its configuration to run then.
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

const WATCH = `# What the running job prints, or else the next.
# Start this, then the pull in the other tab.
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

const { repo } = workerData as GraphiQLPageData;
const html = renderGraphiQL({
  title: 'GitAgent',
  subscriptionsProtocol: 'WS',
  defaultTabs: [
    { query: EXPLORE },
    { query: PULL, variables: JSON.stringify({ input: { repo, wait: true } }, null, 2) },
    { query: WATCH, variables: JSON.stringify({ repo }, null, 2) },
  ],
});
const page: GraphiQLPage = {
  gzip: gzipSync(html),
  etag: `"${createHash('sha256').update(html).digest('hex').slice(0, 32)}"`,
};
parentPort?.postMessage(page);
