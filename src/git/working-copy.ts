import type { SimpleGit } from 'simple-git';
import type { BranchName } from './branch-name.ts';
import type { Git, OperateOptions } from './git.ts';
import type { MoveStep } from './move.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/**
 * The ways a working copy changes. Every argument is a constant, a branded name, an object id, or
 * comes from the repository's own configuration: nothing a request said can become an option.
 *
 * All of them throw GitCommandError. When the job is cancelled, a fetch and a rebase end at once;
 * what writes the working tree in one go ends by itself, for half of it would be neither state.
 */
export interface WorkingCopy {
  /** Brings the remote's refs as its refspecs say. Touches neither HEAD, index nor working tree. */
  fetch(remote: string): Promise<void>;
  /**
   * Brings what these refspecs say and nothing besides: no remote-tracking ref, tag or FETCH_HEAD is
   * written, no housekeeping done.
   */
  fetchAside(remote: string, refspecs: readonly string[]): Promise<void>;
  /** Detaches HEAD at a commit. */
  detach(commit: Oid): Promise<void>;
  /** As `detach`, but discards what is not committed. */
  forceDetach(commit: Oid): Promise<void>;
  /**
   * Makes `branch` the checked-out branch and `commit` its tip, in one transaction: when the working
   * tree cannot follow, the branch has not moved either. `upstream`, a full ref name, is set where it
   * is given.
   */
  switchTo(branch: BranchName, commit: Oid, upstream: string | null): Promise<void>;
  /** As `switchTo`, but discards what is not committed. */
  forceSwitchTo(branch: BranchName, commit: Oid, upstream: string | null): Promise<void>;
  /** Advances the checked-out branch; refuses when it has diverged. */
  fastForward(commit: Oid): Promise<void>;
  /** Merges into the checked-out branch. A conflict, or a hook's refusal, is undone and thrown. */
  merge(commit: Oid): Promise<void>;
  /** Puts the checked-out branch's own commits on top of another. A conflict is undone and thrown. */
  rebase(onto: Oid): Promise<void>;
  /** Makes checked-out branch, index and working tree the commit's. Discards what is not committed. */
  reset(commit: Oid): Promise<void>;
}

export interface WorkingCopyOptions extends OperateOptions {
  /** Called before HEAD, index and working tree are touched; what it throws keeps them as they are. */
  readonly onMove?: (step: MoveStep) => Promise<void>;
  /** Called when they are where they were to be, or, after a failed merge or rebase, back. */
  readonly onMoved?: () => void;
  /** How long a fetch may take, and a move. Default: as long as they take. */
  readonly fetchTimeoutMs?: number;
  readonly moveTimeoutMs?: number;
}

/**
 * How long a cancelled job waits for a move to end. What is slow in one is not git: a hook, which runs
 * when the move is done, or a filter that downloads.
 */
const MOVE_PATIENCE_MS = 20_000;

/** How long undoing a merge or rebase may take. */
const UNDO_MS = 120_000;

/** A commit, also where a branch is called like its id, which `git checkout` would prefer. */
function exactly(commit: Oid): string {
  return `${commit}^0`;
}

/** Binds the ways a working copy changes to one repository and one job's signal and output. */
export function openWorkingCopy(
  git: Git,
  repository: Repository,
  options: WorkingCopyOptions,
): WorkingCopy {
  const run = async (
    action: (simple: SimpleGit) => Promise<unknown>,
    more: Partial<OperateOptions> = {},
  ): Promise<void> => {
    await git.operate(repository, { ...options, ...more }, async (simple) => {
      await action(simple);
    });
  };
  const limit = options.moveTimeoutMs === undefined ? {} : { timeoutMs: options.moveTimeoutMs };
  const fetchLimit =
    options.fetchTimeoutMs === undefined ? {} : { timeoutMs: options.fetchTimeoutMs };
  const move = async (
    step: MoveStep,
    action: (simple: SimpleGit) => Promise<unknown>,
  ): Promise<void> => {
    await options.onMove?.(step);
    await run(action, { patienceMs: MOVE_PATIENCE_MS, ...limit });
    options.onMoved?.();
  };
  /** Must run also when the job was cancelled: it is what leaves no half-state. A hook may hang in it. */
  const undo = async (command: 'merge' | 'rebase'): Promise<void> => {
    const signal = AbortSignal.timeout(UNDO_MS);
    await run(async (simple) => await simple.raw([command, '--abort']), { signal });
  };
  const checkout = async (step: MoveStep, ...args: string[]): Promise<void> => {
    await move(step, async (simple) => await simple.checkout(['--progress', ...args, '--']));
  };
  const checkoutBranch = async (
    flag: '--force' | '--no-overwrite-ignore',
    branch: BranchName,
    commit: Oid,
    upstream: string | null,
  ): Promise<void> => {
    const kind = flag === '--force' ? 'force-switch' : 'switch';
    const step = { kind, to: commit, branch } as const;
    await checkout(step, flag, '--no-track', '-B', branch, exactly(commit));
    if (upstream === null) return;
    await run(
      async (simple) => await simple.raw(['branch', `--set-upstream-to=${upstream}`, branch]),
    );
  };
  return {
    fetch: async (remote) => {
      const flags = ['--progress', '--no-recurse-submodules', '--end-of-options'];
      await run(async (simple) => await simple.fetch([...flags, remote]), fetchLimit);
    },
    fetchAside: async (remote, refspecs) => {
      const flags = [
        '--no-write-fetch-head',
        '--refmap=',
        '--no-tags',
        '--no-prune',
        '--no-prune-tags',
      ];
      const quiet = ['--no-auto-maintenance', '--no-write-commit-graph', '--no-recurse-submodules'];
      await run(
        async (simple) =>
          await simple.fetch([...flags, ...quiet, '--end-of-options', remote, ...refspecs]),
      );
    },
    detach: async (commit) => {
      const step = { kind: 'detach', to: commit, branch: null } as const;
      await checkout(step, '--no-overwrite-ignore', '--detach', exactly(commit));
    },
    forceDetach: async (commit) => {
      const step = { kind: 'force-detach', to: commit, branch: null } as const;
      await checkout(step, '--force', '--detach', exactly(commit));
    },
    switchTo: async (branch, commit, upstream) => {
      await checkoutBranch('--no-overwrite-ignore', branch, commit, upstream);
    },
    forceSwitchTo: async (branch, commit, upstream) => {
      await checkoutBranch('--force', branch, commit, upstream);
    },
    fastForward: async (commit) => {
      const flags = ['--ff-only', '--no-squash', '--no-autostash', '--no-overwrite-ignore'];
      await move(
        { kind: 'fast-forward', to: commit },
        async (simple) => await simple.merge(['--progress', ...flags, commit]),
      );
    },
    merge: async (commit) => {
      // What merge.ff, merge.autoStash or branch.NAME.mergeOptions say is for people who look on.
      const flags = ['--no-edit', '--ff', '--commit', '--no-squash', '--no-autostash'];
      try {
        await move(
          { kind: 'merge', to: commit },
          async (simple) => await simple.merge(['--progress', ...flags, commit]),
        );
      } catch (error) {
        await undo('merge').catch(() => undefined);
        throw error;
      }
    },
    rebase: async (onto) => {
      const flags = ['--no-autostash', '--no-update-refs', '--no-fork-point'];
      try {
        await options.onMove?.({ kind: 'rebase', to: onto });
        await run(async (simple) => await simple.rebase([...flags, onto]), limit);
        options.onMoved?.();
      } catch (error) {
        await undo('rebase').catch(() => undefined);
        throw error;
      }
    },
    reset: async (commit) => {
      await move(
        { kind: 'reset', to: commit },
        async (simple) => await simple.reset(['--hard', commit, '--']),
      );
    },
  };
}
