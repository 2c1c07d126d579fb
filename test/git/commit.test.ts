import assert from 'node:assert/strict';
import { after, before, suite, test } from 'node:test';
import { parseActor } from '../../src/git/actor.ts';
import { messageBody, messageHeadline } from '../../src/git/commit-message.ts';
import { type Commit, parseCommit } from '../../src/git/commit.ts';
import { type Oid, oid } from '../../src/git/oid.ts';
import { createScratchRepository, type ScratchRepository } from './scratch-repository.ts';

const ADA = 'Ada <ada@example.com> 1700000000 +0100';
const SIGNATURE =
  ' -----BEGIN PGP SIGNATURE-----\n \n iQEz\n parent of nothing\n -----END PGP SIGNATURE-----';

for (const format of ['sha1', 'sha256'] as const) {
  suite(`a ${format} commit is read as git log reads it:`, () => {
    let repository: ScratchRepository;
    let tree: string;
    before(async () => {
      repository = await createScratchRepository({ format });
      tree = repository.git(['mktree']).toString().trim();
    });
    after(() => repository[Symbol.asyncDispose]());

    /** Writes a commit as it stands, right or wrong, compares its parse with git's and gives it. */
    function check(
      headers: readonly string[],
      message: string,
      charset: BufferEncoding = 'utf8',
    ): Commit {
      const body = Buffer.from([`tree ${tree}`, ...headers, '', message].join('\n'), charset);
      return checkWritten(oid(writeCommit(repository, body)));
    }

    function checkWritten(id: Oid): Commit {
      const commit = parseCommit(id, repository.git(['cat-file', 'commit', id]));
      const printed = repository.git([
        'log',
        '-1',
        '--encoding=UTF-8',
        '--date=raw',
        `--format=${FORMAT}`,
        id,
      ]);
      const expected = printed.toString().split('\0').slice(0, FIELDS.length);
      const actual = [
        commit.treeOid,
        commit.parentOids.join(' '),
        commit.author.name,
        commit.author.email,
        formatDate(commit.author.date),
        commit.author.date ? `${formatDate(commit.author.date)} ${commit.author.timezone}` : '',
        commit.committer.name,
        commit.committer.email,
        formatDate(commit.committer.date),
        messageHeadline(commit.message),
        messageBody(commit.message),
        commit.message,
        commit.encoding ?? '',
      ];
      // messageBody is without the newline at the end.
      const body = FIELDS.indexOf('%b');
      expected[body] = expected[body]?.trimEnd() ?? '';
      assert.deepEqual(
        actual.map((value, i) => [FIELDS[i], value]),
        expected.map((value, i) => [FIELDS[i], value]),
      );
      return commit;
    }

    test('one made by git, without and with parents', () => {
      const root = oid(repository.git(['commit-tree', '-m', 'the first', tree]).toString().trim());
      const next = repository.git([
        'commit-tree',
        '-p',
        root,
        '-m',
        'the second',
        '-m',
        'With a body.',
        tree,
      ]);
      const parents = ['-p', root, '-p', next.toString().trim()];
      const merge = repository.git(
        ['commit-tree', ...parents, '-F', '-', tree],
        'a merge\nof two\n\nbody\n\nmore\n\n',
      );
      assert.deepEqual(checkWritten(root).parentOids, []);
      const commit = checkWritten(oid(merge.toString().trim()));
      assert.equal(commit.parentOids.length, 2);
      assert.equal(messageHeadline(commit.message), 'a merge of two');
      assert.equal(commit.author.date?.toISOString(), '2023-11-14T22:13:20.000Z');
      assert.equal(commit.author.timezone, '+0100');
      assert.deepEqual([commit.encoding, commit.messageRaw, commit.signed], [null, null, false]);
    });

    test('signed, with other headers of several lines', () => {
      const mergetag = `mergetag object ${tree}\n type commit\n tag v1\n tagger ${ADA}\n \n author Eve <eve@example.com>`;
      for (const name of ['gpgsig', 'gpgsig-sha256']) {
        const commit = check(
          [`author ${ADA}`, `committer ${ADA}`, mergetag, `${name}${SIGNATURE}`],
          'subject\n',
        );
        assert.equal(commit.signed, true);
        assert.equal(commit.author.name, 'Ada');
      }
      assert.equal(
        check([`author ${ADA}`, `committer ${ADA}`, mergetag], `gpgsig ${SIGNATURE}\n`).signed,
        false,
      );
    });

    test('names and messages in UTF-8, in ISO-8859-1, in other encodings', () => {
      check(
        ['author Zoë 張 <zoë@example.com> 1 +0000', `committer ${ADA}`],
        '\u{FEFF}größer — 大きい 🎉\n\nJa.\n',
      );
      const latin = ['author Zo\xeb <zo\xeb@example.com> 1 +0000', `committer ${ADA}`];
      for (const label of ['ISO-8859-1', 'iso8859-1', 'latin1']) {
        const commit = check(
          [...latin, `encoding ${label}`],
          'gr\xf6\xdfer, \x80 and \x9f\n',
          'latin1',
        );
        assert.equal(commit.author.name, 'Zoë');
        assert.equal(commit.message, 'größer, \u0080 and \u009f\n');
        assert.deepEqual(commit.messageRaw, Buffer.from('gr\xf6\xdfer, \x80 and \x9f\n', 'latin1'));
      }
      for (const [label, bytes, text] of [
        ['windows-1251', '\xcf\xf0\xe8\xe2\xe5\xf2', 'Привет'],
        ['Shift_JIS', '\x93\xfa\x96\x7b', '日本'],
        ['EUC-JP', '\xc6\xfc\xcb\xdc', '日本'],
        ['KOI8-R', '\xf0\xd2\xc9\xd7\xc5\xd4', 'Привет'],
      ] as const) {
        const commit = check(
          [...latin.slice(1), `encoding ${label}`].toSpliced(0, 0, `author ${bytes} <> 1 +0000`),
          `${bytes}\n`,
          'latin1',
        );
        assert.equal(commit.message, `${text}\n`);
        assert.equal(commit.author.name, text);
      }
    });

    test('bytes that are not UTF-8 become U+FFFD and are kept beside', () => {
      for (const encoding of [[], ['encoding no-such-encoding']]) {
        const headers = ['author Zo\xeb <z@example.com> 1 +0000', `committer ${ADA}`, ...encoding];
        const commit = check(headers, 'caf\xe9\n', 'latin1');
        assert.equal(commit.author.name, 'Zo\u{FFFD}');
        assert.equal(commit.message, 'caf\u{FFFD}\n');
        assert.deepEqual(commit.messageRaw, Buffer.from('caf\xe9\n', 'latin1'));
      }
    });

    test('messages that are empty, or oddly spaced', () => {
      for (const message of [
        '',
        '\n',
        '\n\n \n',
        'no newline',
        '\n \n\tindented  \nsecond\t\n \t \n\n  body \n\n\n',
        'a\r\nb\r\n\r\nbody\r\n',
        'subject\n\n\n',
        'no-break\u00a0\n\u00a0\nstill the subject\n',
        'subject\n body line\n\nmore\n\n  \n',
      ]) {
        check([`author ${ADA}`, `committer ${ADA}`], message);
      }
      const bare = Buffer.from(`tree ${tree}\nauthor ${ADA}\ncommitter ${ADA}\n`);
      assert.equal(checkWritten(oid(writeCommit(repository, bare))).message, '');
    });

    test('people and dates as old tools wrote them', () => {
      for (const author of [
        '<> 0 +0000',
        ' <ada@example.com> 1 -0000',
        'Ada   <ada@example.com>   1700000000   -0930',
        'Ada <ada <at> home> 5 +0100',
        'Ada <ada@example.com>',
        'Ada <ada@example.com> ',
        'Ada <ada@example.com> -1 +0000',
        'Ada <ada@example.com> 12',
        'Ada <ada@example.com> soon +0100',
        'Ada <ada@example.com> 4102444800 +1400',
        'Ada <Lovelace <ada@example.com> 7 +0000',
        'Ada < ada@example.com > 7 +0000',
        '"Ada, Countess" <ada@example.com> 7 +0000',
        'Ada<ada@example.com>1 +0000',
      ]) {
        check([`author ${author}`, `committer ${ADA}`], 'subject\n');
      }
      check([`committer ${ADA}`], 'no author\n');
      check([`author ${ADA}`, `parent ${tree}`, `committer ${ADA}`], 'a parent too late is none\n');
    });
  });
}

test('a line without brackets gives its text as the name, though git gives up', () => {
  assert.deepEqual(parseActor('Ada 1700000000 +0100'), {
    name: 'Ada',
    email: '',
    date: new Date(1_700_000_000_000),
    timezone: '+0100',
  });
  assert.deepEqual(parseActor('Ada <ada'), {
    name: 'Ada <ada',
    email: '',
    date: null,
    timezone: '+0000',
  });
  assert.deepEqual(parseActor(''), { name: '', email: '', date: null, timezone: '+0000' });
});

test('a date past the year 275760 is null, and an odd zone is UTC', () => {
  assert.equal(parseActor('A <a> 8640000000000 +0000').date?.getTime(), 8.64e15);
  assert.equal(parseActor('A <a> 8640000000001 +0000').date, null);
  assert.equal(parseActor(`A <a> ${'9'.repeat(400)} +0000`).date, null);
  assert.equal(parseActor('A <a> 1 +051800').timezone, '+0000');
});

test('a commit without a tree, or with a parent that is no id, throws', () => {
  const id = oid('1'.repeat(40));
  for (const body of [
    '',
    '\n\n',
    'nonsense',
    `author ${ADA}\n\nx`,
    `tree ${id}\nparent xyz\n\nx`,
  ]) {
    assert.throws(() => parseCommit(id, Buffer.from(body)), /not an object id/);
  }
});

test('long runs of blanks take no quadratic time', () => {
  const blanks = ' '.repeat(1_000_000);
  const started = performance.now();
  messageHeadline(`a${blanks}b\n\n${blanks}c${blanks}d`);
  messageBody(`a${blanks}b\n\n${blanks}c${blanks}d`);
  parseActor(`a${blanks}b${blanks}1 +0000${blanks}x`);
  parseActor(`a${blanks}b <a> ${blanks}1${blanks}x`);
  assert.ok(performance.now() - started < 1000);
});

const FIELDS = [
  '%T',
  '%P',
  '%an',
  '%ae',
  '%at',
  '%ad',
  '%cn',
  '%ce',
  '%ct',
  '%s',
  '%b',
  '%B',
  '%e',
];
const FORMAT = FIELDS.map((field) => `${field}%x00`).join('');

function formatDate(date: Date | null): string {
  return date === null ? '' : String(date.getTime() / 1000);
}

function writeCommit(repository: ScratchRepository, body: Buffer): string {
  return repository
    .git(['hash-object', '-t', 'commit', '-w', '--stdin', '--literally'], body)
    .toString()
    .trim();
}
