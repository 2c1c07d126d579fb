import assert from 'node:assert/strict';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { readPushHead, type PushHead } from '../../src/git-http/push-head.ts';
import { createReportReader, formatRefusal } from '../../src/git-http/push-report.ts';

const A = 'a'.repeat(40);
const B = 'b'.repeat(40);
const ZERO = '0'.repeat(40);
const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
const main = { name: 'refs/heads/main', beforeOid: A, afterOid: B };
const CAPABILITIES = '\0 report-status side-band-64k push-options agent=git/2.39.5';

async function read(text: string, size = 7): Promise<PushHead & { rest: string }> {
  const bytes = Buffer.from(text, 'latin1');
  const pieces = Array.from({ length: Math.ceil(bytes.length / size) }, (_, n) =>
    bytes.subarray(n * size, (n + 1) * size),
  );
  const body = Readable.from(pieces, { objectMode: false });
  const head = await readPushHead(body, 10_000);
  const rest = await body.toArray();
  return {
    ...head,
    rest: Buffer.concat([...head.pieces, ...(rest as Buffer[])]).toString('latin1'),
  };
}

test('commands, capabilities and options are read, and nothing of the body is lost', async () => {
  const text = [
    pkt(`shallow ${A}`),
    pkt(`${A} ${B} refs/heads/main${CAPABILITIES}`),
    pkt(`${ZERO} ${B} refs/heads/with blank\n`),
    pkt(`${A} ${ZERO} refs/tags/ж`.replace('ж', '\u00d0\u00b6')),
    '0000',
    pkt('an option'),
    pkt('another\n'),
    '0000PACK....0000',
  ].join('');
  for (const size of [1, 7, 50, 10_000]) {
    const head = await read(text, size);
    assert.deepEqual(head.updates, [
      main,
      { name: 'refs/heads/with blank', beforeOid: null, afterOid: B },
      { name: 'refs/tags/ж', beforeOid: A, afterOid: null },
    ]);
    assert.deepEqual(head.options, ['an option', 'another']);
    assert.ok(head.capabilities.has('side-band-64k') && head.isWhole);
    assert.equal(head.rest, text);
  }
});

test('a body that ends too early is not whole', async () => {
  const command = pkt(`${A} ${B} refs/heads/main${CAPABILITIES}`);
  for (const text of [
    '',
    '00',
    command.slice(0, 30),
    command,
    `${command}0000`,
    `${command}0000${pkt('x')}`,
  ]) {
    assert.equal((await read(text)).isWhole, false, text);
  }
  assert.equal((await read('0000')).isWhole, true);
});

test('what is no push is refused', async () => {
  for (const text of [
    'hello',
    pkt('hello'),
    pkt(`${A} refs/heads/main`),
    pkt(`${A} ${B.slice(1)} refs/heads/main`),
    pkt(`${A} ${B} `),
    `${pkt(`${A} ${B} refs/heads/main`)}0001`,
    pkt('want something'),
  ]) {
    await assert.rejects(read(`${text}0000`), { name: /Refusal|PktLineError/ }, text);
  }
});

/**
 * The attack: git takes the commands of a signed push out of its certificate, whether or not it has asked
 * for one. A reader that looks elsewhere sees a push of nothing, and lets it through.
 */
test('commands in a certificate are commands, wherever they hide in it', async () => {
  const certificate = (...lines: string[]): string =>
    [pkt(`push-cert${CAPABILITIES}`), ...lines.map(pkt), pkt('push-cert-end\n'), '0000'].join('');
  const header = ['certificate version 0.1\n', 'pusher Ada <ada@example.com> 1500000000 +0000\n'];
  const command = `${A} ${B} refs/heads/main\n`;
  const signature = ['-----BEGIN PGP SIGNATURE-----\n', 'x\n', '-----END PGP SIGNATURE-----\n'];
  for (const lines of [
    [...header, '\n', command, ...signature],
    [...header, `\n${command}`, ...signature],
    [`${header.join('')}\n${command}`],
    [...header, '\n', ...signature, command, ...signature],
  ]) {
    const head = await read(`${certificate(...lines)}${pkt('option')}0000`);
    assert.deepEqual(head.updates, [main]);
    assert.deepEqual(head.options, ['option']);
  }
});

test('a refusal is framed as the client asked', () => {
  const has = (...names: string[]): Set<string> => new Set(names);
  const report = `${pkt('unpack ok\n')}${pkt('ng refs/heads/main no\n')}0000`;
  const refuse = (capabilities: Set<string>, message: string): string =>
    formatRefusal(
      [{ name: 'refs/heads/main', beforeOid: null, afterOid: null }],
      capabilities,
      message,
    ).toString();
  assert.equal(refuse(has('report-status'), 'no'), report);
  assert.equal(refuse(has(), 'no'), '');
  assert.equal(
    refuse(has('report-status-v2', 'side-band-64k'), 'no'),
    `${pkt(`\u0001${report}`)}0000`,
  );
  assert.equal(refuse(has('side-band-64k'), 'no'), `${pkt('\u0002no\n')}0000`);
  assert.equal(
    refuse(has('report-status', 'side-band'), 'no\nnot ever'),
    `${pkt('\u0002no\nnot ever\n')}${pkt(`\u0001${report}`)}0000`,
  );
  // Nothing that would end the line, or move a terminal's cursor.
  assert.match(refuse(has('report-status'), 'a\u001b[2Jb'), /ng refs\/heads\/main a \[2Jb\n/);
});

test('what landed is read from the report, in whatever pieces', () => {
  const report = `${pkt('unpack ok\n')}${pkt('ok refs/heads/a\n')}${pkt('option refname x\n')}${pkt('ng refs/heads/b no\n')}${pkt('ok refs/heads/c d\n')}0000`;
  const banded = `${pkt('\u0002working\n')}${pkt(`\u0001${report.slice(0, 40)}`)}${pkt('\u0002more\n')}${pkt(`\u0001${report.slice(40)}`)}0000`;
  for (const [text, names] of [
    [report, ['report-status']],
    [banded, ['report-status-v2', 'side-band-64k']],
  ] as const) {
    for (const size of [1, 9, 1_000]) {
      let shown = '';
      const reader = createReportReader(new Set(names), (bytes) => (shown += bytes.toString()));
      for (let at = 0; at < text.length; at += size)
        reader.read(Buffer.from(text.slice(at, at + size)));
      assert.deepEqual([...(reader.landed() ?? [])], ['refs/heads/a', 'refs/heads/c d']);
      assert.equal(shown, text === banded ? 'working\nmore\n' : '');
    }
  }
  assert.equal(createReportReader(new Set(['side-band-64k'])).landed(), null);
});
