import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import type { Repository } from './repository.ts';

/** An operation that somebody started and did not finish, as `git status` names them. */
export type Operation = 'MERGE' | 'REBASE' | 'APPLY_MAILBOX' | 'CHERRY_PICK' | 'REVERT' | 'BISECT';

/**
 * The files that git leaves in `$GIT_DIR` while an operation waits (wt-status.c,
 * `wt_status_get_state`), the ones that imply others first.
 */
const TRACES: readonly (readonly [file: string, operation: Operation])[] = [
  ['rebase-merge', 'REBASE'],
  ['rebase-apply/applying', 'APPLY_MAILBOX'],
  ['rebase-apply', 'REBASE'],
  ['MERGE_HEAD', 'MERGE'],
  ['CHERRY_PICK_HEAD', 'CHERRY_PICK'],
  ['REVERT_HEAD', 'REVERT'],
  ['BISECT_LOG', 'BISECT'],
];

/**
 * Which operation is in progress, null when none is. Starts no child. Of a rebase or cherry-pick within
 * a bisection it is the inner one.
 */
export async function readOperation(repository: Repository): Promise<Operation | null> {
  const found = await Promise.all(
    TRACES.map(
      async ([file]) => (await stat(join(repository.gitDir, file)).catch(() => null)) !== null,
    ),
  );
  const operation = TRACES.find((_trace, index) => found[index])?.[1] ?? null;
  if (operation !== null && operation !== 'BISECT') return operation;
  return (await readSeries(repository)) ?? operation;
}

/**
 * A cherry-pick or revert of several commits is not over when one of them was committed by hand, which
 * removes its trace: what is left to do is in the sequencer's list (sequencer.c, `sequencer_get_last_command`).
 */
async function readSeries(repository: Repository): Promise<Operation | null> {
  const todo = await readFile(join(repository.gitDir, 'sequencer/todo'), 'utf8').catch(() => '');
  const command = /^\s*(pick|p|revert)\s/.exec(todo)?.[1];
  if (command === undefined) return null;
  return command === 'revert' ? 'REVERT' : 'CHERRY_PICK';
}
