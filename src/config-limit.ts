import { z } from 'zod';
import { seconds } from './config-value.ts';

export type LimitConfig = Readonly<z.output<typeof limitSchema>>;
export type TimeoutConfig = Readonly<z.output<typeof timeoutSchema>>;
export type RetentionConfig = Readonly<z.output<typeof retentionSchema>>;
export type MaintenanceConfig = Readonly<z.output<typeof maintenanceSchema>>;

/** A tebibyte. */
const largestBytes = 2 ** 40;
const longestDays = 36_500;

export const limitSchema = z
  .strictObject({
    git_children: z
      .int()
      .min(1)
      .max(256)
      .default(4)
      .describe('Git processes that may read at once.'),
    queue: z
      .int()
      .min(0)
      .max(100_000)
      .default(100)
      .describe('Jobs that may wait, for each repository.'),
    output_chunk: z
      .int()
      .min(1024)
      .max(16_777_216)
      .default(65_536)
      .describe("Bytes of a job's output that are sent in one piece, at most."),
    output_bytes: z
      .int()
      .min(1_048_576)
      .max(largestBytes)
      .default(268_435_456)
      .describe(
        "Bytes that are kept of one job's output. Of a longer one the middle is cut out: the first half of these stays, and the end.",
      ),
    sockets: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(10_000)
      .describe('GraphQL websockets that may be open.'),
    client_sockets: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1000)
      .describe(
        'GraphQL websockets that may be open from one address; behind a proxy all clients have one.',
      ),
    socket_operations: z
      .int()
      .min(1)
      .max(100_000)
      .default(100)
      .describe('Operations, such as subscriptions, that may run on one GraphQL websocket.'),
    output_readers: z
      .int()
      .min(1)
      .max(1_000_000)
      .default(1000)
      .describe(
        "Requests that may read a job's output at once over HTTP, as text or server-sent events; GraphQL has its own limits.",
      ),
    fetch_retries: z
      .int()
      .min(0)
      .max(100)
      .default(3)
      .describe('How often a fetch that the network failed is tried again; refusals never are.'),
    watched_folders: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(8192)
      .describe(
        'Folders that are watched for changes, for each repository. One that has more is polled.',
      ),
    watched_folders_total: z
      .int()
      .min(0)
      .max(1_000_000)
      .default(16_384)
      .describe(
        'Folders that are watched for changes in all repositories together; each takes about 3 KB of memory and one of fs.inotify.max_user_watches.',
      ),
    object_readers: z
      .int()
      .min(1)
      .max(256)
      .default(8)
      .describe('Git processes that stay to read objects, one for each repository in use.'),
    object_cache: z
      .int()
      .min(0)
      .max(1_099_511_627_776)
      .default(33_554_432)
      .describe('Bytes of commits, trees and files that are remembered, over all repositories.'),
  })
  .describe('Upper bounds.')
  .transform((limits) => ({
    gitChildren: limits.git_children,
    queue: limits.queue,
    outputChunkBytes: limits.output_chunk,
    outputBytes: limits.output_bytes,
    fetchRetries: limits.fetch_retries,
    sockets: limits.sockets,
    clientSockets: limits.client_sockets,
    socketOperations: limits.socket_operations,
    outputReaders: limits.output_readers,
    watchedFolders: limits.watched_folders,
    watchedFoldersTotal: limits.watched_folders_total,
    objectReaders: limits.object_readers,
    objectCacheBytes: limits.object_cache,
  }));

export const retentionSchema = z
  .strictObject({
    jobs: z
      .int()
      .min(1)
      .max(100_000_000)
      .default(100_000)
      .describe('Jobs that are remembered; the oldest are forgotten first.'),
    jobs_days: z
      .number()
      .positive()
      .max(longestDays)
      .default(365)
      .describe('Days after which a job that has ended is forgotten, with its output.'),
    output_days: z
      .number()
      .positive()
      .max(longestDays)
      .default(90)
      .describe('Days after which the output of a job that has ended is removed.'),
    output_bytes: z
      .int()
      .min(0)
      .max(largestBytes)
      .default(4_294_967_296)
      .describe(
        "Bytes of all jobs' outputs together; the oldest are removed first, never a running one's.",
      ),
  })
  .describe('How long jobs and their outputs are kept.')
  .transform(({ jobs, jobs_days, output_days, output_bytes }) => ({
    jobs,
    jobsDays: jobs_days,
    outputDays: output_days,
    outputBytes: output_bytes,
  }));

export const timeoutSchema = z
  .strictObject({
    drain: seconds
      .min(0)
      .default(30)
      .describe('Seconds that running jobs may still take after the agent was told to stop.'),
    kill: seconds
      .min(0)
      .default(5)
      .describe('Seconds between asking a process to end (TERM) and ending it (KILL).'),
    heartbeat: seconds
      .positive()
      .default(25)
      .describe(
        'Seconds of silence after which an answer that takes long, or a console, sends something, so that proxies do not drop the connection.',
      ),
    fetch_retry: z
      .number()
      .positive()
      .max(3600)
      .default(1)
      .describe(
        'Seconds before a fetch is tried again; each next time twice as long, 60 at most. Up to as much again is added by chance.',
      ),
    fetch: seconds
      .positive()
      .default(1800)
      .describe('Seconds a fetch may take before it is ended.'),
    checkout: seconds
      .positive()
      .default(1800)
      .describe(
        'Seconds that moving a working copy may take, hooks and filters included, before it is ended and undone.',
      ),
    command: seconds
      .positive()
      .exactOptional()
      .describe(
        'Seconds a command may run that has no "timeout" of its own; no limit when left out.',
      ),
    idle: seconds
      .positive()
      .exactOptional()
      .describe(
        'Seconds without any output after which git or a command is ended; no limit when left out.',
      ),
    poll: seconds
      .min(0.1)
      .default(5)
      .describe(
        'Seconds between two looks at a repository that somebody follows and that cannot be watched.',
      ),
    watch_idle: seconds
      .min(0)
      .default(120)
      .describe('Seconds that a repository is still watched after nobody has asked for it.'),
  })
  .describe('How long to wait, in seconds.')
  .transform(({ drain, kill, heartbeat, command, idle, ...timeouts }) => ({
    drainSeconds: drain,
    killSeconds: kill,
    heartbeatSeconds: heartbeat,
    fetchRetrySeconds: timeouts.fetch_retry,
    fetchSeconds: timeouts.fetch,
    checkoutSeconds: timeouts.checkout,
    ...(command !== undefined && { commandSeconds: command }),
    ...(idle !== undefined && { idleSeconds: idle }),
    pollSeconds: timeouts.poll,
    watchIdleSeconds: timeouts.watch_idle,
  }));

export const maintenanceSchema = z
  .strictObject({
    commit_graph: z
      .boolean()
      .default(true)
      .describe(
        "Whether git's index of commits (the commit-graph) is written, in the background, into large repositories that may be written to. It makes histories fast, above all those of a path.",
      ),
  })
  .describe('What is done in repositories so that questions are answered fast.')
  .transform(({ commit_graph }) => ({ commitGraph: commit_graph }));
