import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { createAnswerParser, type CatFileAnswer, type CatFileRequest } from './cat-file-answer.ts';
import type { Git } from './git.ts';
import type { Repository } from './repository.ts';
import type { ObjectType } from './stored-object.ts';

/** One running `git cat-file --batch-command`. */
export interface CatFile {
  readonly pid: number;
  /** Asks; the answers come in the same order. */
  send(requests: readonly CatFileRequest[]): void;
  /** Ends it, answers or not. Resolves once it is gone. */
  end(): Promise<void>;
}

export interface CatFileHandlers {
  /** The request whose answer comes next, if any. */
  readonly next: () => CatFileRequest | undefined;
  readonly onAnswer: (answer: CatFileAnswer) => void;
  /** It ended: by itself, killed by somebody, or because what it said made no sense. Once. */
  readonly onEnd: (end: CatFileEnd) => void;
}

export interface CatFileEnd {
  /** For people. */
  readonly reason: string;
  /**
   * It gave up on an object that a partial clone has not: a git before 2.45 tries to fetch it whatever it is
   * told, and dies when that is not allowed.
   */
  readonly isNotFetched: boolean;
  /** Somebody else's signal ended it, which says nothing of what it was reading. */
  readonly wasKilled: boolean;
}

/** Signals that come from outside; the others are git's own end. */
const FROM_OUTSIDE: ReadonlySet<string | null> = new Set([
  'SIGKILL',
  'SIGTERM',
  'SIGINT',
  'SIGHUP',
]);

/** What git ends with when it gives up (git's usage.c, `die`). */
const GAVE_UP = 128;

/**
 * Starts a child that reads objects until it is told to end. It follows no replacements, asks no server for
 * what a partial clone has not, and notices objects that are written and packs that are made meanwhile.
 * @throws GitCommandError when it cannot be started
 */
export async function openCatFile(
  git: Git,
  repository: Repository,
  maxBytes: (type: ObjectType) => number,
  handlers: CatFileHandlers,
): Promise<CatFile> {
  const isPartial = await isPartialClone(repository);
  const controller = new AbortController();
  const child = await git.spawn(repository, ['cat-file', '--batch-command', '--buffer'], {
    intent: 'read',
    signal: controller.signal,
  });
  let nonsense = '';
  const end = (): void => {
    child.stdout.removeAllListeners('data').resume();
    controller.abort();
  };
  const parser = createAnswerParser({ ...handlers, maxBytes });
  child.stdout.on('data', (chunk: Buffer) => {
    try {
      if (!parser.push(chunk)) end();
    } catch (error) {
      nonsense = error instanceof Error ? error.message : String(error);
      end();
    }
  });
  child.stdout.on('error', () => undefined);
  // Only when all of its answers have been read is it known which are missing.
  const drained = new Promise<void>((resolve) => {
    child.stdout.once('close', resolve);
  });
  const gone = Promise.all([drained, child.ended]).then(([, outcome]) => {
    const { exitCode, signal, stderr } = outcome;
    handlers.onEnd({
      reason: nonsense || stderr.trim() || `it ended with ${signal ?? `code ${exitCode}`}`,
      isNotFetched: isPartial && exitCode === GAVE_UP,
      wasKilled: FROM_OUTSIDE.has(signal) && !controller.signal.aborted,
    });
  });
  return {
    pid: child.pid,
    send(requests) {
      const lines = requests.map(({ command, name }) => `${command} ${name}\n`);
      child.stdin.write(`${lines.join('')}flush\n`);
    },
    async end() {
      end();
      await gone;
    },
  };
}

/** Whether a pack came from a server that promised to have the rest (git's partial-clone.txt). */
async function isPartialClone({ commonDir }: Repository): Promise<boolean> {
  const packs = await readdir(join(commonDir, 'objects', 'pack')).catch(() => []);
  return packs.some((name) => name.endsWith('.promisor'));
}
