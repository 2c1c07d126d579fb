/* eslint-disable */
import * as types from './graphql.ts';



/**
 * Map of all GraphQL operations in the project.
 *
 * This map has several performance disadvantages:
 * 1. It is not tree-shakeable, so it will include all operations in the project.
 * 2. It is not minifiable, so the string of a GraphQL query will be multiple times inside the bundle.
 * 3. It does not support dead code elimination, so it will add unused operations.
 *
 * Therefore it is highly recommended to use the babel or swc plugin for production.
 * Learn more about it here: https://the-guild.dev/graphql/codegen/plugins/presets/preset-client#reducing-bundle-size
 */
type Documents = {
    "\n  fragment JobFacts on Job {\n    id\n    key\n    kind\n    state\n    branch\n    before {\n      oid\n    }\n    after {\n      oid\n    }\n    command\n    exitCode\n    signal\n    error {\n      code\n      message\n      detail\n    }\n  }\n": typeof types.JobFactsFragmentDoc,
    "\n  query Repos($first: Int, $after: String, $name: String) {\n    repos(first: $first, after: $after, name: $name) {\n      nodes {\n        ...RepoStatus\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": typeof types.ReposDocument,
    "\n  query Repo($name: String!) {\n    repo(name: $name) {\n      ...RepoStatus\n    }\n  }\n": typeof types.RepoDocument,
    "\n  fragment RepoStatus on Repo {\n    id\n    name\n    bare\n    branch\n    busy\n    dirty\n    operation\n    head {\n      oid\n      message\n      author {\n        name\n        email\n        date\n      }\n    }\n    upstream {\n      name\n      ahead\n      behind\n    }\n    changedFiles {\n      totalCount\n      added\n      deleted\n      modified\n      renamed\n      files {\n        path\n        pathRaw\n        previousPath\n        status\n        index\n        workTree\n      }\n    }\n    untrackedFiles\n    commands {\n      name\n      description\n    }\n  }\n": typeof types.RepoStatusFragmentDoc,
    "\n  query Job($id: ID!) {\n    job(id: $id) {\n      ...JobFacts\n    }\n  }\n": typeof types.JobDocument,
    "\n  mutation Pull($input: PullInput!) {\n    pull(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n": typeof types.PullDocument,
    "\n  mutation Run($input: RunInput!) {\n    run(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n": typeof types.RunDocument,
    "\n  mutation Cancel($input: CancelInput!) {\n    cancel(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n": typeof types.CancelDocument,
    "\n  subscription WatchBusy($repo: String) {\n    busy(repo: $repo) {\n      name\n      busy\n    }\n  }\n": typeof types.WatchBusyDocument,
    "\n  subscription WatchJob($id: ID!) {\n    job(id: $id) {\n      ...JobFacts\n      progress {\n        phase\n        percent\n        current\n        total\n      }\n    }\n  }\n": typeof types.WatchJobDocument,
    "\n  subscription WatchOutput($job: ID, $repo: String, $after: String) {\n    output(job: $job, repo: $repo, after: $after) {\n      job {\n        key\n      }\n      offset\n      cursor\n      text\n      textRaw\n    }\n  }\n": typeof types.WatchOutputDocument,
    "\n  subscription WatchRepoJobs($repo: String!) {\n    busy(repo: $repo) {\n      jobs(first: 20) {\n        nodes {\n          key\n          state\n        }\n      }\n    }\n  }\n": typeof types.WatchRepoJobsDocument,
    "\n  query Jobs($repo: String, $state: [JobState!], $first: Int, $after: String) {\n    jobs(repo: $repo, state: $state, first: $first, after: $after) {\n      nodes {\n        ...JobFacts\n        repo {\n          name\n        }\n        caller\n        trigger\n        queuedAt\n        startedAt\n        finishedAt\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": typeof types.JobsDocument,
    "\n  query JobOutput($id: ID!, $first: Int, $after: String) {\n    job(id: $id) {\n      output(first: $first, after: $after) {\n        nodes {\n          text\n          textRaw\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": typeof types.JobOutputDocument,
    "\n  subscription WatchRepo($name: String!) {\n    repo(name: $name) {\n      branch\n      busy\n      dirty\n      operation\n      head {\n        oid\n      }\n      upstream {\n        ahead\n        behind\n      }\n      changedFiles {\n        modified\n      }\n      untrackedFiles\n      currentJob {\n        state\n      }\n    }\n  }\n": typeof types.WatchRepoDocument,
};
const documents: Documents = {
    "\n  fragment JobFacts on Job {\n    id\n    key\n    kind\n    state\n    branch\n    before {\n      oid\n    }\n    after {\n      oid\n    }\n    command\n    exitCode\n    signal\n    error {\n      code\n      message\n      detail\n    }\n  }\n": types.JobFactsFragmentDoc,
    "\n  query Repos($first: Int, $after: String, $name: String) {\n    repos(first: $first, after: $after, name: $name) {\n      nodes {\n        ...RepoStatus\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": types.ReposDocument,
    "\n  query Repo($name: String!) {\n    repo(name: $name) {\n      ...RepoStatus\n    }\n  }\n": types.RepoDocument,
    "\n  fragment RepoStatus on Repo {\n    id\n    name\n    bare\n    branch\n    busy\n    dirty\n    operation\n    head {\n      oid\n      message\n      author {\n        name\n        email\n        date\n      }\n    }\n    upstream {\n      name\n      ahead\n      behind\n    }\n    changedFiles {\n      totalCount\n      added\n      deleted\n      modified\n      renamed\n      files {\n        path\n        pathRaw\n        previousPath\n        status\n        index\n        workTree\n      }\n    }\n    untrackedFiles\n    commands {\n      name\n      description\n    }\n  }\n": types.RepoStatusFragmentDoc,
    "\n  query Job($id: ID!) {\n    job(id: $id) {\n      ...JobFacts\n    }\n  }\n": types.JobDocument,
    "\n  mutation Pull($input: PullInput!) {\n    pull(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n": types.PullDocument,
    "\n  mutation Run($input: RunInput!) {\n    run(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n": types.RunDocument,
    "\n  mutation Cancel($input: CancelInput!) {\n    cancel(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n": types.CancelDocument,
    "\n  subscription WatchBusy($repo: String) {\n    busy(repo: $repo) {\n      name\n      busy\n    }\n  }\n": types.WatchBusyDocument,
    "\n  subscription WatchJob($id: ID!) {\n    job(id: $id) {\n      ...JobFacts\n      progress {\n        phase\n        percent\n        current\n        total\n      }\n    }\n  }\n": types.WatchJobDocument,
    "\n  subscription WatchOutput($job: ID, $repo: String, $after: String) {\n    output(job: $job, repo: $repo, after: $after) {\n      job {\n        key\n      }\n      offset\n      cursor\n      text\n      textRaw\n    }\n  }\n": types.WatchOutputDocument,
    "\n  subscription WatchRepoJobs($repo: String!) {\n    busy(repo: $repo) {\n      jobs(first: 20) {\n        nodes {\n          key\n          state\n        }\n      }\n    }\n  }\n": types.WatchRepoJobsDocument,
    "\n  query Jobs($repo: String, $state: [JobState!], $first: Int, $after: String) {\n    jobs(repo: $repo, state: $state, first: $first, after: $after) {\n      nodes {\n        ...JobFacts\n        repo {\n          name\n        }\n        caller\n        trigger\n        queuedAt\n        startedAt\n        finishedAt\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n": types.JobsDocument,
    "\n  query JobOutput($id: ID!, $first: Int, $after: String) {\n    job(id: $id) {\n      output(first: $first, after: $after) {\n        nodes {\n          text\n          textRaw\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n": types.JobOutputDocument,
    "\n  subscription WatchRepo($name: String!) {\n    repo(name: $name) {\n      branch\n      busy\n      dirty\n      operation\n      head {\n        oid\n      }\n      upstream {\n        ahead\n        behind\n      }\n      changedFiles {\n        modified\n      }\n      untrackedFiles\n      currentJob {\n        state\n      }\n    }\n  }\n": types.WatchRepoDocument,
};

/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment JobFacts on Job {\n    id\n    key\n    kind\n    state\n    branch\n    before {\n      oid\n    }\n    after {\n      oid\n    }\n    command\n    exitCode\n    signal\n    error {\n      code\n      message\n      detail\n    }\n  }\n"): typeof import('./graphql.ts').JobFactsFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Repos($first: Int, $after: String, $name: String) {\n    repos(first: $first, after: $after, name: $name) {\n      nodes {\n        ...RepoStatus\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n"): typeof import('./graphql.ts').ReposDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Repo($name: String!) {\n    repo(name: $name) {\n      ...RepoStatus\n    }\n  }\n"): typeof import('./graphql.ts').RepoDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  fragment RepoStatus on Repo {\n    id\n    name\n    bare\n    branch\n    busy\n    dirty\n    operation\n    head {\n      oid\n      message\n      author {\n        name\n        email\n        date\n      }\n    }\n    upstream {\n      name\n      ahead\n      behind\n    }\n    changedFiles {\n      totalCount\n      added\n      deleted\n      modified\n      renamed\n      files {\n        path\n        pathRaw\n        previousPath\n        status\n        index\n        workTree\n      }\n    }\n    untrackedFiles\n    commands {\n      name\n      description\n    }\n  }\n"): typeof import('./graphql.ts').RepoStatusFragmentDoc;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Job($id: ID!) {\n    job(id: $id) {\n      ...JobFacts\n    }\n  }\n"): typeof import('./graphql.ts').JobDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Pull($input: PullInput!) {\n    pull(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n"): typeof import('./graphql.ts').PullDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Run($input: RunInput!) {\n    run(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n"): typeof import('./graphql.ts').RunDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  mutation Cancel($input: CancelInput!) {\n    cancel(input: $input) {\n      job {\n        ...JobFacts\n      }\n    }\n  }\n"): typeof import('./graphql.ts').CancelDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription WatchBusy($repo: String) {\n    busy(repo: $repo) {\n      name\n      busy\n    }\n  }\n"): typeof import('./graphql.ts').WatchBusyDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription WatchJob($id: ID!) {\n    job(id: $id) {\n      ...JobFacts\n      progress {\n        phase\n        percent\n        current\n        total\n      }\n    }\n  }\n"): typeof import('./graphql.ts').WatchJobDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription WatchOutput($job: ID, $repo: String, $after: String) {\n    output(job: $job, repo: $repo, after: $after) {\n      job {\n        key\n      }\n      offset\n      cursor\n      text\n      textRaw\n    }\n  }\n"): typeof import('./graphql.ts').WatchOutputDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription WatchRepoJobs($repo: String!) {\n    busy(repo: $repo) {\n      jobs(first: 20) {\n        nodes {\n          key\n          state\n        }\n      }\n    }\n  }\n"): typeof import('./graphql.ts').WatchRepoJobsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query Jobs($repo: String, $state: [JobState!], $first: Int, $after: String) {\n    jobs(repo: $repo, state: $state, first: $first, after: $after) {\n      nodes {\n        ...JobFacts\n        repo {\n          name\n        }\n        caller\n        trigger\n        queuedAt\n        startedAt\n        finishedAt\n      }\n      pageInfo {\n        hasNextPage\n        endCursor\n      }\n    }\n  }\n"): typeof import('./graphql.ts').JobsDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  query JobOutput($id: ID!, $first: Int, $after: String) {\n    job(id: $id) {\n      output(first: $first, after: $after) {\n        nodes {\n          text\n          textRaw\n        }\n        pageInfo {\n          hasNextPage\n          endCursor\n        }\n      }\n    }\n  }\n"): typeof import('./graphql.ts').JobOutputDocument;
/**
 * The graphql function is used to parse GraphQL queries into a document that can be used by GraphQL clients.
 */
export function graphql(source: "\n  subscription WatchRepo($name: String!) {\n    repo(name: $name) {\n      branch\n      busy\n      dirty\n      operation\n      head {\n        oid\n      }\n      upstream {\n        ahead\n        behind\n      }\n      changedFiles {\n        modified\n      }\n      untrackedFiles\n      currentJob {\n        state\n      }\n    }\n  }\n"): typeof import('./graphql.ts').WatchRepoDocument;


export function graphql(source: string) {
  return (documents as any)[source] ?? {};
}
