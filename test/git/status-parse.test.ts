import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseRawDiff } from '../../src/git/diff.ts';
import { parseStatus } from '../../src/git/status.ts';

const OID = '1'.repeat(40);

function status(...records: (string | Buffer)[]): Buffer {
  return Buffer.concat(records.flatMap((record) => [Buffer.from(record), Buffer.from([0])]));
}

test('no output is a detached HEAD without a commit, and nothing changed', () => {
  const empty = { branch: null, head: null, upstream: null, entries: [], untracked: [] };
  assert.deepEqual(parseStatus(Buffer.alloc(0)), empty);
});

test('headers that a later git may add, and ignored files, are passed over', () => {
  const parsed = parseStatus(
    status(
      '# branch.oid (initial)',
      '# branch.head main',
      '# stash 3',
      '# what.ever',
      '! ignored',
      'z ?',
    ),
  );
  assert.equal(parsed.branch, 'main');
  assert.equal(parsed.head, null);
  assert.deepEqual(parsed.entries, []);
});

test('an upstream whose distance git did not count has none', () => {
  const upstream = { name: 'origin/x y', ahead: null, behind: null };
  assert.deepEqual(
    parseStatus(status('# branch.upstream origin/x y', '# branch.ab +? -?')).upstream,
    upstream,
  );
});

test('a path may look like a record, begin with spaces, and have newlines', () => {
  const name = ' 2 R. N... 100644\n# branch.head other\n? x ';
  const parsed = parseStatus(
    status(
      '# branch.head main',
      `1 .M N... 100644 100644 100644 ${OID} ${OID} ${name}`,
      `? ${name}`,
    ),
  );
  assert.equal(parsed.branch, 'main');
  assert.deepEqual(
    parsed.entries.map((entry) => entry.path.text),
    [name],
  );
  assert.deepEqual(parsed.untracked, [{ text: name }]);
});

test('a parsed path does not keep the whole output alive', () => {
  const name = Buffer.concat([Buffer.from('? '), Buffer.from([0xff])]);
  const big = Buffer.concat([status(name), status(`? ${'x'.repeat(1_000_000)}`)]);
  const [path] = parseStatus(big).untracked;
  assert.ok(path?.raw !== undefined && path.raw.buffer.byteLength < 100_000);
});

for (const [title, output] of [
  ['is cut off', Buffer.from('? a')],
  ['ends inside a rename', status(`2 R. N... 100644 100644 100644 ${OID} ${OID} R100 new`)],
  ['has too few fields', status('1 .M N...')],
  ['has a letter that we do not know', status(`1 .Q N... 100644 100644 100644 ${OID} ${OID} a`)],
] as const) {
  test(`output that ${title} is an error, not half an answer`, () => {
    assert.throws(() => parseStatus(output), /git status/);
  });
}

test('a raw diff tells letters, both paths of a rename, and submodules', () => {
  const output = status(
    `:000000 100644 ${OID} ${OID} A`, 'a b\n',
    `:100644 100755 ${OID} ${OID} R087`, 'old', Buffer.from([0xff]),
    `:160000 000000 ${OID} ${OID} D`, 'sub',
    `:100644 160000 ${OID} ${OID} T`, 'file',
  ); // prettier-ignore
  assert.deepEqual(parseRawDiff(output), [
    { letter: 'A', isSubmodule: false, path: { text: 'a b\n' } },
    {
      letter: 'R',
      isSubmodule: false,
      previousPath: { text: 'old' },
      path: { text: '\ufffd', raw: Buffer.from([0xff]) },
    },
    { letter: 'D', isSubmodule: true, path: { text: 'sub' } },
    { letter: 'T', isSubmodule: true, path: { text: 'file' } },
  ]);
  assert.throws(
    () => parseRawDiff(Buffer.from(`:000000 100644 ${OID} ${OID} A\0cut`)),
    /diff-tree/,
  );
});
