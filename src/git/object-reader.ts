import { AppError } from '../error.ts';
import type { CatFileAnswer, CatFileRequest, ObjectInfo } from './cat-file-answer.ts';
import { createCatFilePool } from './cat-file-pool.ts';
import type { Git } from './git.ts';
import { createObjectCache, isFullId, type FoundAnswer } from './object-cache.ts';
import { createObjectSource } from './object-source.ts';
import { readStamp, type Stamp } from './object-stamp.ts';
import type { Oid } from './oid.ts';
import { createPlacePrefixes } from './place-prefix.ts';
import type { Repository } from './repository.ts';
import type { ObjectType } from './stored-object.ts';
import type { Revision } from './revision-expression.ts';

export type { ObjectInfo } from './cat-file-answer.ts';

/** An object with its content. */
export interface GitObject extends ObjectInfo {
  readonly body: Buffer;
}

/** The first bytes of an object's content. */
export interface ObjectStart extends ObjectInfo {
  readonly body: Buffer;
  /** Whether more follows. */
  readonly isTruncated: boolean;
}

/**
 * The one way to the objects of all repositories. What is asked in the same moment is read together, through
 * one long-lived git child for each repository; what was read is remembered, for an object never changes.
 * Replacements are not followed, and what a partial clone has not fetched is not there.
 */
export interface ObjectReader extends AsyncDisposable {
  /**
   * Reads an object whole.
   * @throws AppError NOT_FOUND when it is not there, or the repository is gone; LIMIT_EXCEEDED when it is
   * larger than 16 MiB, a commit or tag than 2; COMMAND_FAILED when git cannot read it; CONFLICT when the repository is replaced again
   * and again; CANCELLED while the agent stops
   */
  read(repository: Repository, id: Oid, signal: AbortSignal): Promise<GitObject>;
  /** What an object is, without its content. @throws AppError as `read` does */
  info(repository: Repository, id: Oid, signal: AbortSignal): Promise<ObjectInfo>;
  /**
   * Reads an object's first bytes. One that is not truncated costs as `read`, another a git child.
   * @throws AppError as `read` does; GitCommandError
   */
  readStart(
    repository: Repository,
    id: Oid,
    maxBytes: number,
    signal: AbortSignal,
  ): Promise<ObjectStart>;
  /**
   * Finds what a revision names now; null when it names nothing.
   * @throws AppError BAD_USER_INPUT when it is an abbreviated id of several objects; and as `read` does
   */
  resolve(
    repository: Repository,
    revision: Revision,
    signal: AbortSignal,
  ): Promise<ObjectInfo | null>;
  /** The process ids of the children that run. */
  pids(): number[];
  /** Ends the children. Resolves once they are gone. */
  [Symbol.asyncDispose](): Promise<void>;
}

export interface ObjectReaderDeps {
  readonly git: Git;
  /** Children over all repositories. */
  readonly maxChildren: number;
  /** Bytes that what is remembered may take; 0 remembers nothing. */
  readonly cacheBytes: number;
  /** How long a child stays that nobody asks anything. Default: 30 seconds. */
  readonly idleMs?: number;
}

/** What is read whole at most: a message, a folder of 400,000 files. A page of either must fit in memory. */
const MAX_BYTES: Readonly<Record<ObjectType, number>> = {
  commit: 2 * 1024 * 1024,
  tag: 2 * 1024 * 1024,
  tree: 16 * 1024 * 1024,
  blob: 16 * 1024 * 1024,
};
/** Requests that are sent, and whose answers are held back, together. */
const MAX_BATCH = 4096;
/** How often a batch is read anew because the repository was replaced meanwhile. */
const MAX_ROUNDS = 3;

interface Want extends CatFileRequest {
  readonly signal: AbortSignal;
  readonly resolve: (answer: CatFileAnswer) => void;
  readonly reject: (error: unknown) => void;
}

interface State {
  readonly repository: Repository;
  wants: Want[];
  isScheduled: boolean;
}

/** What lies at a repository's place, and what keys of it begin with. */
interface Sight {
  readonly stamp: Stamp;
  readonly prefix: string;
}

export function createObjectReader(deps: ObjectReaderDeps): ObjectReader {
  const { git } = deps;
  const pool = createCatFilePool({
    git,
    maxChildren: deps.maxChildren,
    idleMs: deps.idleMs ?? 30_000,
    maxBytes: (type) => MAX_BYTES[type],
  });
  const cache = createObjectCache(deps.cacheBytes);
  const source = createObjectSource(pool);
  const prefixes = createPlacePrefixes();
  const states = new Map<string, State>();

  async function ask(
    repository: Repository,
    request: CatFileRequest,
    signal: AbortSignal,
  ): Promise<CatFileAnswer> {
    let state = states.get(repository.gitDir);
    if (state === undefined) {
      state = { repository, wants: [], isScheduled: false };
      states.set(repository.gitDir, state);
    }
    const { wants } = state;
    return await new Promise((resolve, reject) => {
      wants.push({ ...request, signal, resolve, reject });
      schedule(state);
    });
  }

  function schedule(state: State): void {
    if (state.isScheduled) return;
    state.isScheduled = true;
    queueMicrotask(() => {
      state.isScheduled = false;
      const wants = state.wants.splice(0);
      for (let at = 0; at < wants.length; at += MAX_BATCH) {
        void answerBatch(state, wants.slice(at, at + MAX_BATCH));
      }
    });
  }

  async function answerBatch(state: State, wants: readonly Want[]): Promise<void> {
    try {
      const waiting = wants.filter(({ signal, reject }) => {
        if (signal.aborted) reject(signal.reason);
        return !signal.aborted;
      });
      const answers = await readBatch(state, waiting);
      for (const [index, want] of waiting.entries()) {
        const answer = answers[index] ?? new Error('git cat-file gave too few answers');
        if (answer instanceof Error) want.reject(answer);
        else want.resolve(answer);
      }
    } catch (error) {
      for (const { reject } of wants) reject(error);
    }
  }

  /** Reads, and reads again when another repository came to lie there meanwhile: whose answers would it be? */
  async function readBatch(
    state: State,
    wants: readonly CatFileRequest[],
  ): Promise<(CatFileAnswer | Error)[]> {
    // Walking obeys more than objects do: from a shallow boundary there is no way back.
    const walks = wants.some(({ name }) => !isFullId(name));
    const look = async (): Promise<Sight> => await lookAt(state.repository, walks);
    let seen = await look();
    for (let round = 0; round < MAX_ROUNDS; round++) {
      const { prefix, stamp } = seen;
      const known = wants.map((want) => cache.recall(prefix, want));
      // What was remembered of this place needs no second look.
      if (known.every((each) => each !== undefined)) return known;
      const [outcome] = await Promise.allSettled([answer(state, prefix, wants, known, stamp)]);
      const now = await look();
      if (now.prefix === prefix && now.stamp.walk === stamp.walk) {
        if (outcome.status === 'rejected') throw outcome.reason;
        return outcome.value;
      }
      seen = now;
    }
    throw new AppError(
      'CONFLICT',
      'the repository was replaced while it was read; ask again when that is over',
    );
  }

  /** @throws AppError NOT_FOUND when there is no repository any more */
  async function lookAt(repository: Repository, walks: boolean): Promise<Sight> {
    const stamp = await readStamp(repository, walks);
    const prefix = prefixes.find(repository.gitDir, stamp?.place ?? null);
    if (stamp !== null) return { stamp, prefix };
    throw new AppError('NOT_FOUND', 'the repository is gone from its place');
  }

  async function answer(
    state: State,
    prefix: string,
    wants: readonly CatFileRequest[],
    known: readonly (CatFileAnswer | undefined)[],
    stamp: Stamp,
  ): Promise<(CatFileAnswer | Error)[]> {
    const answers: (CatFileAnswer | Error | undefined)[] = [...known];
    /** What has to be asked, once each, and where its answer goes. */
    const missing = new Map<string, { readonly request: CatFileRequest; readonly at: number[] }>();
    for (const [index, { command, name }] of wants.entries()) {
      if (answers[index] !== undefined) continue;
      const line = `${command} ${name}`;
      const known = missing.get(line);
      if (known === undefined) missing.set(line, { request: { command, name }, at: [index] });
      else known.at.push(index);
    }
    if (missing.size > 0) {
      const places = [...missing.values()];
      const requests = places.map(({ request }) => request);
      const found = await source.read(state.repository, requests, stamp);
      for (const [index, { request, at }] of places.entries()) {
        const each = found[index] ?? new Error('git cat-file gave too few answers');
        cache.remember(prefix, request, each);
        for (const place of at) answers[place] = each;
      }
    }
    return answers.map((each) => each ?? new Error('git cat-file gave too few answers'));
  }

  async function find(
    command: CatFileRequest['command'],
    repository: Repository,
    id: Oid,
    signal: AbortSignal,
  ): Promise<FoundAnswer> {
    const answer = await ask(repository, { command, name: id }, signal);
    // An id of 40 digits is an abbreviated one to a SHA-256 repository.
    if (answer.kind === 'object' && answer.info.oid === id) return answer;
    throw new AppError('NOT_FOUND', `there is no object ${id} here`);
  }

  async function read(repository: Repository, id: Oid, signal: AbortSignal): Promise<GitObject> {
    const { info, body } = await find('contents', repository, id, signal);
    if (body !== null) return { ...info, body };
    throw new AppError(
      'LIMIT_EXCEEDED',
      `the ${info.type} ${id} has ${info.size} bytes, and ${MAX_BYTES[info.type]} are read at most; fetch it with git`,
    );
  }

  return {
    read,
    info: async (repository, id, signal) => (await find('info', repository, id, signal)).info,
    async readStart(repository, id, maxBytes, signal) {
      const { info } = await find('info', repository, id, signal);
      if (info.size <= maxBytes) {
        return { ...(await read(repository, id, signal)), isTruncated: false };
      }
      const { stdout } = await git.run(repository, ['cat-file', info.type, id], {
        intent: 'read',
        signal,
        maxBytes,
        cutsOff: true,
      });
      return { ...info, body: stdout, isTruncated: true };
    },
    async resolve(repository, revision, signal) {
      const answer = await ask(repository, { command: 'info', name: revision }, signal);
      if (answer.kind === 'object') return answer.info;
      if (answer.kind === 'missing') return null;
      throw new AppError(
        'BAD_USER_INPUT',
        `${JSON.stringify(revision)} is ambiguous: several objects start with it; give more digits`,
      );
    },
    pids: () => pool.pids(),
    [Symbol.asyncDispose]: async () => {
      await pool[Symbol.asyncDispose]();
    },
  };
}
