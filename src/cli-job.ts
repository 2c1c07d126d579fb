import {
  watchJobDocument,
  type JobFactsFragment,
  type PullStrategy,
  cancelDocument,
  pullDocument,
  runDocument,
} from './client/index.ts';
import { Option, type Command } from 'commander';
import { runClientCommand, type Session } from './cli-connection.ts';
import { createProgressBar, visible } from './cli-terminal.ts';

const STRATEGIES: Readonly<Record<string, PullStrategy>> = {
  'ff-only': 'FF_ONLY',
  merge: 'MERGE',
  rebase: 'REBASE',
  reset: 'RESET',
};

interface StartFlags {
  readonly wait?: boolean;
  readonly ifBusy: 'reject' | 'wait';
}

interface PullFlags extends StartFlags {
  readonly branch?: string;
  readonly hash?: string;
  readonly command?: string;
  readonly strategy?: string;
}

export function addJobCommands(program: Command): void {
  startsJob(program.command('pull'))
    .description('bring a working copy up to date, then run a command there')
    .argument('<repo>', 'name of the repository')
    .option('--branch <name>', 'branch to check out and bring up to date')
    .option('--hash <commit>', 'commit to check out instead of the tip of the branch')
    .option('--command <name>', 'configured command to run afterwards')
    .addOption(
      new Option('--strategy <name>', 'what to do where the histories have diverged').choices(
        Object.keys(STRATEGIES),
      ),
    )
    .action(async (repo: string, flags: PullFlags, command: Command) => {
      await runClientCommand(command, async (session) => {
        const strategy = STRATEGIES[flags.strategy ?? ''];
        const { pull } = await session.client.mutate(pullDocument, {
          input: {
            repo,
            branch: flags.branch,
            hash: flags.hash,
            command: flags.command,
            strategy,
            ifBusy: flags.ifBusy === 'wait' ? 'WAIT' : 'REJECT',
          },
        });
        return await report(session, pull.job, flags);
      });
    });

  startsJob(program.command('exec'))
    .description('run a configured command in a repository, without pulling')
    .argument('<repo>', 'name of the repository')
    .argument('<command>', 'name of the command')
    .action(async (repo: string, name: string, flags: StartFlags, command: Command) => {
      await runClientCommand(command, async (session) => {
        const ifBusy = flags.ifBusy === 'wait' ? 'WAIT' : 'REJECT';
        const input = { repo, command: name, ifBusy } as const;
        const { run } = await session.client.mutate(runDocument, { input });
        return await report(session, run.job, flags);
      });
    });

  program
    .command('cancel')
    .description('end a job, with all processes that it started')
    .argument('<job>', 'its id')
    .option('--wait', 'end when it has ended')
    .action(async (job: string, { wait = false }: { wait?: boolean }, command: Command) => {
      await runClientCommand(command, async (session) => {
        const { cancel } = await session.client.mutate(cancelDocument, { input: { job, wait } });
        if (session.isJson) await session.printJson(cancel.job);
        else session.say(`job ${cancel.job.key}: ${cancel.job.state.toLowerCase()}`);
        return 0;
      });
    });
}

function startsJob(command: Command): Command {
  return command
    .option('--wait', 'show what it prints, and end with its exit code')
    .addOption(
      new Option('--if-busy <what>', 'what to do while another job has the repository')
        .choices(['reject', 'wait'])
        .default('reject'),
    );
}

/** Tells which job was started, or with `--wait` how it went. */
async function report(
  session: Session,
  started: JobFactsFragment,
  { wait = false }: StartFlags,
): Promise<number> {
  if (!wait) {
    if (session.isJson) await session.printJson(started);
    else await session.print(`${started.key}\n`);
    return 0;
  }
  const { job, tail } = await attend(session, started.key);
  if (session.isJson) await session.printJson(job);
  // The output ends with the reason already, unless the agent died.
  const { message = '' } = job.error ?? {};
  if (!tail.includes(message)) session.say(`gitagent: ${visible(message)}`);
  return exitCodeOf(job);
}

/** The command's own where it failed; else 1 for whatever went wrong. */
function exitCodeOf({ state, exitCode }: JobFactsFragment): number {
  if (state === 'SUCCEEDED') return 0;
  return exitCode !== null && exitCode > 0 ? exitCode : 1;
}

/** Longer than any reason. */
const TAIL_LENGTH = 8192;

/**
 * Shows what a job prints, and on a terminal how far it is, until it has ended. Ctrl-C ends only the
 * watching: the job is the agent's.
 */
async function attend(
  session: Session,
  key: string,
): Promise<{ readonly job: JobFactsFragment; readonly tail: string }> {
  const { client, err } = session;
  const bar = createProgressBar(process.stderr, err);
  const interrupt = (): void => {
    bar.hide();
    session.say(`gitagent: job ${key} goes on; to end it: gitagent cancel ${key}`);
    process.exit(130);
  };
  process.once('SIGINT', interrupt);
  const left = new AbortController();
  const options = { signal: left.signal };
  // The bar has a line of its own only where the output's last one has ended.
  let tail = '\n';
  const show = async (): Promise<void> => {
    for await (const chunk of client.followOutput({ job: key, ...options })) {
      bar.hide();
      await session.printOutput(chunk);
      tail = (tail + chunk.text).slice(-TAIL_LENGTH);
    }
  };
  const watch = async (): Promise<JobFactsFragment> => {
    let last: JobFactsFragment | undefined;
    for await (const { job } of client.subscribe(watchJobDocument, { id: key }, options)) {
      last = job;
      if (job.progress === null || !tail.endsWith('\n')) bar.hide();
      else bar.show(job.progress);
    }
    if (last === undefined) throw new Error('a job has a state');
    return last;
  };
  try {
    const [job] = await Promise.all([watch(), show()]);
    return { job, tail };
  } finally {
    left.abort();
    bar.hide();
    process.off('SIGINT', interrupt);
  }
}
