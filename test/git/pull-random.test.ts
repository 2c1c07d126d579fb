/**
 * Working copies in states that nobody would think of, pulled by every strategy. Whatever happens,
 * nothing that somebody wrote may be gone: a refusal changes nothing, a move keeps what is not
 * committed, a reset saves it. GITAGENT_RANDOM_ROUNDS and GITAGENT_RANDOM_SEED try more.
 */
import assert from 'node:assert/strict';
import { chmod, lstat, mkdir, rm, symlink, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { test } from 'node:test';
import { AppError } from '../../src/error.ts';
import { GitCommandError } from '../../src/git/git-command-error.ts';
import {
  git,
  runGit,
  treeState,
  type FileContent,
  type TreeState,
} from '../support/git-fixture.ts';
import type { PullPlan } from '../../src/git/pull-plan.ts';
import type { PullResult } from '../../src/git/pull.ts';
import { createScene, SAVED, type Scene } from './pull-scene.ts';

const ROUNDS = Number(process.env['GITAGENT_RANDOM_ROUNDS'] ?? 12);
const SEED = Number(process.env['GITAGENT_RANDOM_SEED'] ?? 1);
const PATHS = [
  'a',
  'b',
  'sub/c',
  'sub',
  'x',
  'x/y',
  'x/y/z',
  'd',
  'd/e',
  'build',
  'build/out',
  'build/deep/out',
  'ü',
  '-f',
];
const STRATEGIES = ['ff-only', 'merge', 'rebase', 'reset'] as const;

interface Random {
  below(limit: number): number;
  pick<T>(list: readonly T[]): T;
}

/** The same numbers for the same seed. */
function createRandom(seed: number): Random {
  let state = (seed * 2_654_435_761) % 0x7fffffff || 1;
  const below = (limit: number): number => {
    state = (state * 48_271) % 0x7fffffff;
    return state % limit;
  };
  return { below, pick: (list) => list[below(list.length)] as (typeof list)[number] };
}

/** A few changes to a tree that can stand beside each other. */
function randomFiles(random: Random, label: string): Record<string, FileContent> {
  const files: Record<string, FileContent> = {};
  for (let n = 1 + random.below(4); n > 0; n--) {
    const path = random.pick(PATHS);
    const clash = Object.keys(files).some(
      (other) => `${other}/`.startsWith(`${path}/`) || `${path}/`.startsWith(`${other}/`),
    );
    if (!clash) files[path] = random.below(4) === 0 ? null : `${label} ${n}\n`;
  }
  return files;
}

/** Makes room for a file, as a person would: by removing what is there. */
async function makeRoom(dir: string, path: string): Promise<void> {
  for (let parent = dirname(path); parent !== '.'; parent = dirname(parent)) {
    const info = await lstat(join(dir, parent)).catch(() => null);
    if (info !== null && !info.isDirectory()) await rm(join(dir, parent));
  }
  await rm(join(dir, path), { recursive: true, force: true });
  await mkdir(dirname(join(dir, path)), { recursive: true });
}

async function mutate(dir: string, random: Random, label: string): Promise<string> {
  const path = random.pick(PATHS);
  const kind = random.below(9);
  if (kind < 4) {
    await makeRoom(dir, path);
    if (kind === 3 && random.below(2) === 0) await symlink(label, join(dir, path));
    else await writeFile(join(dir, path), `${label}\n`);
    return `write ${path}`;
  }
  if (kind === 4) {
    await rm(join(dir, path), { recursive: true, force: true }).catch(() => undefined); // ENOTDIR
  }
  if (kind === 5) await chmod(join(dir, path), 0o755).catch(() => undefined);
  const command =
    [
      ['add', '--all', '--', path],
      ['add', '--force', '--', path],
      ['rm', '--cached', '-r', '--quiet', '--', path],
      ['add', '--intent-to-add', '--', path],
    ][random.below(4)] ?? [];
  if (kind > 5) await runGit(dir, command, { exitCodes: [1, 128] });
  return kind === 4 ? `delete ${path}` : kind === 5 ? `chmod ${path}` : command.join(' ');
}

/** Path and blob of every entry of a commit's tree or of the index: `PATH OID`. */
async function entries(dir: string, of: string): Promise<Set<string>> {
  const args = of === ':index' ? ['ls-files', '--stage', '-z'] : ['ls-tree', '-r', '-z', of];
  const printed = await runGit(dir, args, { exitCodes: [128] });
  const lines = printed.toString('latin1').split('\0').filter(Boolean);
  // An intent to add has no content yet.
  const empty = 'e69de29bb2d1d6434b8b29ae775ad8c2e48c5391';
  return new Set(
    lines.flatMap((line) => {
      const [left = '', path = ''] = line.split('\t');
      const id = left.split(' ')[of === ':index' ? 1 : 2] ?? '';
      return id === empty ? [] : [`${path} ${id}`];
    }),
  );
}

/** The same for the working tree, what is ignored included. */
async function workTreeEntries(dir: string, state: TreeState): Promise<Set<string>> {
  const found = new Set<string>();
  for (const [path, shown] of Object.entries(state.files)) {
    const isLink = shown.startsWith('12');
    const name = Buffer.from(path, 'latin1').toString();
    const input = isLink ? shown.slice(shown.indexOf(' ') + 1) : null;
    const id =
      input === null
        ? await git(dir, 'hash-object', '--no-filters', '--', name)
        : (await runGit(dir, ['hash-object', '--stdin'], { input: Buffer.from(input, 'latin1') }))
            .toString()
            .trim();
    found.add(`${path} ${id}`);
  }
  return found;
}

/** What a plan keeps for an hour. */
async function forgetPlans(copy: string): Promise<void> {
  const refs = await git(copy, 'for-each-ref', '--format=delete %(refname)', 'refs/gitagent/plan');
  await runGit(copy, ['update-ref', '--stdin'], { input: `${refs}\n` });
}

/** The pull did what the plan said; except for what git itself refuses, which no plan can know. */
function assertAgreement(plan: PullPlan, outcome: unknown, log: readonly string[]): void {
  const told = [`planned: ${JSON.stringify(plan.move)} ${String(plan.refusal)}`, ...log].join('\n');
  if (outcome instanceof GitCommandError) return;
  if (outcome instanceof AppError) {
    assert.ok(plan.refusal instanceof AppError, told);
    assert.deepEqual(
      [plan.refusal.code, plan.refusal.message, plan.refusal.detail],
      [outcome.code, outcome.message, outcome.detail],
      told,
    );
    return;
  }
  const { before, after, branch } = outcome as PullResult;
  assert.equal(plan.refusal, null, told);
  assert.equal(plan.head.oid, before, told);
  assert.equal(plan.goal?.branch?.name ?? null, branch, told);
  const { tip = null } = plan.move ?? {};
  if (tip !== null) assert.equal(after, tip, told);
}

async function round(scene: Scene, random: Random): Promise<string[]> {
  const { copy } = scene;
  const log: string[] = [];
  if (random.below(2) === 0) await scene.commit({ files: { '.gitignore': 'build\nx\n' } });
  await scene.pull();
  for (let n = random.below(3); n > 0; n--)
    await scene.commit({ files: randomFiles(random, `theirs ${n}`) });
  await scene.commit({
    branch: 'side',
    parents: [scene.first],
    files: randomFiles(random, 'side'),
  });
  for (let n = random.below(2); n > 0; n--)
    await scene.commitHere({ files: randomFiles(random, 'ours') });
  if (random.below(5) === 0) await git(copy, 'checkout', '--quiet', '--detach');
  for (let n = random.below(7); n > 0; n--) log.push(await mutate(copy, random, `mine ${n}`));

  const before = await treeState(copy);
  const head = await git(copy, 'rev-parse', 'HEAD');
  const committed = await entries(copy, 'HEAD');
  const staged = await entries(copy, ':index');
  const written = await workTreeEntries(copy, before);
  const strategy = random.pick(STRATEGIES);
  const order = { strategy, ...random.pick([{}, { branch: 'side' }, { hash: scene.first }]) };
  log.push(JSON.stringify(order), before.head.trim(), ...[...written].map((each) => `had ${each}`));
  const plan = await scene.plan(order);
  const { refs: _plans, ...planned } = await treeState(copy);
  const { refs: _before, ...unplanned } = before;
  assert.deepEqual(planned, unplanned, ['the plan has touched something', ...log].join('\n'));
  await forgetPlans(copy);
  // Half of them by the plan's own token, which asks no remote.
  const given = plan.goal !== null && random.below(2) === 0 ? { planned: plan.goal.planned } : {};
  const outcome = await scene.pull({ ...order, ...given }).catch((error: unknown) => error);
  assertAgreement(plan, outcome, log);
  log.push(outcome instanceof Error ? String(outcome) : 'pulled');
  const after = await treeState(copy);

  if (outcome instanceof Error) {
    assert.ok(outcome instanceof AppError || outcome instanceof GitCommandError, log.join('\n'));
    // What git refuses by itself may have rewritten the index, and a reset may have saved already.
    const touched = { index: null, refs: null };
    const compared = outcome instanceof AppError ? {} : touched;
    assert.deepEqual({ ...after, ...compared }, { ...before, ...compared }, log.join('\n'));
    return log;
  }
  const hasSaved = (await git(copy, 'for-each-ref', SAVED)) !== '';
  const kept = new Set([
    ...(await workTreeEntries(copy, after)),
    ...(hasSaved ? await entries(copy, SAVED) : []),
  ]);
  for (const each of written) {
    assert.ok(
      committed.has(each) || kept.has(each),
      [`lost from the working tree: ${each}`, ...log].join('\n'),
    );
  }
  const keptStaged = new Set([
    ...(await entries(copy, ':index')),
    ...(hasSaved ? await entries(copy, `${SAVED}^2`) : []),
  ]);
  for (const each of staged) {
    assert.ok(
      committed.has(each) || keptStaged.has(each),
      [`lost from the index: ${each}`, ...log].join('\n'),
    );
  }
  if (strategy === 'reset') {
    assert.equal(await git(copy, 'status', '--porcelain', '-uno'), '', log.join('\n'));
    const refs = ['refs/heads', 'refs/remotes', SAVED];
    assert.notEqual(
      await git(copy, 'for-each-ref', `--contains=${head}`, ...refs),
      '',
      log.join('\n'),
    );
  }
  assert.deepEqual(after.unfinished, [], log.join('\n'));
  return log;
}

for (let n = 0; n < ROUNDS; n++) {
  const seed = SEED * 1_000_000 + n;
  test(`nothing is lost in the random working copy ${seed}`, async (context) => {
    await using scene = await createScene();
    for (const line of await round(scene, createRandom(seed))) context.diagnostic(line);
  });
}
