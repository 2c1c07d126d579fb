import { GitCommandError } from './git-command-error.ts';
import { spawnGit, type SpawnSettings } from './git-process.ts';
import { signalGroup } from './process-group.ts';

export interface ScanSettings extends Omit<SpawnSettings, 'graceMs'> {
  readonly timeoutMs: number;
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
  const timeout = AbortSignal.timeout(settings.timeoutMs);
  const signal = AbortSignal.any([settings.signal, timeout]);
  const child = await spawnGit(program, args, { ...settings, signal, graceMs: 0 });
  child.stdin.end();
  let hasEnded = false;
  void child.ended.then(() => (hasEnded = true));
  let isWhole = false;
  const stdout: AsyncIterable<Buffer> = child.stdout;
  async function* pieces(): AsyncGenerator<Buffer> {
    yield* stdout;
    const { exitCode, signal: by, stderr } = await child.ended;
    isWhole = true;
    if (exitCode === 0) return;
    const isCanceled = settings.signal.aborted;
    const timedOut = timeout.aborted && !isCanceled;
    const flags = { isCanceled, timedOut, isTruncated: false };
    throw new GitCommandError({ args, exitCode, signal: by, stderr, ...flags });
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
