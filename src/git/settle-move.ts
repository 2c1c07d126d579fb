import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { parseBranchName } from './branch-name.ts';
import type { Git } from './git.ts';
import { readHead, type Head } from './head.ts';
import { findUntrackedInTheWay } from './in-the-way.ts';
import { listTreeChanges } from './diff.ts';
import type { Move } from './move.ts';
import { oid, type Oid } from './oid.ts';
import { readOperation } from './operation.ts';
import { findRefs } from './ref.ts';
import type { Repository } from './repository.ts';
import { restoreTree } from './restore-tree.ts';
import { readSmallFile } from './small-file.ts';
import { listAssumedUnchanged, saveSnapshot } from './snapshot.ts';
import { readStatus } from './status.ts';
import { openWorkingCopy } from './working-copy.ts';

export interface SettleDeps {
  readonly git: Git;
  readonly repository: Repository;
  readonly signal: AbortSignal;
  /** Where what a completed reset would discard is kept, should there be anything: a ref that does not exist yet. */
  readonly savedRef: string;
  /** Told each step that was taken, as one line for people. */
  readonly say: (line: string) => void;
  readonly onOutput: (bytes: Buffer) => void;
}

/** Where a move that had ended half-way has been brought; ELSEWHERE when somebody else has moved HEAD since. */
export type Settled = 'BEFORE' | 'AFTER' | 'ELSEWHERE';

/**
 * Brings a working copy, whose move was cut short, to where it was before or to where it was to be. No
 * process of that move may be left, and no lock.
 *
 * HEAD decides, for git moves it last. What discards uncommitted work is not undone but completed, since
 * that work is saved already, and what is there besides is saved now.
 * @throws GitCommandError when git cannot
 */
export async function settleMove(deps: SettleDeps, move: Move): Promise<Settled> {
  if (!(await hasCommit(deps, move.to))) return 'BEFORE'; // Not even its objects have come.
  if (move.kind === 'rebase') return await settleRebase(deps, move);
  const head = await readHead(deps.git, deps.repository, deps.signal);
  const { from } = move;
  const isBefore = head.branch === from.branch && head.oid === from.oid;
  const isAfter = await hasArrived(deps, move, head);
  if (!isBefore && !isAfter) {
    deps.say(`HEAD is neither where it was nor where it was to be: the working copy is left alone`);
    return 'ELSEWHERE';
  }
  if (isForced(move)) {
    // Also one to the commit where HEAD was already: it is the files that are half-way.
    if (isBefore) await complete(deps, move);
    return 'AFTER';
  }
  if (isAfter && head.oid !== null) {
    if (from.oid !== head.oid) await restore(deps, head.oid, from.oid);
    if (move.kind === 'merge') await forgetMerge(deps, move);
    return 'AFTER';
  }
  await restore(deps, from.oid, await treeAfter(deps, move));
  await restoreBranch(deps, move);
  if (move.kind === 'merge' && (await readOperation(deps.repository)) === 'MERGE') {
    await abort(deps, 'merge');
  }
  return 'BEFORE';
}

function isForced({ kind }: Move): boolean {
  return kind === 'reset' || kind === 'force-switch' || kind === 'force-detach';
}

async function hasArrived(deps: SettleDeps, move: Move, head: Head): Promise<boolean> {
  if (head.branch !== move.branch || head.oid === null) return false;
  if (move.kind !== 'merge') return head.oid === move.to;
  // A merge commit of the two; --first-parent and what follows it are the branch's own.
  const { stdout } = await deps.git.run(
    deps.repository,
    ['rev-list', '--parents', '--max-count=1', head.oid],
    { intent: 'read', signal: deps.signal },
  );
  const [, ...parents] = stdout.toString('latin1').trim().split(' ');
  return parents[0] === move.from.oid && parents.includes(move.to);
}

const MAX_HEAD_BYTES = 4096;

/**
 * git moves HEAD to the merge commit, runs the post-merge hook, and only then forgets that a merge is in
 * progress. One of a commit that HEAD has already is nobody else's.
 */
async function forgetMerge(deps: SettleDeps, { to }: Move): Promise<void> {
  const { git, repository, signal, onOutput } = deps;
  // One line for each commit that is merged: a longer file names others.
  const heads = await readSmallFile(join(repository.gitDir, 'MERGE_HEAD'), MAX_HEAD_BYTES);
  if (heads?.toString('latin1').trim() !== to) return;
  await git.operate(repository, { signal, onOutput }, async (simple) => {
    await simple.raw(['merge', '--quit']);
  });
  deps.say('ended the merge, which was committed already');
}

/** What the working tree would have been. A merge was rehearsed before, so it is known to have no conflict. */
async function treeAfter({ git, repository, signal }: SettleDeps, move: Move): Promise<Oid> {
  if (move.kind !== 'merge' || move.from.oid === null) return move.to;
  const { stdout } = await git.run(
    repository,
    ['merge-tree', '--write-tree', '-z', '--no-messages', move.from.oid, move.to],
    { intent: 'read', signal, exitCodes: [0, 1] },
  );
  return oid(stdout.toString('latin1').split('\0')[0] ?? '');
}

async function restore(deps: SettleDeps, wanted: Oid | null, other: Oid | null): Promise<void> {
  // Without a commit there is nothing that could be half there: all of it is `wanted`'s.
  if (other === null) return;
  const { count, left } = await restoreTree(deps, wanted, other);
  if (count > 0) deps.say(`restored ${count} files as they are in ${wanted ?? 'no commit'}`);
  if (left.length > 0) {
    const names = left.slice(0, 10).map(({ text }) => JSON.stringify(text));
    deps.say(`left alone, for they hold what no commit has: ${names.join(', ')}`);
  }
}

/** `git checkout -B` moves the branch first and then HEAD to it. */
async function restoreBranch(
  { git, repository, signal, say }: SettleDeps,
  move: Move,
): Promise<void> {
  const { branch, branchTip, from, to } = move;
  if (move.kind !== 'switch' || branch === null || branch === from.branch) return;
  const name = `refs/heads/${branch}`;
  const tip = (await findRefs(git, repository, [name], signal)).get(name)?.oid ?? null;
  if (tip !== to || tip === branchTip) return;
  const args = branchTip === null ? ['-d', name, tip] : [name, branchTip, tip];
  await git.run(repository, ['update-ref', ...args], { intent: 'read', signal });
  say(`put branch ${branch} back to ${branchTip ?? 'nothing'}`);
}

/** Ends what discards uncommitted work: all of that is saved. What somebody did since is saved now. */
async function complete(deps: SettleDeps, move: Move): Promise<void> {
  const { git, repository, signal, onOutput, say } = deps;
  await saveAll(deps, move);
  const workingCopy = openWorkingCopy(git, repository, { signal, onOutput });
  say(`completed the ${move.kind} to ${move.to}`);
  if (move.kind === 'reset') await workingCopy.reset(move.to);
  else if (move.branch === null) await workingCopy.forceDetach(move.to);
  else await workingCopy.forceSwitchTo(parseBranchName(move.branch), move.to, null);
}

async function settleRebase(deps: SettleDeps, move: Move): Promise<Settled> {
  const { git, repository, signal, say } = deps;
  const isUnderWay = (await readOperation(repository)) === 'REBASE';
  if (isUnderWay) {
    await saveAll(deps, move);
    await abort(deps, 'rebase').catch(async (error: unknown) => {
      // It had not even noted where it began, so it had not begun.
      const head = await readHead(git, repository, signal);
      if (head.branch !== move.from.branch || head.oid !== move.from.oid) throw error;
      for (const folder of ['rebase-merge', 'rebase-apply']) {
        await rm(join(repository.gitDir, folder), { recursive: true, force: true });
      }
      say('removed what a rebase had noted before it began');
    });
  }
  const head = await readHead(git, repository, signal);
  if (head.branch === move.from.branch && head.oid === move.from.oid) {
    // Files that only the other side has, and that the index had not heard of yet.
    await restore(deps, move.from.oid, move.to);
    return 'BEFORE';
  }
  return !isUnderWay && head.branch === move.branch ? 'AFTER' : 'ELSEWHERE';
}

async function abort(deps: SettleDeps, command: 'merge' | 'rebase'): Promise<void> {
  const { git, repository, signal, onOutput } = deps;
  await git.operate(repository, { signal, onOutput }, async (simple) => {
    await simple.raw([command, '--abort']);
  });
  deps.say(`aborted the ${command}`);
}

async function saveAll(deps: SettleDeps, move: Move): Promise<void> {
  const { git, repository, signal, savedRef, say } = deps;
  const status = await readStatus(git, repository, signal);
  const changes =
    move.from.oid === null
      ? []
      : await listTreeChanges(git, repository, move.from.oid, move.to, signal, {
          findRenames: false,
        });
  const untracked = (await findUntrackedInTheWay(repository.path, status, changes)).filter(
    ({ text }) => !text.endsWith('/'),
  );
  if (status.entries.length === 0 && untracked.length === 0) return;
  await saveSnapshot(
    git,
    repository,
    savedRef,
    {
      head: status.head,
      untracked,
      assumedUnchanged: await listAssumedUnchanged(git, repository, signal),
      commits: [],
      message: `saved by GitAgent when it found a ${move.kind} half done`,
    },
    signal,
  );
  say(`saved what was there as ${savedRef} (git show ${savedRef})`);
}

async function hasCommit({ git, repository, signal }: SettleDeps, commit: Oid): Promise<boolean> {
  const { exitCode } = await git.run(repository, ['cat-file', '-e', `${commit}^{commit}`], {
    intent: 'read',
    signal,
    exitCodes: [0, 1, 128],
  });
  return exitCode === 0;
}

/** Adds to a step what must be known to undo it. Three git children at most. @throws GitCommandError */
export async function describeMove(
  { git, repository, signal }: Pick<SettleDeps, 'git' | 'repository' | 'signal'>,
  {
    kind,
    to,
    branch,
  }: {
    readonly kind: Move['kind'];
    readonly to: Oid;
    readonly branch?: string | null;
  },
): Promise<Move> {
  const from = await readHead(git, repository, signal);
  const target = branch === undefined ? from.branch : branch;
  const name = `refs/heads/${target}`;
  const branchTip =
    target === null || target === from.branch
      ? from.oid
      : ((await findRefs(git, repository, [name], signal)).get(name)?.oid ?? null);
  return { kind, to, branch: target, from, branchTip };
}
