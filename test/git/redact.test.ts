import assert from 'node:assert/strict';
import { test } from 'node:test';
import { redactUrls } from '../../src/git/redact.ts';

for (const [text, redacted] of [
  ['https://user:token@host/x.git', 'https://***@host/x.git'],
  [
    "fatal: unable to access 'https://token@host/': no",
    "fatal: unable to access 'https://***@host/': no",
  ],
  ['From https://a:b@one/x and ssh://git@two/y', 'From https://***@one/x and ssh://***@two/y'],
  ['HTTPS://User:P%40ss@host', 'HTTPS://***@host'],
  ['https://user:p@ss@host/x', 'https://***@host/x'],
  ['https://user:pa/ss@host/x', 'https://***@host/x'],
  ['https://user:pass@host:8080/a@v1', 'https://***@host:8080/a@v1'],
  ['https://:@host', 'https://***@host'],
] as const) {
  test(`takes the credentials out of ${text}`, () => {
    assert.equal(redactUrls(text), redacted);
  });
}

for (const text of [
  'https://host/x.git',
  'https://host:8080/@scope/x',
  'https://host/a@b',
  'git@host:path',
  'Ada <ada@example.com>',
  'http://',
  '',
]) {
  test(`leaves ${JSON.stringify(text)} as it is`, () => {
    assert.equal(redactUrls(text), text);
  });
}

test('takes no longer for lines that are made to be slow', () => {
  const start = performance.now();
  for (const part of ['a', '://', '://a:', 'a://b:c', '://a:b/', ':', '/', '@://:@/']) {
    redactUrls(part.repeat(65_536 / part.length));
  }
  assert.ok(performance.now() - start < 5000);
});
