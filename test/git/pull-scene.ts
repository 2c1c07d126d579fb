/** An origin, a working copy of it, and pulls as a job does them. */
import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { rmSync } from 'node:fs';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { AppError, type ErrorCode } from '../../src/error.ts';
import { parseBranchName } from '../../src/git/branch-name.ts';
import type { Git } from '../../src/git/git.ts';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import { parseAbbreviatedOid, type Oid } from '../../src/git/oid.ts';
import { pull, type PullOrder, type PullResult, type PullStrategy } from '../../src/git/pull.ts';
import { planPull, type PullPlan } from '../../src/git/pull-plan.ts';
import type { PlannedMove } from '../../src/git/pull-planned.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  treeState,
  writeCommit,
  type CommitSpec,
  type Fixture,
} from '../support/git-fixture.ts';

/** Where `reset` keeps what it discards. */
export const SAVED = 'refs/gitagent/saved/job';

/** A pull as a request says it. Default: the default branch, fast-forward only. */
export interface Order {
  readonly branch?: string;
  readonly hash?: string;
  readonly strategy?: PullStrategy;
  readonly signal?: AbortSignal;
  readonly savedRef?: string;
  readonly planned?: PlannedMove;
  /** What a request of the REST interface prefers. */
  readonly preferredBranch?: string;
}

export interface Pulled extends PullResult {
  /** What git printed. */
  readonly output: string;
  /** What we said. */
  readonly said: readonly string[];
}

export interface Scene extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly door: Git;
  /** A bare repository; `main` has the commit `first` with `a`, `b` and `sub/c`, ten lines each. */
  readonly origin: string;
  readonly copy: string;
  readonly first: Oid;
  /** Commits to the origin's main, unless told otherwise. */
  readonly commit: (spec: CommitSpec) => Promise<Oid>;
  /** Commits to the working copy's main, which must be checked out and clean. */
  readonly commitHere: (spec: CommitSpec) => Promise<Oid>;
  /** Writes files into the working copy. */
  readonly write: (files: Readonly<Record<string, string | Buffer>>) => Promise<void>;
  /** Reads a file of the working copy. */
  readonly read: (name: string) => Promise<string>;
  readonly pull: (order?: Order) => Promise<Pulled>;
  readonly plan: (order?: Order) => Promise<PullPlan>;
  /** Asserts that a pull is refused and that HEAD, index, working tree and branches are as before. */
  readonly refuse: (code: ErrorCode, message: RegExp, order?: Order) => Promise<AppError>;
  /** Asserts that git itself fails, and that HEAD, working tree and branches are as before. */
  readonly fail: (order?: Order) => Promise<GitCommandError>;
}

export interface SceneOptions {
  readonly objectFormat?: 'sha1' | 'sha256';
  /** Lines for the user's ~/.gitconfig. */
  readonly config?: string;
  readonly host?: Readonly<Record<string, string>>;
}

/** Ten lines, so that changes at both ends merge. */
export function lines(first = '0', last = '9'): string {
  return `${first}\n1\n2\n3\n4\n5\n6\n7\n8\n${last}\n`;
}

export async function createScene(options: SceneOptions = {}): Promise<Scene> {
  const fixture = await createFixture();
  const { git: door } = await openDoor(fixture, options);
  const { objectFormat = 'sha1' } = options;
  const template = (templates[objectFormat] ??= createTemplate(objectFormat));
  const { dir, first } = await template;
  await cp(dir, fixture.dir, { recursive: true, preserveTimestamps: true });
  const origin = fixture.path('origin.git');
  const copy = fixture.path('copy');
  const config = await readFile(join(copy, '.git/config'), 'utf8');
  await writeFile(join(copy, '.git/config'), config.replaceAll(dir, fixture.dir));
  return {
    ...openScene(door, copy),
    fixture,
    door,
    origin,
    copy,
    first,
    commit: async (spec) => await writeCommit(origin, spec),
    [Symbol.asyncDispose]: async () => {
      await fixture[Symbol.asyncDispose]();
    },
  };
}

/** What every scene begins as: copied, for git takes ten times as long to make it. */
const templates: Partial<Record<string, ReturnType<typeof createTemplate>>> = {};

async function createTemplate(
  objectFormat: 'sha1' | 'sha256',
): Promise<{ dir: string; first: Oid }> {
  const fixture = await createFixture();
  const { dir } = fixture;
  process.on('exit', () => rmSync(dir, { recursive: true }));
  const origin = await initRepository(fixture.path('origin.git'), { bare: true, objectFormat });
  const files = { a: lines(), b: lines(), 'sub/c': lines() };
  const first = await writeCommit(origin, { files, message: 'first' });
  await cloneRepository(origin, fixture.path('copy'));
  return { dir, first };
}

type WorkingCopyScene = Pick<
  Scene,
  'commitHere' | 'write' | 'read' | 'pull' | 'plan' | 'refuse' | 'fail'
>;

/** The same ways for another working copy. */
export function openScene(door: Git, copy: string): WorkingCopyScene {
  const parseOrder = (order: Order): PullOrder => ({
    branch: order.branch === undefined ? null : parseBranchName(order.branch),
    ...(order.preferredBranch !== undefined && {
      preferredBranch: parseBranchName(order.preferredBranch),
    }),
    hash: order.hash === undefined ? null : parseAbbreviatedOid(order.hash),
    strategy: order.strategy ?? 'ff-only',
    savedRef: order.savedRef ?? SAVED,
    ...(order.planned !== undefined && { planned: order.planned }),
  });
  const planHere = async (order: Order = {}): Promise<PullPlan> => {
    const repository = await openRepository(copy);
    const { signal = untilDone } = order;
    const quiet = { say: () => undefined, onReady: () => undefined };
    const workingCopy = openWorkingCopy(door, repository, { signal, onOutput: () => undefined });
    const patience = { retries: 0, firstDelayMs: 1 };
    return await planPull(
      { git: door, repository, workingCopy, signal, patience, ...quiet },
      parseOrder(order),
      randomUUID().replaceAll('-', ''),
    );
  };
  const pullHere = async (order: Order = {}): Promise<Pulled> => {
    const repository = await openRepository(copy);
    const output: Buffer[] = [];
    const said: string[] = [];
    const { signal = untilDone } = order;
    const onOutput = (bytes: Buffer): void => {
      output.push(bytes);
    };
    const workingCopy = openWorkingCopy(door, repository, { signal, onOutput });
    const ready: (Oid | null)[] = [];
    const result = await pull(
      {
        git: door,
        repository,
        workingCopy,
        signal,
        patience: { retries: 0, firstDelayMs: 1 },
        say: (line) => said.push(line),
        onReady: (before) => ready.push(before),
      },
      parseOrder(order),
    );
    // What it says it did is what it did.
    assert.deepEqual(ready, [result.before]);
    assert.equal(await git(copy, 'rev-parse', 'HEAD'), result.after);
    const head = await readFile(join(repository.gitDir, 'HEAD'), 'utf8');
    assert.equal(
      head,
      result.branch === null ? `${result.after}\n` : `ref: refs/heads/${result.branch}\n`,
    );
    return { ...result, said, output: Buffer.concat(output).toString() };
  };
  return {
    commitHere: async (spec) => {
      const id = await writeCommit(copy, spec);
      await git(copy, 'reset', '--quiet', '--hard');
      return id;
    },
    write: async (files) => {
      for (const [name, content] of Object.entries(files)) {
        await mkdir(dirname(join(copy, name)), { recursive: true });
        await writeFile(join(copy, name), content);
      }
    },
    read: async (name) => await readFile(join(copy, name), 'utf8'),
    pull: pullHere,
    plan: planHere,
    refuse: async (code, message, order) => {
      const before = await treeState(copy);
      const error = await rejection(pullHere(order));
      assert.ok(error instanceof AppError, `expected an AppError, got ${String(error)}`);
      assert.equal(error.code, code);
      assert.match(error.message, message);
      assert.deepEqual(await treeState(copy), before);
      return error;
    },
    fail: async (order) => {
      const { index: _index, ...before } = await treeState(copy);
      const error = await rejection(pullHere(order));
      assert.ok(
        error instanceof GitCommandError,
        `expected a GitCommandError, got ${String(error)}`,
      );
      const { index: _rewritten, ...after } = await treeState(copy);
      assert.deepEqual(after, before);
      return error;
    },
  };
}

async function rejection(promise: Promise<unknown>): Promise<unknown> {
  return await promise.then(
    () => null,
    (reason: unknown) => reason,
  );
}
