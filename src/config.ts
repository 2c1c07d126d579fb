import { z } from 'zod';
import { type CommandConfig, commandSchema } from './config-command.ts';
import {
  limitSchema,
  maintenanceSchema,
  retentionSchema,
  timeoutSchema,
  type LimitConfig,
  type MaintenanceConfig,
  type RetentionConfig,
  type TimeoutConfig,
} from './config-limit.ts';
import { isBranchName, isHost, nameSchema, noNul, nulMessage } from './config-value.ts';

export type { CommandConfig } from './config-command.ts';
export type {
  LimitConfig,
  MaintenanceConfig,
  RetentionConfig,
  TimeoutConfig,
} from './config-limit.ts';
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

export type GitHttpConfig = Readonly<z.output<typeof gitHttpSchema>>;

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
