import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { describe, test } from 'node:test';
import { signatureOf, verifySignature, type SignedRequest } from '../../src/auth/signature.ts';

const TIME = '1500000000';
const NOW = Number(TIME) * 1000;

/** What the original's own code gave for these. */
const VECTORS = [
  { method: 'GET', path: '/repo', args: {}, sign: '52fc49bfacd89d0ec679374c02afc5b3' },
  { method: 'GET', path: '/repo/demo1', args: {}, sign: '1774224f39a973b7be30c2ac66127407' },
  {
    method: 'POST',
    path: '/repo/demo1/pull',
    args: { git_branch: 'master', block: '1' },
    sign: 'bbc97ef2b0249888b8c1e68ac167338b',
  },
  {
    method: 'POST',
    path: '/repo/demo1/pull',
    args: { git_branch: '分支', block: '1', command: 'a b&c' },
    password: 'pä55',
    sign: '1fe98f1cc37014218904b0e6061fc6bb',
  },
];

function signed(
  method: string,
  path: string,
  args: readonly (readonly [string, string])[],
  sign: string = signatureOf(method, path, args, 'secret'),
): SignedRequest {
  return { method, path, decodedPath: decodeURIComponent(path), args: [...args, ['sign', sign]] };
}

const time = ['time', TIME] as const;

describe('a signature', () => {
  for (const { method, path, args, sign, password = '123456' } of VECTORS) {
    test(`of ${method} ${path} with ${JSON.stringify(args)} is the original's`, () => {
      const all = [...Object.entries(args), time];
      assert.equal(signatureOf(method, path, all, password), sign);
      assert.deepEqual(verifySignature(signed(method, path, all, sign), password, NOW), {
        sign,
        isAmbiguous: false,
        expiresAt: NOW + 61_000,
      });
    });
  }

  test('covers the arguments in the order of code points, whatever order they came in', () => {
    const names = ['\u{1F600}', '\uFF5E', 'b', 'B', 'a_', 'a'];
    const args = [...names.map((name) => [name, '1'] as const), time];
    const sign = signatureOf('GET', '/repo', args, 'secret');
    assert.equal(signatureOf('GET', '/repo', args.toReversed(), 'secret'), sign);
    // What Python's sorted() gives, which JavaScript's own sort does not.
    const text = ['B=1', 'a=1', 'a_=1', 'b=1', `time=${TIME}`, '\uFF5E=1', '\u{1F600}=1'].join('&');
    const md5 = createHash('md5').update(`GET/repo?${text}secret`);
    assert.equal(sign, md5.digest('hex'));
  });

  test('holds for a minute, either way', () => {
    const request = signed('GET', '/repo', [time]);
    for (const seconds of [-60, -59.2, 0, 59.9, 60.9]) {
      assert.ok(verifySignature(request, 'secret', NOW + seconds * 1000), String(seconds));
    }
    for (const seconds of [-62, -61, 61, 3600]) {
      assert.throws(() => verifySignature(request, 'secret', NOW + seconds * 1000), {
        code: 'UNAUTHENTICATED',
        message: /^the signature's time is not within 60 seconds of the agent's, which is \d+/,
      });
    }
  });

  test('may be over the path as it was sent, or as the Python client signs it', () => {
    const sent = '/repo/%E5%88%86%20x';
    for (const path of [sent, '/repo/分 x']) {
      const sign = signatureOf('GET', path, [time], 'secret');
      assert.ok(verifySignature(signed('GET', sent, [time], sign), 'secret', NOW));
    }
  });

  test('over a decoded path with a question mark is refused: arguments could begin there', () => {
    const sign = signatureOf('GET', '/repo/a?b', [time], 'secret');
    assert.throws(() => verifySignature(signed('GET', '/repo/a%3Fb', [time], sign), 'secret', NOW));
  });
});

describe('refused is', () => {
  const good = [['git_branch', 'dev'], time] as const;
  const sign = signatureOf('POST', '/repo/a/pull', good, 'secret');
  const wrong = /^the signature is wrong/;
  const cases: [string, SignedRequest, RegExp][] = [
    ['another method', signed('GET', '/repo/a/pull', good, sign), wrong],
    ['another path', signed('POST', '/repo/b/pull', good, sign), wrong],
    ['another value', signed('POST', '/repo/a/pull', [['git_branch', 'x'], time], sign), wrong],
    ['one more argument', signed('POST', '/repo/a/pull', [...good, ['x', '1']], sign), wrong],
    ['one less', signed('POST', '/repo/a/pull', [time], sign), wrong],
    ['an upper-case sign', signed('POST', '/repo/a/pull', good, sign.toUpperCase()), wrong],
    ['an empty sign', signed('POST', '/repo/a/pull', good, ''), wrong],
    [
      'another password',
      signed('POST', '/repo/a/pull', good, signatureOf('POST', '/repo/a/pull', good, 'Secret')),
      wrong,
    ],
    ['no time', signed('POST', '/repo/a/pull', [['git_branch', 'dev']]), /needs "time"/],
    ['an empty time', signed('POST', '/repo/a/pull', [['time', '']]), /needs "time"/],
    ['a time in words', signed('POST', '/repo/a/pull', [['time', 'now']]), /needs "time"/],
    ['a time with a fraction', signed('POST', '/repo/a/pull', [['time', '1e9']]), /needs "time"/],
  ];
  for (const [title, request, message] of cases) {
    test(title, () => {
      assert.throws(() => verifySignature(request, 'secret', NOW), {
        code: 'UNAUTHENTICATED',
        message,
      });
    });
  }

  test('no sign', () => {
    const request = { method: 'GET', path: '/repo', decodedPath: '/repo', args: [time] };
    assert.throws(() => verifySignature(request, 'secret', NOW), { message: /needs "time"/ });
  });

  test('a name that comes twice, wherever and whatever it is', () => {
    for (const name of ['git_branch', 'time', 'sign']) {
      const request = signed('POST', '/repo/a/pull', good, sign);
      const value = request.args.find(([each]) => each === name)?.[1] ?? '';
      for (const args of [
        [...request.args, [name, value] as const],
        [[name, value] as const, ...request.args],
      ]) {
        assert.throws(() => verifySignature({ ...request, args }, 'secret', NOW), {
          message: `a signed request must give each argument once, and this gives "${name}" again`,
        });
      }
    }
  });
});

describe('arguments whose signed text', () => {
  const isAmbiguous = (args: readonly (readonly [string, string])[]): boolean =>
    verifySignature(signed('POST', '/repo/a/pull', [...args, time]), 'secret', NOW).isAmbiguous;

  const ambiguous: [string, string][][] = [
    [['git_branch', 'dev&git_hash=v1.0']], // the original's bug 8
    [['a', '&b=']],
    [['a', '1&&=2']],
    [['a', '1&b&c=2']],
    [['a=b', 'c']],
    [['a&b', 'c']],
    [['&', '']],
    [['=', '']],
    [['a', '1'], ['b&c', '2']],
  ]; // prettier-ignore
  for (const args of ambiguous) {
    test(`could be read as others are ambiguous: ${JSON.stringify(args)}`, () => {
      assert.ok(isAmbiguous(args));
    });
  }

  const clear: [string, string][][] = [
    [['command', 'a b&c']],
    [['command', 'a=b']],
    [['command', 'a=b&c']],
    [['command', '&']],
    [['command', 'x&&y&']],
    [['command', '']],
    [['command', 'a?b=c']],
    [['', '1']],
    [['a', '&&'], ['b', '=']],
  ]; // prettier-ignore
  for (const args of clear) {
    test(`can be read in one way only are not: ${JSON.stringify(args)}`, () => {
      assert.ok(!isAmbiguous(args));
    });
  }

  test('is the same are never both unambiguous', () => {
    // Every way to cut short texts into arguments.
    const accepted = new Map<string, string>();
    const alphabet = ['a', '&', '='];
    const words = [''];
    for (let length = 0; length < 4; length++) {
      words.push(...words.slice(-(3 ** length)).flatMap((word) => alphabet.map((c) => word + c)));
    }
    for (const name of words.filter((word) => word.length < 3)) {
      for (const value of words) {
        for (const more of [[], [['b', 'c']], [['b', '&a']]] as [string, string][][]) {
          const args = [[name, value], ...more] as [string, string][];
          if (isAmbiguous(args)) continue;
          const sign = signatureOf('GET', '/', args, '');
          assert.equal(accepted.get(sign) ?? JSON.stringify(args), JSON.stringify(args));
          accepted.set(sign, JSON.stringify(args));
        }
      }
    }
    assert.ok(accepted.size > 100);
  });
});
