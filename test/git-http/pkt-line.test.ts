import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  BAND,
  createPktLineSplitter,
  formatBand,
  formatPktLine,
  PktLineError,
  type PktLine,
} from '../../src/git-http/pkt-line.ts';

/** Cuts bytes into pkt-lines, given in pieces of a size. */
function cut(bytes: Buffer, size: number): { lines: string[]; isBetweenLines: boolean } {
  const splitter = createPktLineSplitter();
  const lines: PktLine[] = [];
  for (let at = 0; at < bytes.length; at += size) {
    lines.push(...splitter.split(bytes.subarray(at, at + size)));
  }
  return { lines: lines.map(String), isBetweenLines: splitter.isBetweenLines() };
}

test('lines and marks are found whatever pieces they come in', () => {
  const bytes = Buffer.concat([
    formatPktLine('command=fetch\n'),
    Buffer.from('0001'),
    formatPktLine(''),
    formatPktLine('x'.repeat(65_516)),
    Buffer.from('00000002'),
    Buffer.from('000Aupper!'),
  ]);
  const expected = [
    'command=fetch\n',
    'delimiter',
    '',
    'x'.repeat(65_516),
    'flush',
    'response-end',
    'upper!',
  ];
  for (const size of [1, 2, 3, 5, 7, 1000, bytes.length]) {
    assert.deepEqual(cut(bytes, size), { lines: expected, isBetweenLines: true });
  }
});

test('what is cut short is not between lines', () => {
  assert.deepEqual(cut(Buffer.from('0008NAK'), 100), { lines: [], isBetweenLines: false });
  assert.deepEqual(cut(Buffer.from('00'), 100), { lines: [], isBetweenLines: false });
});

test('what is no length is an error', () => {
  for (const text of ['PACK', '0003', '-001', '0x10', ' 123', '12 4']) {
    assert.throws(() => cut(Buffer.from(text), 100), PktLineError, text);
  }
});

test('a line has a longest length', () => {
  assert.equal(formatPktLine('x'.repeat(65_516)).length, 65_520);
  assert.throws(() => formatPktLine('x'.repeat(65_517)), PktLineError);
});

test('content for a band is cut as the band allows', () => {
  const text = Buffer.from('x'.repeat(2_000));
  const { lines } = cut(formatBand(BAND.progress, text, 995), 100_000);
  assert.deepEqual(
    lines.map((line) => line.length),
    [996, 996, 11],
  );
  assert.ok(lines.every((line) => line.startsWith('\u0002')));
  assert.equal(formatBand(BAND.progress, Buffer.alloc(0), 995).length, 0);
});
