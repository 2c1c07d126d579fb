import { Command, Option } from 'commander';
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { addConfigCommands } from './cli-config.ts';
import { addClientOptions, type ClientFlags } from './cli-connection.ts';
import { addDoctorCommand } from './cli-doctor.ts';
import { addJobCommands } from './cli-job.ts';
import { addLogCommands } from './cli-logs.ts';
import { addStatusCommand } from './cli-status.ts';
import { formatJson, visible } from './cli-terminal.ts';
import { GitAgentError, GitAgentNetworkError } from './client/index.ts';
import { sampleTypes, writeSampleConfig, type SampleType } from './config-sample.ts';
import { AppError } from './error.ts';

interface GlobalOptions extends ClientFlags {
  readonly type: SampleType;
  readonly port?: string;
  readonly bindIp?: string;
  readonly stateDir?: string;
  readonly insecure?: boolean;
  readonly gitBase?: string;
  readonly accessfile?: string;
  readonly realm?: string;
}

const packageRoot = fileURLToPath(new URL('..', import.meta.url));
const { version } = JSON.parse(
  readFileSync(new URL('../package.json', import.meta.url), 'utf8'),
) as {
  version: string;
};

/** The command line. Resolves when it has done its work, or once the agent runs. */
export async function runCommandLine(argv: readonly string[]): Promise<void> {
  const program = createProgram();
  await program.parseAsync(argv).catch((error: unknown) => {
    fail(error, program.opts<GlobalOptions>().output === 'json');
  });
}

function createProgram(): Command {
  const program = new Command('gitagent')
    .description('Puts the git repositories of this machine on the network.')
    .version(version)
    .option('-c, --config <file>', 'configuration file (default: ./config.json, if it is there)')
    .addOption(
      new Option('--type <type>', 'which sample `write` writes')
        .choices(sampleTypes)
        .default('simple'),
    )
    .configureHelp({ showGlobalOptions: true })
    .showHelpAfterError()
    .exitOverride((error) => {
      process.exit(error.exitCode === 0 ? 0 : 2);
    });

  addClientOptions(program);
  program
    .command('run', { isDefault: true })
    .description('serve the configured repositories, or without a file the one this folder is in')
    .option('-p, --port <port>', 'port to listen on; 0 takes any free one')
    .option('--bind-ip <address>', 'address to listen on')
    .option('--state-dir <dir>', 'where the journal and the outputs are kept')
    .option(
      '--git-base <dir>',
      'serve every repository below this folder to git, as gittornado did',
    )
    .option('--accessfile <file>', 'INI file that says who may push where')
    .option('--realm <text>', 'what git asks the password for')
    .option('--insecure', 'listen on other addresses than loopback without any credentials')
    .allowExcessArguments()
    .action(async (_options, command: Command) => {
      // What is no command lands here, as an argument of the default one.
      const [unknown] = command.args;
      if (unknown !== undefined) program.error(`error: unknown command ${JSON.stringify(unknown)}`);
      await run(command.optsWithGlobals<GlobalOptions>());
    });

  program
    .command('write')
    .description('write a sample configuration file')
    .action(async (_options, command: Command) => {
      const { config = 'config.json', type } = command.optsWithGlobals<GlobalOptions>();
      await writeSampleConfig(config, type);
      console.log(`wrote ${config}; edit it, then start the agent with: gitagent run -c ${config}`);
    });
  addStatusCommand(program);
  addJobCommands(program);
  addLogCommands(program);
  addConfigCommands(program);
  addDoctorCommand(program);
  return program;
}

/** Two of the same signal that come so close together are one wish. */
const SAME_WISH_MS = 500;

async function run(flags: GlobalOptions): Promise<void> {
  // The other commands need none of this, and are there in half the time without it.
  const [{ startAgent }, { loadConfig }, { hostEnvironment }, { createLog }] = await Promise.all([
    import('./agent.ts'),
    import('./config-file.ts'),
    import('./host-environment.ts'),
    import('./log.ts'),
  ]);
  const { config, warnings } = await loadConfig({
    ...(flags.config === undefined ? {} : { file: flags.config }),
    flags,
    env: process.env,
    cwd: process.cwd(),
  });
  // When who reads them goes, as `| head` does, that is no reason to end the jobs.
  for (const stream of [process.stdout, process.stderr]) stream.on('error', () => undefined);
  const log = createLog(process.stderr);
  for (const warning of warnings) log.warn(warning);
  const host = hostEnvironment(process.env, packageRoot);
  const agent = await startAgent({ config, host, log });

  let first: { readonly signal: string; readonly at: number } | undefined;
  const stop = (signal: string): void => {
    if (first !== undefined) {
      // Under npm a Ctrl-C reaches us twice, from the terminal and passed on. That is one wish.
      if (signal === first.signal && performance.now() - first.at < SAME_WISH_MS) return;
      agent.abandon();
      process.exit(130);
    }
    first = { signal, at: performance.now() };
    agent.stop().then(
      () => process.exit(0),
      (error: unknown) => {
        fail(error);
      },
    );
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);

  const [example] = config.repos;
  const count = config.repos.length === 1 ? '1 repository' : `${config.repos.length} repositories`;
  console.log(`GitAgent ${version} listening on ${agent.url} (${count})`);
  console.log(`  open  ${agent.url}/graphql`);
  if (example !== undefined) {
    console.log(`  try   curl ${agent.url}/repo/${encodeURIComponent(example.name)}`);
  }
  if (config.gitBase !== undefined) {
    console.log(
      `  git   clone ${agent.url}/NAME.git, for all repositories below ${config.gitBase}`,
    );
  }
}

/** The command line's end of every error: what a person may see as it is, a bug with its stack. */
function fail(error: unknown, isJson = false): never {
  if (!isExpected(error)) console.error(error);
  else if (isJson) console.error(formatJson({ error: factsOf(error) }));
  else {
    const lines = error.message.split('\n').map(visible);
    console.error(`gitagent: ${lines.join('\n')}`);
  }
  process.exit(1);
}

function isExpected(error: unknown): error is AppError | GitAgentError | GitAgentNetworkError {
  return (
    error instanceof AppError ||
    error instanceof GitAgentError ||
    error instanceof GitAgentNetworkError
  );
}

function factsOf(error: AppError | GitAgentError | GitAgentNetworkError): object {
  const { message } = error;
  if (error instanceof GitAgentNetworkError) return { code: 'NETWORK', message };
  if (error instanceof AppError) return { code: error.code, message };
  return { code: error.code, message, extensions: error.extensions };
}
