/** Changed files of a working copy as the agent tells them, beside what `git status` prints of them. */
import assert from 'node:assert/strict';
import { raw, text, type Answer } from './git-answer.ts';
import { printed } from './git-batch.ts';
import { STATUSES, totalsOf } from './git-change.ts';
import type { Subject } from './subject.ts';

const CHANGES = `{
  totalCount added deleted modified renamed additions deletions
  files { path pathRaw previousPath previousPathRaw status index workTree additions deletions isBinary patch { text } }
}`;

export async function compareStatus({ explorer, repo }: Subject): Promise<void> {
  const fields = (await printed(repo.oracle, ['status', '--porcelain', '-z'])).split('\0').values();
  const expected: Answer[] = [];
  for (const field of fields) {
    const [index = '', workTree = ''] = field;
    if (field === '' || index === '?') continue;
    const previous = index === 'R' ? (fields.next().value ?? '') : null;
    const path = field.slice(3);
    expected.push({
      path: text(path),
      pathRaw: raw(path),
      previousPath: previous === null ? null : text(previous),
      previousPathRaw: previous === null ? null : raw(previous),
      status: STATUSES[workTree === 'D' || index === ' ' ? workTree : index],
      index: STATUSES[index] ?? null,
      workTree: STATUSES[workTree] ?? null,
      additions: null,
      deletions: null,
      isBinary: null,
      patch: null,
    });
  }
  const answer = await explorer.repo(repo.name, `changedFiles ${CHANGES}`);
  const totals = { ...totalsOf(expected), additions: null, deletions: null };
  assert.deepEqual(answer, { changedFiles: { ...totals, files: expected } });
}
