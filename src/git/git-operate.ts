import type { ChildProcess } from 'node:child_process';
import { GitError, simpleGit, type SimpleGit } from 'simple-git';
import { markOf, type ChildTracker } from './child-tracker.ts';
import {
  failedGit,
  MAX_STDERR_BYTES,
  type GitCommandError,
  type GitCommandFacts,
} from './git-command-error.ts';
import type { OperateOptions } from './git.ts';
import { endGroup, withGroups } from './process-group.ts';
import type { Repository } from './repository.ts';

/** What a cancelled operation has to put its lock files away. */
const KILL_MS = 5_000;

/** Changes a working copy through simple-git: see `Git.operate`. @throws GitCommandError */
export async function operate<T>(
  repository: Repository,
  env: Record<string, string>,
  options: OperateOptions,
  action: (git: SimpleGit) => Promise<T>,
  tracker: ChildTracker | undefined,
): Promise<T> {
  const { signal } = options;
  if (signal.aborted) throw failedGit([], { isCanceled: true });
  const tracked = tracker?.begin();
  Object.assign(env, markOf(tracked));
  let args: readonly string[] = [];
  let child: ChildProcess | undefined;
  let tail: Buffer = Buffer.alloc(0);
  let failure: GitCommandError | undefined;
  let patience: NodeJS.Timeout | undefined;
  let ending: Promise<void> | undefined;
  const end = (): void => {
    // A group that its leader left behind is not ours to end: a hook may have started a service.
    if (child?.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    ending ??= endGroup(child.pid, KILL_MS);
  };
  // Not left to simple-git, which would interrupt git at once and leave alone what git has started.
  const onAbort = (): void => {
    patience = setTimeout(end, options.patienceMs ?? 0);
  };
  signal.addEventListener('abort', onAbort);
  let hasEnded = false;
  let late: 'timedOut' | 'wasSilent' | undefined;
  const endLate = (why: 'timedOut' | 'wasSilent'): void => {
    late ??= why;
    end();
  };
  const timeout = startTimer(options.timeoutMs, endLate, 'timedOut');
  const silence = startTimer(options.idleMs, endLate, 'wasSilent');
  const onOutput = (bytes: Buffer): void => {
    if (!hasEnded) silence?.refresh();
    options.onOutput(bytes);
  };
  try {
    const instance = simpleGit({
      baseDir: repository.path,
      // simple-git drops what it thinks dangerous, such as every GIT_*. This environment is our own
      // allow list, and no part of it comes from a request.
      allowEnvironment: Object.keys(env),
      unsafe: {
        allowUnsafeConfigEnvCount: true,
        allowUnsafeFsMonitor: true,
        allowUnsafeSshCommand: true,
        allowUnsafeAskPass: true,
        allowUnsafeEditor: true,
        // It forbids them by a variable that hooks and the git commands in them would obey too.
        allowAbbreviatedOptions: true,
      },
      // Its own rule is "a non-zero exit that also wrote to stderr"; git's is the exit code alone.
      errors: (error, { exitCode, stdErr }) => {
        if (exitCode === 0) return error;
        // What simple-git itself has to say is that there is no git.
        const stderr = Buffer.concat([...stdErr, tail]).toString('utf8');
        const facts = { exitCode, stderr, isCanceled: signal.aborted, ...lateness(late) };
        failure = failedGit(args, { ...facts, signal: child?.signalCode ?? null });
        return failure;
      },
    });
    instance.env(env).outputHandler((_command, stdout, stderr, spawned) => {
      args = spawned;
      // Left open it would be waited on for ever by a hook that reads it.
      child?.stdin?.on('error', () => undefined).end();
      // simple-git would hold all that a server cares to say; no result of ours is read from there.
      stdout.removeAllListeners('data').on('data', onOutput);
      stderr.removeAllListeners('data').on('data', onOutput);
      stderr.on('data', (bytes: Buffer) => {
        tail = Buffer.concat([tail, bytes]).subarray(-MAX_STDERR_BYTES);
      });
    });
    return await withGroups(
      async () => await action(instance),
      (started) => {
        child = started;
        started.once('spawn', () => {
          if (started.pid !== undefined) tracked?.started(started.pid);
        });
      },
    );
  } catch (error) {
    // simple-git keeps no more than the text of an error it did not make itself.
    if (failure !== undefined) throw failure;
    if (!(error instanceof GitError)) throw error;
    // No child ran: the folder is gone.
    throw failedGit(args, { stderr: error.message, isCanceled: signal.aborted }, error);
  } finally {
    signal.removeEventListener('abort', onAbort);
    hasEnded = true;
    for (const timer of [patience, timeout, silence]) clearTimeout(timer);
    await ending;
    tracked?.ended();
  }
}

function startTimer<T>(ms: number | undefined, onEnd: (why: T) => void, why: T) {
  return ms === undefined ? undefined : setTimeout(onEnd, ms, why);
}

function lateness(late: 'timedOut' | 'wasSilent' | undefined): Partial<GitCommandFacts> {
  return late === undefined ? {} : { timedOut: true, wasSilent: late === 'wasSilent' };
}
