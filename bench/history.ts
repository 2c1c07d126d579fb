/**
 * What exploring through GraphQL costs beside git itself:
 *
 *     node bench/history.ts [--repo PATH] [--seconds 30]
 *
 * Without a path a repository of 20,000 commits is made. It is only read.
 */
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { parseArgs, promisify } from 'node:util';
import { readProc, startAgent, type AgentProcess } from '../test/support/agent-process.ts';
import { putGitFirst } from '../test/support/fake-git.ts';
import { cloneRepository, createFixture, git, GIT_ENVIRONMENT, initRepository, runGit, writeCommit, type Fixture } from '../test/support/git-fixture.ts'; // prettier-ignore
import { median, printRows, type Row } from './support/row.ts';

const ROUNDS = 7;
const COMMITS = 1000;
const PAGE = 100;
const CLIENTS = 50;
const COPIES = 20;

const { values } = parseArgs({
  options: { repo: { type: 'string' }, seconds: { type: 'string', default: '30' } },
});

const HISTORY = `query ($repo: String!, $first: Int, $after: String, $firstParent: Boolean) { repo(name: $repo) { head {
  history(first: $first, after: $after, firstParent: $firstParent) {
    pageInfo { endCursor hasNextPage }
    nodes { oid message author { name email date } parents { nodes { oid } } } } } } }`;
const OVERVIEW = `{ repos(first: ${COPIES}) { nodes { name branch dirty untrackedFiles changedFiles { totalCount }
  head { oid message history(first: 10) { nodes { oid messageHeadline author { name } } } } } } }`;

interface Page {
  readonly nodes: readonly { readonly oid: string }[];
  readonly pageInfo: { readonly endCursor: string | null; readonly hasNextPage: boolean };
}

async function ask<T>(url: string, query: string, variables: object = {}): Promise<T> {
  const response = await fetch(`${url}/graphql`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body: JSON.stringify({ query, variables }),
  });
  const { data, errors } = (await response.json()) as { data: T; errors?: unknown };
  assert.equal(errors, undefined, JSON.stringify(errors));
  return data;
}

interface Place {
  readonly url: string;
  readonly repo: string;
}

async function readPage(
  { url, repo: name }: Place,
  after: string | null,
  firstParent = false,
): Promise<Page> {
  const variables = { repo: name, first: PAGE, after, firstParent };
  const { repo } = await ask<{ repo: { head: { history: Page } } }>(url, HISTORY, variables);
  return repo.head.history;
}

async function readPages(place: Place, commits: number): Promise<{ ids: string[]; pages: number }> {
  const ids: string[] = [];
  let after: string | null = null;
  for (let pages = 1; ; pages++) {
    const page: Page = await readPage(place, after);
    ids.push(...page.nodes.map(({ oid }) => oid));
    if (!page.pageInfo.hasNextPage || ids.length >= commits) return { ids, pages };
    after = page.pageInfo.endCursor;
  }
}

async function time(work: () => Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work();
  return performance.now() - start;
}

async function makeLong(fixture: Fixture): Promise<string> {
  const dir = await initRepository(fixture.path('long.git'), { bare: true });
  const parts: string[] = [];
  for (let n = 1; n <= 20_000; n++) {
    const message = `Change ${n}\n\nBecause it had to be.\n`;
    const merge = n > 60 && n % 7 === 0 ? `merge :${n - 30}\n` : '';
    parts.push(`commit refs/heads/main\nmark :${n}\ncommitter Ada <ada@example.com> ${1_500_000_000 + n * 60} +0000\ndata ${message.length}\n${message}${merge}M 100644 inline d${n % 40}/f${n % 1000}\ndata ${String(n).length}\n${n}\n`); // prettier-ignore
  }
  await runGit(dir, ['fast-import', '--quiet'], { input: parts.join('') });
  return dir;
}

/** The agent's greatest memory so far, in megabytes. */
function peakMb({ pid }: AgentProcess): number {
  return Number(/VmHWM:\s+(\d+) kB/.exec(readProc(`/proc/${pid}/status`))?.[1]) / 1024;
}

const maintenance = { commit_graph: false };

async function measureHistory(fixture: Fixture, path: string): Promise<Row[]> {
  // The same objects in repositories of their own: of each the agent knows nothing before it is asked.
  const repo: Record<string, { repo_path: string }> = { site: { repo_path: path } };
  for (let n = 0; n <= ROUNDS; n++) {
    repo[`new-${n}`] = { repo_path: await cloneRepository(path, fixture.path(`new-${n}`), '--bare') }; // prettier-ignore
  }
  // The same facts, and what separates them.
  const format = '--format=%H%x00%P%x00%an%x00%ae%x00%at%x00%B%x00';
  const log = async (): Promise<string> =>
    (await promisify(execFile)('git', ['log', `-${COMMITS}`, format], { cwd: path, env: { ...GIT_ENVIRONMENT }, maxBuffer: 2 ** 28 })).stdout; // prettier-ignore
  const byGit: number[] = [];
  const byNewPages: number[] = [];
  const byPages: number[] = [];
  {
    const file = fixture.path('children');
    const PATH = await putGitFirst(fixture.path('bin'), `echo "$1" >> '${file}'`, 'exec "$REAL_GIT" "$@"'); // prettier-ignore
    await using agent = await startAgent({ config: { repo, maintenance }, env: { PATH } });
    await writeFile(file, '');
    const { ids, pages } = await readPages({ url: agent.url, repo: 'site' }, COMMITS);
    const expected = (await git(path, 'rev-list', `--max-count=${ids.length}`, 'HEAD')).split('\n');
    assert.deepEqual(ids, expected);
    const children = (await readFile(file, 'utf8')).split('\n').filter((line) => line === 'rev-list'); // prettier-ignore
    console.log(`  ${children.length} git children for ${pages} pages of history`);
    assert.ok(children.length <= pages, 'one git child at most for each page');
  }
  await using agent = await startAgent({ config: { repo, maintenance } });
  const { url } = agent;
  const site = { url, repo: 'site' };
  for (let round = 0; round <= ROUNDS; round++) {
    const one = await time(log);
    const first = await time(async () => await readPages({ url, repo: `new-${round}` }, COMMITS));
    const again = await time(async () => await readPages({ url, repo: `new-${round}` }, COMMITS));
    if (round === 0) continue; // The programs are loaded.
    byGit.push(one);
    byNewPages.push(first);
    byPages.push(again);
  }
  const firstPage = [];
  const deepPage = [];
  let after: string | null = null;
  let depth = 0;
  const end = performance.now() + Number(values.seconds) * 500;
  for (;;) {
    const page: Page = await readPage(site, after, true);
    if (!page.pageInfo.hasNextPage || performance.now() > end) break;
    depth += page.nodes.length;
    after = page.pageInfo.endCursor;
  }
  for (let round = 0; round < ROUNDS; round++) {
    firstPage.push(await time(async () => await readPage(site, null, true)));
    deepPage.push(await time(async () => await readPage(site, after, true)));
  }
  const what = `${COMMITS} commits in pages of ${PAGE}`;
  const against = { what: `git log -${COMMITS}, wanted 3x`, value: median(byGit) };
  return [
    { what: `${what}, for the first time`, value: median(byNewPages), unit: 'ms', against },
    { what: `${what}, again`, value: median(byPages), unit: 'ms', against },
    {
      what: `a page ${depth} first-parent commits back`,
      value: median(deepPage),
      unit: 'ms',
      against: { what: 'the first page', value: median(firstPage) },
    },
  ];
}

async function measureMemory(path: string): Promise<Row[]> {
  await using agent = await startAgent({ config: { repo: { site: { repo_path: path } }, maintenance } }); // prettier-ignore
  const end = performance.now() + Number(values.seconds) * 1000;
  let commits = 0;
  let finished = 0;
  const client = async (): Promise<void> => {
    let after: string | null = null;
    while (performance.now() < end) {
      const page: Page = await readPage({ url: agent.url, repo: 'site' }, after, true);
      commits += page.nodes.length;
      after = page.pageInfo.endCursor;
      if (page.pageInfo.hasNextPage) continue;
      finished++;
      return;
    }
  };
  await Promise.all(Array.from({ length: CLIENTS }, client));
  console.log(`  ${CLIENTS} clients read ${commits} commits; ${finished} came to the end in ${values.seconds} s`); // prettier-ignore
  return [
    {
      what: `memory (VmHWM) while ${CLIENTS} clients page`,
      value: peakMb(agent),
      unit: 'MB',
      against: { what: 'what is allowed', value: 250 },
    },
  ];
}

async function makeOrigin(fixture: Fixture, name: string, count: number): Promise<string> {
  const origin = await initRepository(fixture.path(name), { bare: true });
  const files = Object.fromEntries(Array.from({ length: count }, (_, n) => [`d${n % 200}/f${n}`, `${n}\n`])); // prettier-ignore
  await writeCommit(origin, { files });
  for (let n = 0; n < 20; n++) await writeCommit(origin, { files: { a: `${n}\n` }, message: `${n}\n` }); // prettier-ignore
  return origin;
}

/** One large repository among small ones, as they lie on a machine. */
async function measureOverview(fixture: Fixture): Promise<Row[]> {
  const large = await makeOrigin(fixture, 'large.git', 40_000);
  const small = await makeOrigin(fixture, 'small.git', 100);
  const repo: Record<string, { repo_path: string }> = {};
  for (let n = 0; n < COPIES; n++) {
    const copy = await cloneRepository(n === 0 ? large : small, fixture.path(`copy-${n}`));
    await writeFile(`${copy}/a`, 'changed\n');
    repo[`copy-${n}`] = { repo_path: copy };
  }
  await using agent = await startAgent({ config: { repo, maintenance } });
  // Loads the programs, and has nothing to do with these repositories.
  await ask(agent.url, '{ repos { nodes { name } } }');
  const first = await time(async () => await ask(agent.url, OVERVIEW));
  const changed: number[] = [];
  const again: number[] = [];
  const slowest: number[] = [];
  const all: number[] = [];
  for (let round = 0; round <= ROUNDS; round++) {
    for (const { repo_path: dir } of Object.values(repo)) await writeFile(`${dir}/a`, `round ${round}\n`); // prettier-ignore
    const stale = await time(async () => await ask(agent.url, OVERVIEW));
    const asked = await time(async () => await ask(agent.url, OVERVIEW));
    const alone: number[] = [];
    for (const { repo_path: dir } of Object.values(repo)) {
      alone.push(await time(async () => await runGit(dir, ['status', '--porcelain=v2', '--branch', '-uall']))); // prettier-ignore
    }
    if (round === 0) continue; // Watching begins.
    changed.push(stale);
    again.push(asked);
    slowest.push(Math.max(...alone));
    all.push(alone.reduce((sum, each) => sum + each, 0));
  }
  const what = `${COPIES} repositories: status, head, 10 commits`;
  const statuses = { what: 'all git status one after the other', value: median(all) };
  const status = { what: 'the slowest git status, wanted 1.3x', value: median(slowest) };
  return [
    { what: `${what}, for the first time`, value: first, unit: 'ms', against: statuses },
    { what: `${what}, each changed`, value: median(changed), unit: 'ms', against: statuses },
    { what: `${what}, again`, value: median(again), unit: 'ms', against: status },
  ];
}

await using fixture = await createFixture();
const path = values.repo ?? process.env['BENCH_REPO'] ?? (await makeLong(fixture));
const count = await git(path, 'rev-list', '--count', 'HEAD');
console.log(`  ${values.repo ?? 'a generated repository'}: ${count} commits`);
printRows(await measureHistory(fixture, path));
printRows(await measureOverview(fixture));
printRows(await measureMemory(path));
