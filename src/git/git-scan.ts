import { GitCommandError, type GitCommandFacts } from './git-command-error.ts';
import { spawnGit, type GitProcess, type SpawnSettings } from './git-process.ts';
import { signalGroup } from './process-group.ts';

export interface ScanSettings extends Omit<SpawnSettings, 'graceMs'> {
  readonly timeoutMs: number;
  readonly stdin: Buffer | undefined;
}

/**
 * Starts a git that changes nothing, hands what it prints to `read`, and ends it once that is done. Resolves
 * when git is gone.
 * @throws GitCommandError when git fails before `read` is done; what `read` throws
 */
export async function scanGit<T>(
  program: string,
  args: readonly string[],
  settings: ScanSettings,
  read: (output: AsyncIterable<Buffer>) => Promise<T>,
): Promise<T> {
  // Not AbortSignal.any: a server may hand in a signal that is not Node's own.
  const stop = new AbortController();
  let timedOut = false;
  const timer = setTimeout(() => {
    timedOut = true;
    stop.abort();
  }, settings.timeoutMs);
  const onAbort = (): void => {
    stop.abort();
  };
  if (settings.signal.aborted) onAbort();
  settings.signal.addEventListener('abort', onAbort);
  try {
    const child = await spawnGit(program, args, { ...settings, signal: stop.signal, graceMs: 0 });
    child.stdin.end(settings.stdin);
    return await readAll(child, args, read, () => ({
      isCanceled: settings.signal.aborted,
      timedOut,
      isTruncated: false,
    }));
  } finally {
    clearTimeout(timer);
    settings.signal.removeEventListener('abort', onAbort);
  }
}

async function readAll<T>(
  child: GitProcess,
  args: readonly string[],
  read: (output: AsyncIterable<Buffer>) => Promise<T>,
  flags: () => Pick<GitCommandFacts, 'isCanceled' | 'timedOut' | 'isTruncated'>,
): Promise<T> {
  let hasEnded = false;
  void child.ended.then(() => (hasEnded = true));
  let isWhole = false;
  const stdout: AsyncIterable<Buffer> = child.stdout;
  async function* pieces(): AsyncGenerator<Buffer> {
    yield* stdout;
    const outcome = await child.ended;
    isWhole = true;
    if (outcome.exitCode !== 0) throw new GitCommandError({ args, ...outcome, ...flags() });
  }
  try {
    return await read(pieces());
  } finally {
    // It reads only, so that nothing has to be put away: no TERM before.
    if (!isWhole && !hasEnded) signalGroup(child.pid, 'SIGKILL');
    child.stdout.destroy();
    await child.ended;
  }
}
