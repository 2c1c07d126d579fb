import { graphql } from './generated/gql.ts';

/** A job as the documents below tell it. */
export const jobFragment = graphql(`
  fragment JobFacts on Job {
    id
    key
    kind
    state
    branch
    before {
      oid
    }
    after {
      oid
    }
    command
    exitCode
    signal
    error {
      code
      message
      detail
    }
  }
`);

/** Every repository with its full status. */
export const reposDocument = graphql(`
  query Repos($first: Int, $after: String, $name: String) {
    repos(first: $first, after: $after, name: $name) {
      nodes {
        ...RepoStatus
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** One repository's full status. */
export const repoDocument = graphql(`
  query Repo($name: String!) {
    repo(name: $name) {
      ...RepoStatus
    }
  }
`);

export const repoFragment = graphql(`
  fragment RepoStatus on Repo {
    id
    name
    bare
    branch
    busy
    dirty
    operation
    head {
      oid
      message
      author {
        name
        email
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
      added
      deleted
      modified
      renamed
      files {
        path
        pathRaw
        previousPath
        status
        index
        workTree
      }
    }
    untrackedFiles
    commands {
      name
      description
    }
  }
`);

/** One job, as it is now. */
export const jobDocument = graphql(`
  query Job($id: ID!) {
    job(id: $id) {
      ...JobFacts
    }
  }
`);

export const pullDocument = graphql(`
  mutation Pull($input: PullInput!) {
    pull(input: $input) {
      job {
        ...JobFacts
      }
    }
  }
`);

export const runDocument = graphql(`
  mutation Run($input: RunInput!) {
    run(input: $input) {
      job {
        ...JobFacts
      }
    }
  }
`);

export const cancelDocument = graphql(`
  mutation Cancel($input: CancelInput!) {
    cancel(input: $input) {
      job {
        ...JobFacts
      }
    }
  }
`);

/** Whether a repository is busy: now, then each change. */
export const watchBusyDocument = graphql(`
  subscription WatchBusy($repo: String) {
    busy(repo: $repo) {
      name
      busy
    }
  }
`);

/** A job until it ends. */
export const watchJobDocument = graphql(`
  subscription WatchJob($id: ID!) {
    job(id: $id) {
      ...JobFacts
      progress {
        phase
        percent
        current
        total
      }
    }
  }
`);

/** A job's output: history, then what comes, until the job ends. */
export const watchOutputDocument = graphql(`
  subscription WatchOutput($job: ID, $repo: String, $after: String) {
    output(job: $job, repo: $repo, after: $after) {
      job {
        key
      }
      offset
      cursor
      text
      textRaw
    }
  }
`);

/** A repository's newest jobs: now, then whenever it becomes busy or is so no more. */
export const watchRepoJobsDocument = graphql(`
  subscription WatchRepoJobs($repo: String!) {
    busy(repo: $repo) {
      jobs(first: 20) {
        nodes {
          key
          state
        }
      }
    }
  }
`);

/** Jobs, newest first. */
export const jobsDocument = graphql(`
  query Jobs($repo: String, $state: [JobState!], $first: Int, $after: String) {
    jobs(repo: $repo, state: $state, first: $first, after: $after) {
      nodes {
        ...JobFacts
        repo {
          name
        }
        caller
        trigger
        queuedAt
        startedAt
        finishedAt
      }
      pageInfo {
        hasNextPage
        endCursor
      }
    }
  }
`);

/** A page of what a job has printed so far. */
export const jobOutputDocument = graphql(`
  query JobOutput($id: ID!, $first: Int, $after: String) {
    job(id: $id) {
      output(first: $first, after: $after) {
        nodes {
          text
          textRaw
        }
        pageInfo {
          hasNextPage
          endCursor
        }
      }
    }
  }
`);
