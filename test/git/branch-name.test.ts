import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { parseBranchName } from '../../src/git/branch-name.ts';
import { GIT_ENVIRONMENT } from '../support/git-fixture.ts';

function isAccepted(name: string): boolean {
  try {
    parseBranchName(name);
    return true;
  } catch (error) {
    assert.equal((error as { code?: unknown }).code, 'BAD_USER_INPUT');
    return false;
  }
}

const REFUSED = [
  '', '-', '-h', '--upload-pack=touch x', '--help', '@', 'HEAD', '@{u}', '@{-1}', 'a@{0}', 'main@{upstream}',
  'a..b', '..', '.', '.a', 'a/.b', 'a.', 'a.lock', 'a.lock/b', 'a/', '/a', 'a//b', '/', 'a b', ' ', 'a ', '\ta',
  'a\nb', 'a\n', 'a\0', '\0', 'a\u007f', '\u001b[31m', 'a~1', 'a^', 'a:b', 'a?', 'a*', 'a[b', 'a\\b', 'refs/heads/',
  '\ud800', 'a\udfff', 'x'.repeat(251), 'a/'.repeat(5000) + 'a', 'ü'.repeat(126), 'a'.repeat(10_000), '../../etc/passwd',
  ':(top)', '+main:main',
]; // prettier-ignore
const ACCEPTED = [
  'main', 'feature/ü', '(x)', '(detached)', '分支', '🚀', 'a.b', 'a-', 'a/-b', 'refs/heads/main', 'a@b', '@a', 'a@',
  '{}', 'a}', "it's", '"', '$(touch', '`id`', '&&', '|', ';', '<>', '!', '#1', '100%', 'a=b', 'lock', 'alock', 'a.lockx',
  'head', 'HEAD/a', 'FETCH_HEAD', 'x'.repeat(250), '\u00a0', '\u2028', 'e\u0301', '1'.repeat(40),
]; // prettier-ignore

for (const name of REFUSED) {
  test(`${JSON.stringify(name.slice(0, 40))} is refused`, () => {
    assert.equal(isAccepted(name), false);
  });
}

test('the odd names that git accepts are accepted, and what comes out is what went in', () => {
  for (const name of ACCEPTED) assert.equal(parseBranchName(name), name);
});

test('a refusal names the rule and shows no more than the beginning', () => {
  assert.throws(() => parseBranchName('a..b'), {
    message: '"a..b" is not a branch name: it contains ".."',
  });
  assert.throws(
    () => parseBranchName('x'.repeat(10_000)),
    (error) => String(error).length < 250,
  );
  assert.throws(
    () => parseBranchName('a\u001b[2Jb\n'),
    (error) => !String(error).includes('\u001b'),
  );
});

test('git agrees on a thousand names', async () => {
  const generated = [...generateNames(1000)];
  const known = [...ACCEPTED, ...REFUSED].filter(
    (name) => name.isWellFormed() && Buffer.byteLength(name) < 250 && !/[\0\n]/.test(name),
  );
  // git takes `@` for a branch here, and for HEAD everywhere else.
  const names = [...new Set([...generated, ...known])].filter((name) => name !== '@');
  const half = Math.ceil(names.length / 2);
  const answers = await Promise.all([askGit(names.slice(0, half)), askGit(names.slice(half))]);
  const wrong = names.filter((name, index) => isAccepted(name) !== answers.flat()[index]);
  assert.deepEqual(wrong, []);
  const accepted = answers.flat().filter(Boolean).length;
  assert.ok(accepted > 150 && accepted < names.length - 150, `${accepted} of ${names.length}`);
});

/** The same names every time. */
function* generateNames(count: number): Generator<string> {
  const parts = [
    'a', 'b', 'main', '0', '.', '/', '@', '{', '}', '-', '~', '^', ':', '?', '*', '[', ']', '\\', ' ', '.lock', 'HEAD', 'refs',
    'ü', '日', '🚀', '\u007f', '\u0001', '\t', '\r', '(', ')', '%', '#', '&', '"', "'", '<', '$', '`', '!', '+', '=', ',', 'x', 'y', 'z',
  ]; // prettier-ignore
  let state = 42;
  const next = (below: number): number => {
    state = (state * 48_271) % 0x7fffffff;
    return state % below;
  };
  for (let made = 0; made < count; made++) {
    yield Array.from({ length: 1 + next(4) }, () => parts[next(parts.length)]).join('');
  }
}

/** One shell that asks `git check-ref-format --branch` about each line. */
async function askGit(names: readonly string[]): Promise<boolean[]> {
  const script =
    'while IFS= read -r name; do if git check-ref-format --branch "$name" >/dev/null 2>&1; then echo yes; else echo no; fi; done';
  const options = { env: { ...GIT_ENVIRONMENT }, cwd: '/' };
  const shell = promisify(execFile)('/bin/sh', ['-c', script], options);
  shell.child.stdin?.end(names.map((name) => `${name}\n`).join(''));
  const lines = (await shell).stdout.split('\n').slice(0, -1);
  return lines.map((line) => line === 'yes');
}
