import type { BranchName } from './branch-name.ts';
import type { Git, OperateOptions } from './git.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

/**
 * The ways a working copy changes. Every argument is a constant, a branded name, an object id, or
 * comes from the repository's own configuration: nothing a request said can become an option.
 * All of them throw GitCommandError.
 */
export interface WorkingCopy {
  /** Brings the remote's refs as its refspecs say. Touches neither HEAD, index nor working tree. */
  fetch(remote: string): Promise<void>;
  /** Detaches HEAD at a commit. */
  detach(commit: Oid): Promise<void>;
  /** As `detach`, but discards what is not committed. */
  forceDetach(commit: Oid): Promise<void>;
  /**
   * Makes `branch` the checked-out branch and `commit` its tip, in one transaction: when the working
   * tree cannot follow, the branch has not moved either. `upstream` is set where it is given.
   */
  switchTo(branch: BranchName, commit: Oid, upstream: string | null): Promise<void>;
  /** Advances the checked-out branch; refuses when it has diverged. */
  fastForward(commit: Oid): Promise<void>;
  /** Merges into the checked-out branch. A conflict is undone and thrown. */
  merge(commit: Oid): Promise<void>;
  /** Puts the checked-out branch's own commits on top of another. A conflict is undone and thrown. */
  rebase(onto: Oid): Promise<void>;
  /** Makes checked-out branch, index and working tree the commit's. Discards what is not committed. */
  reset(commit: Oid): Promise<void>;
  /** As `switchTo`, but discards what is not committed. */
  forceSwitchTo(branch: BranchName, commit: Oid, upstream: string | null): Promise<void>;
}

/** A commit, also where a branch is called like its id, which `git checkout` would prefer. */
function exactly(commit: Oid): string {
  return `${commit}^0`;
}

/** Binds the ways a working copy changes to one repository and one job's signal and output. */
export function openWorkingCopy(
  git: Git,
  repository: Repository,
  options: OperateOptions,
): WorkingCopy {
  const operate: <T>(action: Parameters<typeof git.operate<T>>[2]) => Promise<T> = async (action) =>
    await git.operate(repository, options, action);
  /** `--abort` must run also when the job was cancelled: it is what leaves no half-state. */
  const undo = async (command: 'merge' | 'rebase'): Promise<void> => {
    const untilDone = { ...options, signal: new AbortController().signal };
    await git.operate(repository, untilDone, async (simple) => {
      await (command === 'merge' ? simple.merge(['--abort']) : simple.rebase(['--abort']));
    });
  };
  const checkout = async (
    flags: readonly string[],
    branch: BranchName,
    commit: Oid,
    upstream: string | null,
  ): Promise<void> => {
    await operate(async (simple) => {
      await simple.checkout([
        '--progress',
        ...flags,
        '--no-track',
        '-B',
        branch,
        exactly(commit),
        '--',
      ]);
    });
    if (upstream !== null) {
      await operate(async (simple) => {
        await simple.raw(['branch', `--set-upstream-to=${upstream}`, branch]);
      });
    }
  };
  return {
    fetch: async (remote) => {
      await operate(async (simple) => {
        await simple.fetch(['--progress', '--no-recurse-submodules', '--end-of-options', remote]);
      });
    },
    detach: async (commit) => {
      await operate(async (simple) => {
        await simple.checkout(['--progress', '--detach', exactly(commit), '--']);
      });
    },
    forceDetach: async (commit) => {
      await operate(async (simple) => {
        await simple.checkout(['--progress', '--force', '--detach', exactly(commit), '--']);
      });
    },
    switchTo: async (branch, commit, upstream) => {
      await checkout([], branch, commit, upstream);
    },
    forceSwitchTo: async (branch, commit, upstream) => {
      await checkout(['--force'], branch, commit, upstream);
    },
    fastForward: async (commit) => {
      await operate(async (simple) => {
        await simple.merge(['--progress', '--ff-only', commit]);
      });
    },
    merge: async (commit) => {
      try {
        await operate(async (simple) => {
          await simple.merge(['--progress', '--no-edit', commit]);
        });
      } catch (error) {
        await undo('merge').catch(() => undefined);
        throw error;
      }
    },
    rebase: async (onto) => {
      try {
        await operate(async (simple) => {
          await simple.rebase(['--no-autostash', onto]);
        });
      } catch (error) {
        await undo('rebase').catch(() => undefined);
        throw error;
      }
    },
    reset: async (commit) => {
      await operate(async (simple) => {
        await simple.reset(['--hard', commit, '--']);
      });
    },
  };
}
