/** What commits changed and where lines come from as the agent tells it, beside what git prints of it. */
import assert from 'node:assert/strict';
import { listPaths, raw, text, type Answer } from './git-answer.ts';
import { readBlame, readChanges, type Changes, type Pair } from './git-change.ts';
import { pick } from './odd-history.ts';
import { base64, byOid, draw, type Subject } from './subject.ts';

const PATCH = '{ text textRaw isTruncated }';
export const CHANGES = `{
  totalCount added deleted modified renamed additions deletions
  files {
    path pathRaw previousPath previousPathRaw status index workTree additions deletions isBinary
    patch(maxBytes: 1048576) ${PATCH} short: patch(maxBytes: 120) ${PATCH}
  }
  one: files(first: 1) { path }
}`;

/** Asserts that `ChangedFiles` say what `diff-tree` prints of each pair. */
export async function compareChangedFiles(
  dir: string,
  pairs: readonly Pair[],
  answers: readonly Answer[],
): Promise<void> {
  assert.equal(answers.length, pairs.length);
  for (const [n, expected] of (await readChanges(dir, pairs)).entries()) {
    compareOne(answers[n] ?? {}, expected, `${pairs[n]?.from ?? 'nothing'} ${pairs[n]?.to ?? ''}`);
  }
}

function compareOne(answer: Answer, expected: Changes, place: string): void {
  const { files, one, ...totals } = answer;
  assert.deepEqual(totals, expected.totals, place);
  const patches: string[] = [];
  const found = (files as Answer[]).map(({ patch, short, ...file }) => {
    const bytes = bytesOf(patch as Answer);
    patches.push(bytes);
    assert.ok(bytes.startsWith('diff --git '), place);
    assert.equal((patch as Answer)['isTruncated'], false, place);
    const isShort = bytes.length <= 120;
    const whole = isShort ? bytes : bytes.slice(0, bytes.lastIndexOf('\n', 119) + 1);
    assert.equal(bytesOf(short as Answer), whole, place);
    assert.equal((short as Answer)['isTruncated'], !isShort, place);
    return file;
  });
  assert.deepEqual(found, expected.files, place);
  assert.equal(patches.join(''), expected.patches, place);
  const [first] = found;
  assert.deepEqual(one, first === undefined ? [] : [{ path: first['path'] }], place);
}

function bytesOf({ text: shown, textRaw }: Answer): string {
  if (typeof textRaw !== 'string') return Buffer.from(String(shown)).toString('latin1');
  const bytes = Buffer.from(textRaw, 'base64').toString('latin1');
  assert.deepEqual([shown, textRaw], [text(bytes), raw(bytes)]);
  return bytes;
}

/** What commits changed, against each of their parents. */
export async function compareChanges(subject: Subject): Promise<void> {
  const { explorer, repo, random, commits, sample } = subject;
  const pairs: Pair[] = [];
  const answers: Answer[] = [];
  for (const to of new Set([...repo.landmarks, ...draw(sample, 1, random)])) {
    const parents = commits.get(to)?.parents ?? [];
    const found = parents.length === 0 ? [null] : parents.slice(0, 3);
    const fields = found.map((_, n) => `p${n}: changedFiles(parent: ${n + 1}) ${CHANGES}`);
    const [answer = {}] = await explorer.each(repo.name, [byOid(to)], `on Commit { ${fields.join(' ')} }`); // prettier-ignore
    answers.push(...(Object.values(answer) as Answer[]));
    pairs.push(...found.map((from) => ({ from, to })));
  }
  await compareChangedFiles(repo.oracle, pairs, answers);
}

interface Range extends Answer {
  readonly startingLine: number;
  readonly endingLine: number;
  readonly originalLine: number;
}

/** Where the lines of files come from, one of which had a name that is not UTF-8. */
export async function compareBlames(subject: Subject): Promise<void> {
  const { explorer, repo, random, objects } = subject;
  const commit = repo.octopus ?? pick(subject.sample, random);
  const files = (await listPaths(repo.oracle, commit)).flatMap(({ mode, oid, path }) => {
    const { length = 0 } = objects.get(oid)?.body ?? {};
    return mode.startsWith('100') && raw(path) === null && length < 10_000 ? [path] : [];
  });
  const paths = [...files.filter((path) => path === 'renamed.md'), ...draw(files, 1, random)];
  const fields = paths.map((path, n) => {
    const where = n === 0 ? `pathRaw: "${base64(path)}"` : `path: ${JSON.stringify(text(path))}`;
    return `b${n}: blame(${where}) { ranges { startingLine endingLine originalLine originalPath originalPathRaw commit { oid } } }`;
  });
  const [answer = {}] = await explorer.each(repo.name, [byOid(commit)], `on Commit { oid ${fields.join(' ')} }`); // prettier-ignore
  for (const [n, path] of paths.entries()) {
    const { ranges } = answer[`b${n}`] as { ranges: Range[] };
    const rows = ranges.flatMap(({ startingLine, endingLine, originalLine, ...rest }) =>
      Array.from({ length: endingLine - startingLine + 1 }, (_, k) => ({
        ...rest,
        line: startingLine + k,
        originalLine: originalLine + k,
      })),
    );
    assert.deepEqual(rows, await readBlame(repo.oracle, commit, path), `${commit} ${path}`);
  }
}
