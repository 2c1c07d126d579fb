/* eslint-disable */
/** Internal type. DO NOT USE DIRECTLY. */
type Exact<T extends { [key: string]: unknown }> = { [K in keyof T]: T[K] };
/** Internal type. DO NOT USE DIRECTLY. */
export type Incremental<T> = T | { [P in keyof T]?: P extends ' $fragmentName' | '__typename' ? T[P] : never };
import type { DocumentTypeDecoration } from '@graphql-typed-document-node/core';
/** What to cancel. */
export type CancelInput = {
  /** The job's `id` or `key`. */
  job: string;
  /** Answer when it has ended, instead of when it was told to. */
  wait?: boolean | null | undefined;
};

/** How a file differs; the names are those of GitHub's `PatchStatus`. */
export type FileStatus =
  /** It was not there before. */
  | 'ADDED'
  /** Its type is another, for example a symbolic link instead of a file. */
  | 'CHANGED'
  /** It was made from another file that is still there. */
  | 'COPIED'
  /** It is not there any more. */
  | 'DELETED'
  /** Its content or mode is another. */
  | 'MODIFIED'
  /** It had another name before. */
  | 'RENAMED'
  /** A merge left it to be resolved. */
  | 'UNMERGED';

/** What to do when another job holds the repository. */
export type IfBusy =
  /** Answer with an error whose code is `BUSY`. */
  | 'REJECT'
  /** Wait for its turn. */
  | 'WAIT';

/** What a job does. */
export type JobKind =
  /** Brings a working copy up to date, and may run a command after it. */
  | 'PULL'
  /** A push by git that changes the checked-out branch and the working tree. */
  | 'PUSH'
  /** Only runs a command. */
  | 'RUN';

/** How far a job is. The last four are final. */
export type JobState =
  /** Somebody cancelled it; no process of it is left. */
  | 'CANCELLED'
  /** It was refused, or something went wrong: see `error`. */
  | 'FAILED'
  /** The agent ended while it had not. */
  | 'INTERRUPTED'
  /** Accepted; other jobs of its repository come first. */
  | 'QUEUED'
  /** It holds the lock and works. */
  | 'RUNNING'
  /** All of it is done. */
  | 'SUCCEEDED';

/** What to pull. */
export type PullInput = {
  /** The branch to check out and bring up to date; made when only the remote has it. When left out: the configuration's, else the default branch, which is what the remote's HEAD points to here, else the checked-out one. */
  branch?: string | null | undefined;
  /** The configured command to run afterwards. */
  command?: string | null | undefined;
  /** A commit to detach HEAD at, full or abbreviated, instead of the branch's tip. It must exist once the remote has been fetched. */
  hash?: string | null | undefined;
  /** Makes it safe to send this again: a request of the same caller with the same key is given the job that the first has started, as long as that is remembered. With the same key and something else asked for it is refused. */
  idempotencyKey?: string | null | undefined;
  /** When it is busy. */
  ifBusy?: IfBusy | null | undefined;
  /** The `token` of a plan: the pull goes exactly where that said, whatever the remote has by now, or its job fails with `CONFLICT` because HEAD, what is staged or the branch has moved since. branch, hash, strategy and command are then those of the plan, and may be left out. */
  planToken?: string | null | undefined;
  /** The repository's name. */
  repo: string;
  /** When left out: the configuration's, which is FF_ONLY unless it says otherwise. */
  strategy?: PullStrategy | null | undefined;
  /** Answer when the job has ended, instead of when it was accepted. */
  wait?: boolean | null | undefined;
};

/** What a pull does when the branch and its upstream have diverged. */
export type PullStrategy =
  /** Refuse. */
  | 'FF_ONLY'
  /** Merge the upstream; refuse when that conflicts. */
  | 'MERGE'
  /** Put the branch's own commits on top; undo it when that conflicts. */
  | 'REBASE'
  /** Take the upstream as it is. What that discards is saved first, under `refs/gitagent/saved/JOB`. */
  | 'RESET';

/** An operation that somebody started in the working tree and has not finished. */
export type RepoOperation =
  /** `git am` stopped. */
  | 'APPLY_MAILBOX'
  /** `git bisect` is looking for a commit. */
  | 'BISECT'
  /** `git cherry-pick` stopped. */
  | 'CHERRY_PICK'
  /** `git merge` stopped at a conflict. */
  | 'MERGE'
  /** `git rebase` stopped. */
  | 'REBASE'
  /** `git revert` stopped. */
  | 'REVERT';

/** What to run. */
export type RunInput = {
  /** The configured command's name. */
  command: string;
  /** Makes it safe to send this again: a request of the same caller with the same key is given the job that the first has started, as long as that is remembered. With the same key and something else asked for it is refused. */
  idempotencyKey?: string | null | undefined;
  /** When it is busy. */
  ifBusy?: IfBusy | null | undefined;
  /** The repository's name. */
  repo: string;
  /** Answer when the job has ended, instead of when it was accepted. */
  wait?: boolean | null | undefined;
};

export type JobFactsFragment = { id: string, key: string, kind: JobKind, state: JobState, branch: string | null, command: string | null, exitCode: number | null, signal: string | null, before: { oid: string } | null, after: { oid: string } | null, error: { code: string, message: string, detail: string | null } | null };

export type ReposQueryVariables = Exact<{
  first?: number | null | undefined;
  after?: string | null | undefined;
  name?: string | null | undefined;
}>;


export type ReposQuery = { repos: { nodes: Array<{ id: string, name: string, bare: boolean, branch: string | null, busy: boolean, dirty: boolean, operation: RepoOperation | null, untrackedFiles: Array<string>, head: { oid: string, message: string, author: { name: string, email: string, date: string | null } } | null, upstream: { name: string, ahead: number | null, behind: number | null } | null, changedFiles: { totalCount: number, added: Array<string>, deleted: Array<string>, modified: Array<string>, renamed: Array<string>, files: Array<{ path: string, pathRaw: string | null, previousPath: string | null, status: FileStatus, index: FileStatus | null, workTree: FileStatus | null }> }, commands: Array<{ name: string, description: string | null }> }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type RepoQueryVariables = Exact<{
  name: string;
}>;


export type RepoQuery = { repo: { id: string, name: string, bare: boolean, branch: string | null, busy: boolean, dirty: boolean, operation: RepoOperation | null, untrackedFiles: Array<string>, head: { oid: string, message: string, author: { name: string, email: string, date: string | null } } | null, upstream: { name: string, ahead: number | null, behind: number | null } | null, changedFiles: { totalCount: number, added: Array<string>, deleted: Array<string>, modified: Array<string>, renamed: Array<string>, files: Array<{ path: string, pathRaw: string | null, previousPath: string | null, status: FileStatus, index: FileStatus | null, workTree: FileStatus | null }> }, commands: Array<{ name: string, description: string | null }> } | null };

export type RepoStatusFragment = { id: string, name: string, bare: boolean, branch: string | null, busy: boolean, dirty: boolean, operation: RepoOperation | null, untrackedFiles: Array<string>, head: { oid: string, message: string, author: { name: string, email: string, date: string | null } } | null, upstream: { name: string, ahead: number | null, behind: number | null } | null, changedFiles: { totalCount: number, added: Array<string>, deleted: Array<string>, modified: Array<string>, renamed: Array<string>, files: Array<{ path: string, pathRaw: string | null, previousPath: string | null, status: FileStatus, index: FileStatus | null, workTree: FileStatus | null }> }, commands: Array<{ name: string, description: string | null }> };

export type JobQueryVariables = Exact<{
  id: string;
}>;


export type JobQuery = { job: { id: string, key: string, kind: JobKind, state: JobState, branch: string | null, command: string | null, exitCode: number | null, signal: string | null, before: { oid: string } | null, after: { oid: string } | null, error: { code: string, message: string, detail: string | null } | null } | null };

export type PullMutationVariables = Exact<{
  input: PullInput;
}>;


export type PullMutation = { pull: { job: { id: string, key: string, kind: JobKind, state: JobState, branch: string | null, command: string | null, exitCode: number | null, signal: string | null, before: { oid: string } | null, after: { oid: string } | null, error: { code: string, message: string, detail: string | null } | null } } };

export type RunMutationVariables = Exact<{
  input: RunInput;
}>;


export type RunMutation = { run: { job: { id: string, key: string, kind: JobKind, state: JobState, branch: string | null, command: string | null, exitCode: number | null, signal: string | null, before: { oid: string } | null, after: { oid: string } | null, error: { code: string, message: string, detail: string | null } | null } } };

export type CancelMutationVariables = Exact<{
  input: CancelInput;
}>;


export type CancelMutation = { cancel: { job: { id: string, key: string, kind: JobKind, state: JobState, branch: string | null, command: string | null, exitCode: number | null, signal: string | null, before: { oid: string } | null, after: { oid: string } | null, error: { code: string, message: string, detail: string | null } | null } } };

export type WatchBusySubscriptionVariables = Exact<{
  repo?: string | null | undefined;
}>;


export type WatchBusySubscription = { busy: { name: string, busy: boolean } };

export type WatchJobSubscriptionVariables = Exact<{
  id: string;
}>;


export type WatchJobSubscription = { job: { id: string, key: string, kind: JobKind, state: JobState, branch: string | null, command: string | null, exitCode: number | null, signal: string | null, progress: { phase: string, percent: number, current: number, total: number } | null, before: { oid: string } | null, after: { oid: string } | null, error: { code: string, message: string, detail: string | null } | null } };

export type WatchOutputSubscriptionVariables = Exact<{
  job?: string | null | undefined;
  repo?: string | null | undefined;
  after?: string | null | undefined;
}>;


export type WatchOutputSubscription = { output: { offset: number, cursor: string, text: string, textRaw: string | null, job: { key: string } } };

export type WatchRepoJobsSubscriptionVariables = Exact<{
  repo: string;
}>;


export type WatchRepoJobsSubscription = { busy: { jobs: { nodes: Array<{ key: string, state: JobState }> } } };

export type JobsQueryVariables = Exact<{
  repo?: string | null | undefined;
  state?: Array<JobState> | JobState | null | undefined;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type JobsQuery = { jobs: { nodes: Array<{ caller: string, trigger: string, queuedAt: string, startedAt: string | null, finishedAt: string | null, id: string, key: string, kind: JobKind, state: JobState, branch: string | null, command: string | null, exitCode: number | null, signal: string | null, repo: { name: string } | null, before: { oid: string } | null, after: { oid: string } | null, error: { code: string, message: string, detail: string | null } | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } };

export type JobOutputQueryVariables = Exact<{
  id: string;
  first?: number | null | undefined;
  after?: string | null | undefined;
}>;


export type JobOutputQuery = { job: { output: { nodes: Array<{ text: string, textRaw: string | null }>, pageInfo: { hasNextPage: boolean, endCursor: string | null } } } | null };

export type WatchRepoSubscriptionVariables = Exact<{
  name: string;
}>;


export type WatchRepoSubscription = { repo: { branch: string | null, busy: boolean, dirty: boolean, operation: RepoOperation | null, untrackedFiles: Array<string>, head: { oid: string } | null, upstream: { ahead: number | null, behind: number | null } | null, changedFiles: { modified: Array<string> }, currentJob: { state: JobState } | null } };

export class TypedDocumentString<TResult, TVariables>
  extends String
  implements DocumentTypeDecoration<TResult, TVariables>
{
  __apiType?: NonNullable<DocumentTypeDecoration<TResult, TVariables>['__apiType']>;
  private value: string;
  public __meta__?: Record<string, any> | undefined;

  constructor(value: string, __meta__?: Record<string, any> | undefined) {
    super(value);
    this.value = value;
    this.__meta__ = __meta__;
  }

  override toString(): string & DocumentTypeDecoration<TResult, TVariables> {
    return this.value;
  }
}
export const JobFactsFragmentDoc = new TypedDocumentString(`
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
    `, {"fragmentName":"JobFacts"}) as unknown as TypedDocumentString<JobFactsFragment, unknown>;
export const RepoStatusFragmentDoc = new TypedDocumentString(`
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
    `, {"fragmentName":"RepoStatus"}) as unknown as TypedDocumentString<RepoStatusFragment, unknown>;
export const ReposDocument = new TypedDocumentString(`
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
}`) as unknown as TypedDocumentString<ReposQuery, ReposQueryVariables>;
export const RepoDocument = new TypedDocumentString(`
    query Repo($name: String!) {
  repo(name: $name) {
    ...RepoStatus
  }
}
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
}`) as unknown as TypedDocumentString<RepoQuery, RepoQueryVariables>;
export const JobDocument = new TypedDocumentString(`
    query Job($id: ID!) {
  job(id: $id) {
    ...JobFacts
  }
}
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
}`) as unknown as TypedDocumentString<JobQuery, JobQueryVariables>;
export const PullDocument = new TypedDocumentString(`
    mutation Pull($input: PullInput!) {
  pull(input: $input) {
    job {
      ...JobFacts
    }
  }
}
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
}`) as unknown as TypedDocumentString<PullMutation, PullMutationVariables>;
export const RunDocument = new TypedDocumentString(`
    mutation Run($input: RunInput!) {
  run(input: $input) {
    job {
      ...JobFacts
    }
  }
}
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
}`) as unknown as TypedDocumentString<RunMutation, RunMutationVariables>;
export const CancelDocument = new TypedDocumentString(`
    mutation Cancel($input: CancelInput!) {
  cancel(input: $input) {
    job {
      ...JobFacts
    }
  }
}
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
}`) as unknown as TypedDocumentString<CancelMutation, CancelMutationVariables>;
export const WatchBusyDocument = new TypedDocumentString(`
    subscription WatchBusy($repo: String) {
  busy(repo: $repo) {
    name
    busy
  }
}
    `) as unknown as TypedDocumentString<WatchBusySubscription, WatchBusySubscriptionVariables>;
export const WatchJobDocument = new TypedDocumentString(`
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
}`) as unknown as TypedDocumentString<WatchJobSubscription, WatchJobSubscriptionVariables>;
export const WatchOutputDocument = new TypedDocumentString(`
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
    `) as unknown as TypedDocumentString<WatchOutputSubscription, WatchOutputSubscriptionVariables>;
export const WatchRepoJobsDocument = new TypedDocumentString(`
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
    `) as unknown as TypedDocumentString<WatchRepoJobsSubscription, WatchRepoJobsSubscriptionVariables>;
export const JobsDocument = new TypedDocumentString(`
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
}`) as unknown as TypedDocumentString<JobsQuery, JobsQueryVariables>;
export const JobOutputDocument = new TypedDocumentString(`
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
    `) as unknown as TypedDocumentString<JobOutputQuery, JobOutputQueryVariables>;
export const WatchRepoDocument = new TypedDocumentString(`
    subscription WatchRepo($name: String!) {
  repo(name: $name) {
    branch
    busy
    dirty
    operation
    head {
      oid
    }
    upstream {
      ahead
      behind
    }
    changedFiles {
      modified
    }
    untrackedFiles
    currentJob {
      state
    }
  }
}
    `) as unknown as TypedDocumentString<WatchRepoSubscription, WatchRepoSubscriptionVariables>;