import type { Command } from 'commander';
import {
  repoDocument,
  reposDocument,
  type RepoStatusFragment,
  type ReposQuery,
} from './client/index.ts';
import { runClientCommand, type Session } from './cli-connection.ts';
import { formatTable, paint, visible, type Cell, type Colour } from './cli-terminal.ts';
import { AppError } from './error.ts';

export function addStatusCommand(program: Command): void {
  program
    .command('status')
    .description('what `git status` would say of each repository')
    .argument('[repo...]', 'names of repositories; all when left out')
    .action(async (names: string[], _options, command: Command) => {
      await runClientCommand(command, async (session) => {
        const repos = names.length === 0 ? await readAll(session) : await readSome(session, names);
        if (session.isJson) await session.printJson(repos);
        else await session.print(formatStatus(session, repos, names.length === 1));
        return 0;
      });
    });
}

const PAGE = 20;

async function readAll({ client }: Session): Promise<RepoStatusFragment[]> {
  const all: RepoStatusFragment[] = [];
  for (let after: string | null = null; ;) {
    const data: ReposQuery = await client.query(reposDocument, { first: PAGE, after });
    const { repos } = data;
    all.push(...repos.nodes);
    if (!repos.pageInfo.hasNextPage) return all;
    after = repos.pageInfo.endCursor;
  }
}

async function readSome(
  { client }: Session,
  names: readonly string[],
): Promise<RepoStatusFragment[]> {
  return await Promise.all(
    names.map(async (name) => {
      const { repo } = await client.query(repoDocument, { name });
      if (repo !== null) return repo;
      throw new AppError(
        'NOT_FOUND',
        `there is no repository ${JSON.stringify(name)}; "gitagent status" lists all`,
      );
    }),
  );
}

function formatStatus(
  { out }: Session,
  repos: readonly RepoStatusFragment[],
  isDetailed: boolean,
): string {
  const table = formatTable(repos.map(rowOf), out);
  const [repo] = repos;
  if (!isDetailed || repo === undefined) return table;
  const files = repo.changedFiles.files.map(
    ({ status, path, previousPath }) =>
      `  ${paint(out, 'yellow', status.toLowerCase().padEnd(9))} ${previousPath === null ? '' : `${visible(previousPath)} -> `}${visible(path)}\n`,
  );
  const untracked = repo.untrackedFiles.map(
    (path) => `  ${paint(out, 'red', 'untracked')} ${visible(path)}\n`,
  );
  return [table, ...files, ...untracked].join('');
}

function rowOf(repo: RepoStatusFragment): Cell[] {
  const { head, upstream } = repo;
  const [state, colour] = stateOf(repo);
  return [
    { text: visible(repo.name) },
    { text: head === null ? '-' : head.oid.slice(0, 7), colour: 'dim' },
    { text: visible(repo.branch ?? '(detached)') },
    { text: upstream === null ? '-' : `+${upstream.ahead ?? '?'} -${upstream.behind ?? '?'}` },
    { text: state, colour },
    { text: visible(head?.message.split('\n', 1)[0] ?? '') },
  ];
}

function stateOf(repo: RepoStatusFragment): [text: string, colour: Colour] {
  const changed = repo.changedFiles.totalCount;
  const untracked = repo.untrackedFiles.length;
  const facts = [
    repo.busy && 'busy',
    repo.operation !== null && `${repo.operation.toLowerCase().replaceAll('_', '-')} in progress`,
    changed > 0 && `${changed} changed`,
    untracked > 0 && `${untracked} untracked`,
  ].filter((fact) => fact !== false);
  if (facts.length === 0) return [repo.bare ? 'bare' : 'clean', 'green'];
  return [facts.join(', '), repo.busy ? 'cyan' : 'yellow'];
}
