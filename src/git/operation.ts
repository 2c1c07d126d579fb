import { stat } from 'node:fs/promises';
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

/** Which operation is in progress, null when none is. Starts no child. */
export async function readOperation(repository: Repository): Promise<Operation | null> {
  const found = await Promise.all(
    TRACES.map(async ([file]) => (await stat(join(repository.gitDir, file)).catch(() => null)) !== null),
  );
  return TRACES.find((_trace, index) => found[index])?.[1] ?? null;
}
