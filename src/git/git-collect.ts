import { spawn, type ChildProcess } from 'node:child_process';
import { markOf, type ChildTracker } from './child-tracker.ts';
import { failedGit, MAX_STDERR_BYTES } from './git-command-error.ts';
import type { GitResult, RunOptions } from './git.ts';
import { signalGroup } from './process-group.ts';
import type { Repository } from './repository.ts';

const MAX_STDOUT_BYTES = 64 * 1024 * 1024;
/** A read that takes longer hangs on a dead file system. */
export const READ_TIMEOUT_MS = 120_000;

/** Runs git and collects what it prints: see `Git.run`. @throws GitCommandError */
export async function collect(
  program: string,
  repository: Repository,
  args: readonly string[],
  env: Record<string, string>,
  options: RunOptions,
  tracker: ChildTracker | undefined,
): Promise<GitResult> {
  if (options.signal.aborted) throw failedGit(args, { isCanceled: true });
  const tracked = tracker?.begin();
  const child = spawn(program, args, {
    cwd: repository.path,
    env: { ...env, ...markOf(tracked) },
    // A group of its own: ending it ends what git started too (pack-objects, filters).
    detached: true,
    stdio: [options.stdin === undefined ? 'ignore' : 'pipe', 'pipe', 'pipe'],
  });
  if (child.pid !== undefined) tracked?.started(child.pid);
  let timedOut = false;
  let isTruncated = false;
  const end = (): void => {
    if (child.pid !== undefined) signalGroup(child.pid, 'SIGKILL');
  };
  const timer = setTimeout(() => {
    timedOut = true;
    end();
  }, options.timeoutMs ?? READ_TIMEOUT_MS);
  options.signal.addEventListener('abort', end);
  try {
    child.stdin?.on('error', () => undefined); // EPIPE: git stopped reading, its exit code says why.
    child.stdin?.end(options.stdin);
    const [stdout, stderr, outcome] = await Promise.all([
      collectBytes(child.stdout, options.maxBytes ?? MAX_STDOUT_BYTES, () => {
        isTruncated = true;
        end();
      }),
      collectTail(child.stderr),
      outcomeOf(child),
    ]);
    const { exitCode, signal } = outcome;
    if (isTruncated && options.cutsOff === true) return { stdout, exitCode: 0, isTruncated };
    if (exitCode !== null && (options.exitCodes ?? [0]).includes(exitCode) && !isTruncated) {
      return { stdout, exitCode, isTruncated };
    }
    const isCanceled = options.signal.aborted;
    throw failedGit(args, { exitCode, signal, stderr, timedOut, isCanceled, isTruncated });
  } catch (error) {
    if (child.pid !== undefined) throw error;
    const stderr = `it cannot be started in ${repository.path}: ${messageOf(error)}`;
    throw failedGit(args, { stderr }, error);
  } finally {
    clearTimeout(timer);
    options.signal.removeEventListener('abort', end);
    tracked?.ended();
  }
}

async function outcomeOf(
  child: ChildProcess,
): Promise<{ exitCode: number | null; signal: NodeJS.Signals | null }> {
  return await new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', (exitCode, signal) => {
      resolve({ exitCode, signal });
    });
  });
}

async function collectBytes(
  stream: NodeJS.ReadableStream | null,
  maxBytes: number,
  onExcess: () => void,
): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of stream ?? []) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    size += bytes.length;
    chunks.push(bytes);
    if (size > maxBytes) {
      onExcess();
      return Buffer.concat(chunks, maxBytes);
    }
  }
  return Buffer.concat(chunks, size);
}

async function collectTail(stream: NodeJS.ReadableStream | null): Promise<string> {
  let tail: Buffer = Buffer.alloc(0);
  for await (const chunk of stream ?? []) {
    const bytes = Buffer.isBuffer(chunk) ? chunk : Buffer.from(chunk);
    tail = Buffer.concat([tail, bytes]).subarray(-MAX_STDERR_BYTES);
  }
  return tail.toString('utf8');
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
