import { requireScope } from '../auth/caller.ts';
import { readCommit } from '../git/commit-reader.ts';
import { isDirty, type StatusEntry } from '../git/status.ts';
import type { ServedRepository } from '../jobs/repositories.ts';
import type { Services } from '../schema/context.ts';
import { sendLegacyJson } from './respond.ts';
import type { Route } from './rest-route.ts';

/** `GET /repo` and `GET /repo/NAME`. */
export function statusRoutes({ objects, jobs, live, repositories }: Services): readonly Route[] {
  return [
    {
      method: 'GET',
      path: /^\/repo$/,
      answer({ request, response, caller }) {
        requireScope(caller, 'read');
        sendLegacyJson(
          request,
          response,
          repositories.list().map(({ name }) => name),
        );
      },
    },
    {
      method: 'GET',
      path: /^\/repo\/([^/]+)$/,
      async answer({ request, response, caller, params, signal }) {
        requireScope(caller, 'read');
        const served = repositories.get(params[0] ?? '');
        const status = await describeStatus(served, signal);
        sendLegacyJson(request, response, { ...status, busy: jobs.isBusy(served.name) });
      },
    },
  ];

  async function describeStatus(served: ServedRepository, signal: AbortSignal): Promise<object> {
    const { repository } = served;
    const { head, status } = await live.read(served.name, signal);
    const commit =
      head.oid === null ? null : await readCommit(objects, repository, head.oid, signal);
    return {
      author: commit?.author.name ?? null,
      branch: head.branch,
      changed_files: changedFiles(status?.entries ?? []),
      dirty: status !== null && isDirty(status),
      hash: head.oid,
      message: commit?.message ?? null,
      untracked_files: status?.untracked.map((path) => path.text) ?? [],
    };
  }
}

const LETTERS = ['A', 'D', 'M', 'R'] as const;
type Letter = (typeof LETTERS)[number];

/**
 * The index against the working tree, as the original compared them: staged changes are not here, `A` is
 * what `git add -N` announced, and a rename stands with the name it had before.
 */
function changedFiles(entries: readonly StatusEntry[]): Record<Letter, string[]> {
  const files: Record<Letter, string[]> = { A: [], D: [], M: [], R: [] };
  for (const entry of entries) {
    const letter = LETTERS.find((each) => each === letterOf(entry));
    const path = letter === 'R' ? (entry.previousPath ?? entry.path) : entry.path;
    if (letter !== undefined) files[letter].push(path.text);
  }
  return files;
}

/** Of an unmerged path, `git diff` compares our side with the file that has the conflict written into it. */
function letterOf(entry: StatusEntry): string | null {
  if (!entry.isUnmerged) return entry.workTree;
  return ['UU', 'AA'].includes(entry.index + entry.workTree) ? 'M' : null;
}
