import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createLineSplitter, parseProgress } from '../../src/git/progress.ts';

for (const [line, progress] of [
  ['Receiving objects:  12% (123/1024)   \r', ['Receiving objects', 123, 1024, 12]],
  [
    'Receiving objects: 100% (9/9), 1.20 MiB | 3.00 MiB/s, done.\n',
    ['Receiving objects', 9, 9, 100],
  ],
  [
    'remote: Compressing objects:   0% (1/300)   \u001b[K\r',
    ['remote: Compressing objects', 1, 300, 0],
  ],
  ['Updating files:  50% (5/10)\r', ['Updating files', 5, 10, 50]],
  ['Rebasing (3/12)\r', ['Rebasing', 3, 12, 25]],
] as const) {
  test(`reads ${JSON.stringify(line)}`, () => {
    const [phase, current, total, percent] = progress;
    assert.deepEqual(parseProgress(line), { phase, current, total, percent });
  });
}

for (const line of [
  'From /srv/origin',
  'remote: Enumerating objects: 5, done.',
  'remote: Total 3 (delta 0), reused 0 (delta 0), pack-reused 0',
  ' a.txt | 2 +-',
  'Fast-forward',
  'Rebasing (3/0)',
  'Rebasing (x/y)',
  '',
]) {
  test(`${JSON.stringify(line)} is no progress`, () => {
    assert.equal(parseProgress(line), null);
  });
}

function split(...chunks: (string | Buffer)[]): string[] {
  const lines: string[] = [];
  const splitter = createLineSplitter((line) => lines.push(line.toString('latin1')));
  for (const chunk of chunks) splitter.write(Buffer.from(chunk));
  splitter.flush();
  splitter.flush();
  return lines;
}

test('lines keep their ending, whichever of the three it is', () => {
  assert.deepEqual(split('a\nb\rc\r\n\n\rd'), ['a\n', 'b\r', 'c\r\n', '\n', '\r', 'd']);
});

test('lines are the same however the bytes arrive, but for a \r\n that is cut in two', () => {
  const text = Buffer.from('one\ntwo\rthree\r\nfour ü\r\rfive\n\r\nend');
  const whole = split(text);
  assert.deepEqual(whole.join(''), text.toString('latin1'));
  const isCut = (at: number): boolean => text.subarray(at - 1, at + 1).toString() === '\r\n';
  for (let at = 0; at <= text.length; at++) {
    const lines = split(text.subarray(0, at), text.subarray(at));
    assert.deepEqual(lines.join(''), whole.join(''));
    assert.equal(lines.length, whole.length + (isCut(at) ? 1 : 0), `cut at ${at}`);
  }
});

test('a line that never ends is passed on in pieces and loses nothing', () => {
  const long = 'x'.repeat(300_000);
  const lines = split(long, '\nnext\n');
  assert.equal(lines.join(''), `${long}\nnext\n`);
  assert.ok(lines.every((line) => line.length <= 2 * 65_536));
});
