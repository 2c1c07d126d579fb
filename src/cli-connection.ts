import { InvalidArgumentError, Option, type Command } from 'commander';
import { access, readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import { createGitAgentClient, type GitAgentClient } from './client/index.ts';
import { AppError } from './error.ts';
import { createOutputFilter, formatJson, terminalOf, type Terminal } from './cli-terminal.ts';

/** The options that every command has. */
export interface ClientFlags {
  readonly config?: string;
  readonly url?: string;
  readonly output: 'text' | 'json';
}

/** Adds them to the program. */
export function addClientOptions(program: Command): Command {
  return program
    .option(
      '--url <url>',
      'the agent to talk to (default: $GITAGENT_URL, else as the configuration file says)',
      parseUrl,
    )
    .addOption(
      new Option('-o, --output <format>', 'how to print what was asked for')
        .choices(['text', 'json'])
        .default('text'),
    );
}

function parseUrl(text: string): string {
  if (isUrl(text)) return text;
  throw new InvalidArgumentError('It must be like http://127.0.0.1:10000, without a password.');
}

function isUrl(text: string): boolean {
  const { protocol, username, password } = URL.parse(text) ?? {};
  return /^https?:$/.test(protocol ?? '') && username === '' && password === '';
}

/** What a command has to do its work with. */
export interface Session {
  readonly client: GitAgentClient;
  readonly isJson: boolean;
  readonly out: Terminal;
  readonly err: Terminal;
  /** To standard output, as it is; resolves when there is room for more. */
  print(text: string | Uint8Array): Promise<void>;
  /** To standard output, as JSON. */
  printJson(value: unknown): Promise<void>;
  /** A job's output: to a terminal without what it would obey besides colours. */
  printOutput(chunk: { readonly text: string; readonly textRaw?: string | null }): Promise<void>;
  /** A line to standard error, for people. */
  say(line: string): void;
}

/**
 * Opens a session for one command, and ends the program when that is done.
 * @param work gives the exit code
 */
export async function runClientCommand(
  command: Command,
  work: (session: Session) => Promise<number>,
): Promise<void> {
  const flags = command.optsWithGlobals<ClientFlags>();
  const isJson = flags.output === 'json';
  for (const stream of [process.stdout, process.stderr]) {
    // Who reads has enough, as `| head` has.
    stream.on('error', () => process.exit(0));
  }
  const client = createGitAgentClient(await findAgent(flags, process.env, process.cwd()));
  const out = terminalOf(process.stdout, process.env);
  const filter = createOutputFilter(out);
  // With JSON on standard output, what a job prints is for people: beside it.
  const outputStream = isJson ? process.stderr : process.stdout;
  const session: Session = {
    client,
    isJson,
    out,
    err: terminalOf(process.stderr, process.env),
    print: async (text) => {
      await write(process.stdout, text);
    },
    printJson: async (value) => {
      await write(process.stdout, `${formatJson(value)}\n`);
    },
    printOutput: async ({ text, textRaw }) => {
      if (terminalOf(outputStream, process.env).isTerminal) await write(outputStream, filter(text));
      else await write(outputStream, textRaw == null ? text : Buffer.from(textRaw, 'base64'));
    },
    say: (line) => {
      process.stderr.write(`${line}\n`);
    },
  };
  const code = await work(session);
  client.close();
  process.exitCode = code;
}

async function write(stream: NodeJS.WriteStream, data: string | Uint8Array): Promise<void> {
  // Also waits for a slow reader, so that no more is fetched than is read.
  await new Promise<void>((resolve) => stream.write(data, () => resolve()));
}

interface AgentAddress {
  readonly url: string;
  readonly password?: string;
}

/** The password is never taken from the command line, where every user of the machine would see it. */
async function findAgent(
  flags: ClientFlags,
  env: Readonly<Record<string, string | undefined>>,
  cwd: string,
): Promise<AgentAddress> {
  const url = flags.url ?? (env['GITAGENT_URL'] || undefined);
  if (url !== undefined && !isUrl(url)) {
    throw new AppError(
      'BAD_USER_INPUT',
      'GITAGENT_URL: it must be like http://127.0.0.1:10000, without a password',
    );
  }
  const given = await passwordOf(env);
  const shown = given === null ? {} : { password: given };
  // The password of a file that only happens to lie here is not for another agent.
  if (
    flags.config === undefined &&
    (url !== undefined || !(await exists(resolve(cwd, 'config.json'))))
  ) {
    const port = env['GITAGENT_PORT'] || '10000';
    return { url: url ?? `http://127.0.0.1:${port}`, ...shown };
  }
  const { loadConfig } = await import('./config-file.ts');
  const { config } = await loadConfig({
    ...(flags.config !== undefined && { file: flags.config }),
    env,
    cwd,
  });
  const { password } = config;
  return {
    url: url ?? addressOf(config),
    ...(password !== undefined && { password }),
    ...shown,
  };
}

function addressOf({ bindIp, port }: { readonly bindIp: string; readonly port: number }): string {
  if (port === 0) {
    throw new AppError(
      'BAD_USER_INPUT',
      'the configuration lets the agent take any free port; say which it took with --url',
    );
  }
  const host = bindIp === '0.0.0.0' ? '127.0.0.1' : bindIp === '::' ? '::1' : bindIp;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}

async function passwordOf(
  env: Readonly<Record<string, string | undefined>>,
): Promise<string | null> {
  if (env['GITAGENT_PASSWORD']) return env['GITAGENT_PASSWORD'];
  const file = env['GITAGENT_PASSWORD_FILE'];
  if (!file) return null;
  const text = await readFile(file, 'utf8').catch(() => null);
  if (text === null) {
    throw new AppError(
      'BAD_USER_INPUT',
      `GITAGENT_PASSWORD_FILE: ${file} cannot be read; check the path and its permissions`,
    );
  }
  return text.replace(/\r?\n$/, '');
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
