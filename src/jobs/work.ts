import { parseBranchName } from '../git/branch-name.ts';
import type { FetchPatience } from '../git/fetch-retry.ts';
import type { ChildTracker } from '../git/child-tracker.ts';
import type { Git } from '../git/git.ts';
import { readHead } from '../git/head.ts';
import { parseAbbreviatedOid } from '../git/oid.ts';
import { createLineSplitter, parseProgress } from '../git/progress.ts';
import { pull } from '../git/pull.ts';
import { redactUrls } from '../git/redact.ts';
import { openWorkingCopy } from '../git/working-copy.ts';
import { createMoveGuard } from './move-guard.ts';
import type { CommandConfig } from '../config.ts';
import { AppError } from '../error.ts';
import { runCommand } from './command.ts';
import type { Job } from './job.ts';
import type { JobProgressNote } from './job-note.ts';
import type { OutputLog } from './output-log.ts';
import type { ServedRepository } from './repositories.ts';
import { gitTimeouts, type JobTimeouts } from './timeout.ts';

/** What the work of one job is done with. */
export interface JobContext {
  readonly job: Job;
  readonly served: ServedRepository;
  readonly git: Git;
  readonly output: OutputLog;
  readonly signal: AbortSignal;
  /** The environment that commands start from. */
  readonly host: Readonly<Record<string, string>>;
  readonly timeouts: JobTimeouts;
  readonly patience: FetchPatience;
  readonly tracker: ChildTracker;
  /** Changes what is known of the job and tells its subscribers. */
  readonly update: (facts: Partial<Job>) => void;
  /** Writes down how far the job has come, and what is known of it. @throws what the journal throws, before a move only */
  readonly note: (progress: JobProgressNote) => void;
  /** Told what went wrong besides what fails the job. */
  readonly onBug: (error: unknown) => void;
}

/**
 * Does a job's work: the pull, if it is one, then the command, if it has one.
 * @throws AppError, GitCommandError
 */
export async function workOnJob(context: JobContext): Promise<void> {
  const { job, served, git, signal } = context;
  let branch: string | null;
  if (job.kind === 'PULL') {
    branch = await workOnPull(context);
  } else {
    const head = await readHead(git, served.repository, signal);
    context.update({ before: head.oid, after: head.oid, branch: head.branch });
    branch = head.branch;
  }
  if (job.command === null) return;
  await workOnCommand(context, getCommand(served, job.command), branch);
}

/** @throws AppError BAD_USER_INPUT that names the commands there are */
export function getCommand(served: ServedRepository, name: string): CommandConfig {
  const command = served.config.commands.get(name);
  if (command !== undefined) return command;
  const known = [...served.config.commands.keys()].map((each) => JSON.stringify(each));
  throw new AppError(
    'BAD_USER_INPUT',
    `repository ${JSON.stringify(served.name)} has no command ${JSON.stringify(name.slice(0, 80))}: ` +
      (known.length === 0 ? 'none is configured' : `there is ${known.join(', ')}`),
  );
}

async function workOnPull(context: JobContext): Promise<string | null> {
  const { job, served, git, output, signal } = context;
  // What git and we print, in order. git cannot be paused here, but prints little; what comes while a
  // write is under way goes into the next one, so that a progress display does not become a thousand.
  let pending = '';
  let printed: Promise<void> | undefined;
  const writePending = async (): Promise<void> => {
    while (pending !== '') {
      const text = pending;
      pending = '';
      await output.append(Buffer.from(text));
    }
    printed = undefined;
  };
  const print = (text: string): void => {
    pending += text;
    printed ??= writePending();
    printed.catch(() => undefined); // Awaited below.
  };
  const lines = createLineSplitter((line) => {
    const text = redactUrls(line.toString('utf8'));
    const progress = parseProgress(text);
    if (progress !== null) context.update({ progress });
    print(text);
  });
  const { sshCommand, strategy } = served.config;
  const onOutput = (bytes: Buffer): void => {
    lines.write(bytes);
  };
  const say = (line: string): void => {
    lines.flush();
    print(`${line}\n`);
  };
  const moves = createMoveGuard(context, { onOutput, say });
  const workingCopy = openWorkingCopy(git, served.repository, {
    signal,
    onOutput,
    onMove: moves.begin,
    onMoved: moves.end,
    ...gitTimeouts(context.timeouts),
    ...(sshCommand === undefined ? {} : { sshCommand }),
  });
  try {
    const result = await pull(
      {
        git,
        repository: served.repository,
        workingCopy,
        signal,
        patience: context.patience,
        say,
        onReady(before) {
          context.update({ before });
          context.note({ stage: 'FETCH', move: null, origin: null });
        },
      },
      {
        branch: job.branch === null ? null : parseBranchName(job.branch),
        ...(job.preferredBranch !== undefined && {
          preferredBranch: parseBranchName(job.preferredBranch),
        }),
        hash: job.hash === null ? null : parseAbbreviatedOid(job.hash),
        strategy: job.strategy ?? strategy,
        savedRef: `refs/gitagent/saved/${job.id}`,
        ...(job.planned !== undefined && { planned: job.planned }),
      },
    );
    context.update({ before: result.before, after: result.after, branch: result.branch });
    return result.branch;
  } catch (error) {
    await moves.settle();
    throw error;
  } finally {
    lines.flush();
    await printed;
  }
}

async function workOnCommand(
  context: JobContext,
  command: CommandConfig,
  branch: string | null,
): Promise<void> {
  const { job, served, output } = context;
  await output.append(Buffer.from(`$ ${command.line}\n`));
  const { before, after } = job;
  context.note({ stage: 'COMMAND', move: null, origin: null });
  const { timeoutSeconds = context.timeouts.commandSeconds } = command;
  const { idleSeconds = context.timeouts.idleSeconds } = command;
  const result = await runCommand({
    argv: command.argv,
    cwd: served.repository.path,
    env: {
      ...context.host,
      ...command.env,
      GITAGENT_REPO: served.name,
      GITAGENT_JOB: job.id,
      GITAGENT_BRANCH: branch ?? '',
      GITAGENT_BEFORE: before ?? '',
      GITAGENT_AFTER: after ?? '',
      GITAGENT_CALLER: job.caller,
    },
    signal: context.signal,
    killSeconds: context.timeouts.killSeconds,
    tracked: context.tracker.begin(),
    ...(timeoutSeconds !== undefined && { timeoutSeconds }),
    ...(idleSeconds !== undefined && { idleSeconds }),
    write: async (bytes) => {
      await output.append(bytes);
    },
  });
  const { exitCode, signal } = result;
  context.update({ exitCode, signal });
  context.signal.throwIfAborted();
  // Also when it made the best of the TERM it got and exited with 0.
  if (exitCode === 0 && !result.timedOut) return;
  const name = JSON.stringify(command.name);
  throw new AppError(
    'COMMAND_FAILED',
    result.wasSilent
      ? `command ${name} was ended, for it printed nothing for ${idleSeconds} seconds: raise the command's "idle", or timeouts.idle`
      : result.timedOut
        ? `command ${name} was ended after ${timeoutSeconds} seconds: raise the command's "timeout", or timeouts.command`
        : exitCode === null
          ? `command ${name} was ended by ${signal}`
          : `command ${name} ended with exit code ${exitCode}`,
    { exitCode, signal },
  );
}
