import { z } from 'zod';
import { type CommandConfig, commandSchema } from './config-command.ts';
import {
  isBranchName,
  isHost,
  longestSeconds,
  nameSchema,
  noNul,
  nulMessage,
} from './config-value.ts';

export type { CommandConfig } from './config-command.ts';
export { isLoopback } from './config-value.ts';

/** What a caller may do on a repository. */
export const scopes = ['read', 'pull', 'run', 'push', 'admin'] as const;
export type Scope = (typeof scopes)[number];

/** How a pull moves the branch to what was fetched. */
export const pullStrategies = ['ff-only', 'merge', 'rebase', 'reset'] as const;
export type PullStrategy = (typeof pullStrategies)[number];

/** Everything the agent is told before it starts: checked, with defaults and absolute paths. */
export interface Config {
  /** The file it came from, absolute; null when the repositories were found around the working folder. */
  readonly file: string | null;
  /** An IP address or a host name. */
  readonly bindIp: string;
  /** 0 is any free port. */
  readonly port: number;
  /** Never empty. */
  readonly password?: string;
  /** Scopes of a caller without credentials; when absent, `auth` decides. */
  readonly anonymous?: readonly Scope[];
  readonly stateDir: string;
  /** Lower-case names besides loopback and `bindIp`, without a port. */
  readonly hosts: readonly string[];
  readonly limits: LimitConfig;
  readonly timeouts: TimeoutConfig;
  readonly retention: RetentionConfig;
  /** Every repository below this folder is served to git as well; absolute. */
  readonly gitBase?: string;
  /** Who may push where; absolute. */
  readonly accessfile?: string;
  /** What a 401 names, so that people know which password is meant. */
  readonly realm: string;
  readonly gitHttp: GitHttpConfig;
  readonly maintenance: MaintenanceConfig;
  /** The caller of `loadConfig` accepted an agent that is open to the network without credentials. */
  readonly insecure: boolean;
  /** In the order of the file. */
  readonly repos: readonly RepoConfig[];
}

export interface RepoConfig {
  readonly name: string;
  /** Absolute: the top of the working tree, or the bare repository. */
  readonly path: string;
  /** In the order of the file. */
  readonly commands: ReadonlyMap<string, CommandConfig>;
  readonly sshCommand?: string;
  /** The branch that is pulled when the request names none. */
  readonly branch?: string;
  readonly strategy: PullStrategy;
}

export type LimitConfig = Readonly<z.output<typeof limitSchema>>;
export type TimeoutConfig = Readonly<z.output<typeof timeoutSchema>>;
export type RetentionConfig = Readonly<z.output<typeof retentionSchema>>;
export type MaintenanceConfig = Readonly<z.output<typeof maintenanceSchema>>;
export type GitHttpConfig = Readonly<z.output<typeof gitHttpSchema>>;

/** A tebibyte. */
const largestBytes = 2 ** 40;
const longestDays = 36_500;

const repoSchema = z
  .strictObject({
    repo_path: z
      .string({
        error: (issue) =>
          issue.input === undefined ? 'is missing; give the path of the repository' : undefined,
      })
      .min(1)
      .refine(noNul, nulMessage)
      .describe('Path of the repository: absolute, or relative to this file.'),
    command: z
      .record(nameSchema, commandSchema)
      .default({})
      .describe('Commands that a pull or a caller may run, by name.'),
    GIT_SSH_COMMAND: z
      .string()
      .min(1)
      .refine(noNul, nulMessage)
      .exactOptional()
      .describe(
        'What git uses instead of ssh for this repository, for example "ssh -i /path/to/key".',
      ),
    branch: z
      .string()
      .min(1)
      .refine(isBranchName, 'is not a name git allows for a branch; see "man git-check-ref-format"')
      .exactOptional()
      .describe(
        "The branch to pull when the request names none; the repository's default branch when left out.",
      ),
    strategy: z
      .enum(pullStrategies)
      .default('ff-only')
      .describe(
        'How a pull moves the branch: ff-only refuses when histories diverged, merge and rebase combine them, reset takes what was fetched.',
      ),
    allow_pull: z
      .literal(
        true,
        'never had an effect and has none here; remove it, and say in "anonymous" who may pull',
      )
      .exactOptional()
      .meta({ description: 'Never had an effect.', deprecated: true }),
  })
  .describe('One repository.')
  .transform(({ repo_path, command, GIT_SSH_COMMAND, branch, strategy }) => ({
    repoPath: repo_path,
    commands: command,
    strategy,
    ...(GIT_SSH_COMMAND !== undefined && { sshCommand: GIT_SSH_COMMAND }),
    ...(branch !== undefined && { branch }),
  }));

const limitSchema = z
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
    watchedFolders: limits.watched_folders,
    watchedFoldersTotal: limits.watched_folders_total,
    objectReaders: limits.object_readers,
    objectCacheBytes: limits.object_cache,
  }));

const retentionSchema = z
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

const timeoutSchema = z
  .strictObject({
    drain: z
      .number()
      .min(0)
      .max(longestSeconds)
      .default(30)
      .describe('Seconds that running jobs may still take after the agent was told to stop.'),
    kill: z
      .number()
      .min(0)
      .max(longestSeconds)
      .default(5)
      .describe('Seconds between asking a process to end (TERM) and ending it (KILL).'),
    heartbeat: z
      .number()
      .positive()
      .max(longestSeconds)
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
    fetch: z
      .number()
      .positive()
      .max(longestSeconds)
      .default(1800)
      .describe('Seconds a fetch may take before it is ended.'),
    checkout: z
      .number()
      .positive()
      .max(longestSeconds)
      .default(1800)
      .describe(
        'Seconds that moving a working copy may take, hooks and filters included, before it is ended and undone.',
      ),
    command: z
      .number()
      .positive()
      .max(longestSeconds)
      .exactOptional()
      .describe(
        'Seconds a command may run that has no "timeout" of its own; no limit when left out.',
      ),
    idle: z
      .number()
      .positive()
      .max(longestSeconds)
      .exactOptional()
      .describe(
        'Seconds without any output after which git or a command is ended; no limit when left out.',
      ),
    poll: z
      .number()
      .min(0.1)
      .max(longestSeconds)
      .default(5)
      .describe(
        'Seconds between two looks at a repository that somebody follows and that cannot be watched.',
      ),
    watch_idle: z
      .number()
      .min(0)
      .max(longestSeconds)
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

const maintenanceSchema = z
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

const gitHttpSchema = z
  .strictObject({
    read: z
      .enum(['anyone', 'scope', 'nobody'])
      .exactOptional()
      .describe(
        'Who may clone and fetch: anyone, callers with the scope read ("scope"), or nobody. Default: anyone where there is an accessfile, else scope.',
      ),
    write: z
      .enum(['scope', 'nobody'])
      .default('scope')
      .describe(
        'Who may push: callers with the scope push and those whom the accessfile lets, or nobody.',
      ),
    dumb: z
      .boolean()
      .default(false)
      .describe(
        'Whether the dumb protocol is served too. It gives away every object there is, also those that no ref reaches.',
      ),
    hooks: z
      .boolean()
      .default(true)
      .describe(
        "Whether the repositories' own hooks run on a push. Say false where others can write to those folders.",
      ),
  })
  .describe('Git over HTTP.');

/**
 * The one description of the configuration file. The environment's variables, the JSON Schema and
 * the "did you mean" of a mistake are derived from it, so a new key is added here and nowhere else.
 * A key marked `writeOnly` is a secret: it may also come from a file that `GITAGENT_KEY_FILE` names.
 */
export const configSchema = z.strictObject({
  $schema: z.string().exactOptional().describe('Where editors find the JSON Schema of this file.'),
  bind_ip: z
    .string()
    .refine(
      isHost,
      'is not an address to listen on; write 127.0.0.1 for this machine only, or 0.0.0.0 for every address',
    )
    .default('127.0.0.1')
    .describe('The address to listen on.'),
  port: z
    .int()
    .min(0)
    .max(65_535)
    .default(10_000)
    .describe('The port to listen on; 0 takes any free one.'),
  repo: z
    .record(nameSchema, repoSchema, {
      error: (issue) =>
        issue.input === undefined
          ? 'is missing; list the repositories like "repo": {"NAME": {"repo_path": "PATH"}}'
          : undefined,
    })
    .describe('The repositories, by name.'),
  password: z
    .string({
      error: (issue) =>
        typeof issue.input === 'number'
          ? 'must be text, not a number; put it between double quotes'
          : 'must be text that is not empty, or everybody would be let in; give a password or remove the key',
    })
    .min(1, 'must not be empty, or everybody would be let in; give a password or remove the key')
    .exactOptional()
    .meta({
      description: 'Gives full rights to whoever knows it.',
      writeOnly: true,
    }),
  anonymous: z
    .array(z.enum(scopes))
    .transform((list): readonly Scope[] => [...new Set(list)])
    .exactOptional()
    .describe(
      'What a caller without credentials may do. When left out: everything if the agent listens on loopback and has no password, else nothing.',
    ),
  state_dir: z
    .string()
    .min(1)
    .refine(noNul, nulMessage)
    .exactOptional()
    .describe(
      'Folder for the journal of jobs and their output: absolute, or relative to this file. Default: $STATE_DIRECTORY, else $XDG_STATE_HOME/gitagent, else ~/.local/state/gitagent.',
    ),
  hosts: z
    .array(
      z
        .string()
        .refine(
          isHost,
          'is not a host name; write only the name, like git.example.com, without scheme or port',
        )
        .toLowerCase(),
    )
    .default([])
    .describe('Names under which the agent may be addressed, besides loopback and bind_ip.'),
  git_base: z
    .string()
    .min(1)
    .refine(noNul, nulMessage)
    .exactOptional()
    .describe(
      'Folder whose repositories, however deep, can all be cloned, and pushed to: absolute, or relative to this file.',
    ),
  accessfile: z
    .string()
    .min(1)
    .refine(noNul, nulMessage)
    .exactOptional()
    .describe(
      'INI file that says who may push: [users] NAME = PASSWORD, [access] NAME = REPOSITORY, REPOSITORY. Everyone may read then.',
    ),
  realm: z
    .string()
    .min(1)
    .regex(/^[ !#-[\]-~]*$/, 'must be printable ASCII without " and \\')
    .default('GitAgent')
    .describe('What people are asked the password for.'),
  git_http: gitHttpSchema.prefault({}),
  limits: limitSchema.prefault({}),
  maintenance: maintenanceSchema.prefault({}),
  timeouts: timeoutSchema.prefault({}),
  retention: retentionSchema.prefault({}),
});

/** What the schema gives for a whole file, before paths are resolved. */
export type ConfigSettings = z.output<typeof configSchema>;

/** The JSON Schema of `config.json`, for editors. */
export function configJsonSchema(): z.core.JSONSchema.BaseSchema {
  const { $schema, ...rest } = z.toJSONSchema(configSchema, { io: 'input' });
  return { ...($schema !== undefined && { $schema }), title: 'GitAgent configuration', ...rest };
}
