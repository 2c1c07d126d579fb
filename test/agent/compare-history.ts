/** Histories and comparisons as the agent tells them, beside what git prints of them. */
import assert from 'node:assert/strict';
import { CHANGES, compareChangedFiles } from './compare-changes.ts';
import { COMMIT } from './compare-objects.ts';
import { listPaths, raw, text, type Answer } from './git-answer.ts';
import { lines, printedEach } from './git-batch.ts';
import type { Pair } from './git-change.ts';
import { pick } from './odd-history.ts';
import { page, readPages, type Page } from './pages.ts';
import { base64, draw, type Subject } from './subject.ts';

/** A filter as GraphQL's arguments, and as options of git. */
interface Filter {
  readonly args: readonly string[];
  readonly flags: readonly string[];
  readonly path?: string;
}

/** Every filter alone, and two with several at random. */
async function drawFilters(subject: Subject, start: string): Promise<Filter[]> {
  const { repo, random, commits } = subject;
  const seconds = (): number => {
    const { committer } = pick([...commits.values()], random).answer;
    return new Date(String((committer as Answer)['date'])).getTime() / 1000;
  };
  const [since, until] = [seconds(), seconds()];
  const moment = (at: number): string => `"${new Date(at * 1000).toISOString()}"`;
  const firstParent = { args: ['firstParent: true'], flags: ['--first-parent'] };
  const young = { args: [`since: ${moment(since)}`], flags: [`--max-age=${since}`] };
  const old = { args: [`until: ${moment(until)}`], flags: [`--min-age=${until}`] };
  const author = {
    args: ['author: { emails: ["zoe@EXAMPLE.com", "x.ample@y"] }'],
    flags: ['--regexp-ignore-case', '--fixed-strings', '--author=<zoe@example.com>', '--author=<x.ample@y>'],
  }; // prettier-ignore
  const both = ({ args, flags }: Filter, other: Filter): Filter => ({ ...other, args: [...args, ...other.args], flags: [...flags, ...other.flags] }); // prettier-ignore
  const paths = (await listPaths(repo.oracle, start)).map(({ path }) => path);
  const place = (path: string): Filter => ({
    args: [raw(path) === null ? `path: ${JSON.stringify(text(path))}` : `pathRaw: "${base64(path)}"`], // prettier-ignore
    flags: [],
    path,
  });
  const some = place(pick(['lib', ...paths.filter((path) => raw(path) === null)], random));
  const latin = place(pick(['caf\xe9', 'lib/caf\xe9'], random));
  const single = [firstParent, young, old, author];
  const mixed = [both(pick(single, random), some), both(both(young, author), latin)];
  return repo.isShallow ? [pick([...single, some, latin], random)] : [...single, some, latin, pick(mixed, random)]; // prettier-ignore
}

/** Histories by all that can be asked of them, each alone and several together. */
export async function compareHistories(subject: Subject): Promise<void> {
  const { explorer, repo, commits } = subject;
  const [head = ''] = await lines(repo.oracle, ['rev-parse', 'HEAD']);
  const filters: Filter[] = [{ args: [], flags: [] }, ...(await drawFilters(subject, head))];
  const commands = filters.map(({ flags, path }) => ['rev-list', ...flags, head, ...(path === undefined ? [] : ['--', path])]); // prettier-ignore
  const printed = await printedEach(repo.oracle, commands);
  for (const [n, { args }] of filters.entries()) {
    // The third page of a plain history comes with the second one. Of the filters the last one is paged.
    const first = args.length === 0 ? 4 : n === filters.length - 1 ? 10 : 100;
    const found = await readPages(async (more) => {
      const history = `history(${[...args, more].join(' ')}) ${page('{ oid }')}`;
      const answer = await explorer.repo(repo.name, `head { ${history} }`);
      return (answer['head'] as { history: Page }).history;
    }, first);
    const expected = printed[n]?.split('\n').slice(0, -1) ?? [];
    const place = `${head} ${args.join(' ')}`;
    assert.deepEqual(found.nodes.map(({ oid }) => oid), expected.slice(0, 3 * first), place); // prettier-ignore
    assert.equal(found.hasMore, expected.length > 3 * first, place);
  }
  // What a walk has read of its commits is what is read of each alone.
  const whole = await explorer.repo(repo.name, `head { history(first: 60) { nodes ${COMMIT} } }`);
  const { nodes } = (whole['head'] as { history: { nodes: Answer[] } }).history;
  for (const node of nodes) assert.deepEqual(node, commits.get(String(node['oid']))?.answer);
}

const STATUSES = [
  ['IDENTICAL', 'BEHIND'],
  ['AHEAD', 'DIVERGED'],
];

/** Commits that lie side by side, an early one and HEAD, one and itself, and others at random. */
export async function compareComparisons(subject: Subject): Promise<void> {
  const { explorer, repo, random, commits, sample } = subject;
  const all = [...commits.keys()];
  const [head = ''] = await lines(repo.oracle, ['rev-parse', 'HEAD']);
  const sides = commits.get(repo.octopus ?? '')?.parents.slice(1) ?? [];
  const drawn = draw([...all.slice(-9), ...sample], 2, random);
  const asked = repo.isShallow
    ? [drawn]
    : [[pick(repo.landmarks, random), head], random(2) === 0 ? sides : drawn];
  const pairs: Pair[] = [];
  const changes: Answer[] = [];
  for (const [base = '', head = ''] of asked) {
    const place = `${base} ${head}`;
    const compare = `compare(base: "${base}", head: "${head}")`;
    const answer = await explorer.repo(
      repo.name,
      `${compare} {
        baseTarget { oid } headTarget { oid } aheadBy behindBy status mergeBase { oid }
        changedFiles ${CHANGES} commits(first: 5) ${page('{ oid }')}
      }`,
    );
    const { changedFiles, commits, ...found } = answer['compare'] as Answer;
    const [counts = '', merged = '', log = ''] = await printedEach(repo.oracle, [
      ['rev-list', '--left-right', '--count', `${base}...${head}`],
      ['merge-base', base, head],
      ['log', '--format=%H', `${base}..${head}`],
    ]);
    const between = log.split('\n').slice(0, -1);
    const [behindBy = 0, aheadBy = 0] = counts.split('\t').map(Number);
    const mergeBase = merged.trim();
    const expected = {
      baseTarget: { oid: base },
      headTarget: { oid: head },
      aheadBy,
      behindBy,
      status: STATUSES[Math.min(1, aheadBy)]?.[Math.min(1, behindBy)],
      mergeBase: mergeBase === '' ? null : { oid: mergeBase },
    };
    assert.deepEqual(found, expected, place);
    pairs.push({ from: mergeBase === '' ? base : mergeBase, to: head });
    changes.push(changedFiles as Answer);
    const pages = await readPages(async (more) => {
      if (!more.includes('after')) return commits as Page;
      const part = await explorer.repo(repo.name, `${compare} { commits(${more}) ${page('{ oid }')} }`); // prettier-ignore
      return (part['compare'] as { commits: Page }).commits;
    }, 5);
    assert.deepEqual(pages.nodes.map(({ oid }) => oid), between.slice(0, 15), place); // prettier-ignore
  }
  await compareChangedFiles(repo.oracle, pairs, changes);
  const same = await explorer.repo(repo.name, 'compare(base: "HEAD", head: "HEAD^0") { status }');
  assert.deepEqual(same, { compare: { status: 'IDENTICAL' } });
}
