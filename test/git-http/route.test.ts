import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseGitProtocol, versionOf } from '../../src/git-http/protocol-version.ts';
import { parseRoute } from '../../src/git-http/route.ts';

const SHA1 = 'ab/cdef0123456789abcdef0123456789abcdef01';
const SHA256 = `ab/${'0123456789abcdef'.repeat(4).slice(2)}`;

test('a URL is told by its end', () => {
  for (const [url, expected] of [
    [
      '/a.git/info/refs?service=git-upload-pack',
      { name: 'a.git', kind: 'advertise', service: 'git-upload-pack' },
    ],
    [
      '/a/info/refs?x=1&service=git-receive-pack',
      { name: 'a', kind: 'advertise', service: 'git-receive-pack' },
    ],
    [
      '/a/info/refs?service=git%2Dupload-pack',
      { name: 'a', kind: 'advertise', service: 'git-upload-pack' },
    ],
    ['/a/info/refs', { name: 'a', kind: 'dumb', file: 'info/refs' }],
    ['/a/info/refs?', { name: 'a', kind: 'dumb', file: 'info/refs' }],
    ['/a/info/refs?service', { name: 'a', kind: 'unknown-service' }],
    ['/a/info/refs?service=git-upload-archive', { name: 'a', kind: 'unknown-service' }],
    ['/a/git-upload-pack', { name: 'a', kind: 'rpc', service: 'git-upload-pack' }],
    [
      '/a/b/c.git/git-receive-pack?x',
      { name: 'a/b/c.git', kind: 'rpc', service: 'git-receive-pack' },
    ],
    ['/info/refs', { name: '', kind: 'dumb', file: 'info/refs' }],
    ['/git-upload-pack', { name: '', kind: 'rpc', service: 'git-upload-pack' }],
    ['/a/HEAD', { name: 'a', kind: 'dumb', file: 'HEAD' }],
    ['/a/objects/info/packs', { name: 'a', kind: 'dumb', file: 'objects/info/packs' }],
    [`/a/objects/${SHA1}`, { name: 'a', kind: 'dumb', file: `objects/${SHA1}` }],
    [`/a/objects/${SHA256}`, { name: 'a', kind: 'dumb', file: `objects/${SHA256}` }],
    // Repositories may be called what they like.
    ['/info/refs/info/refs', { name: 'info/refs', kind: 'dumb', file: 'info/refs' }],
    ['/objects/HEAD', { name: 'objects', kind: 'dumb', file: 'HEAD' }],
    ['/%D0%B6%20%2B+.git/HEAD', { name: 'ж ++.git', kind: 'dumb', file: 'HEAD' }],
    ['/..a/...b/HEAD', { name: '..a/...b', kind: 'dumb', file: 'HEAD' }],
  ] as const) {
    assert.deepEqual(parseRoute(url, ''), expected, url);
  }
});

test('everything else is none of ours', () => {
  for (const url of [
    '/', '', '/a', '/a.git', '/a/info', '/a/info/refs/', '/a/infos/refs', '/a/xinfo/refs', '/a/git-upload-pack/',
    '/a/git-upload-archive', '/a/config', '/a/objects', '/a/objects/info/alternates', '/a/objects/ab/c',
    '/a/objects/AB/cdef0123456789abcdef0123456789abcdef01', '/a/objects/pack/pack-1.pack', '/ahead', '/a/head',
    '/a/../HEAD', '/./HEAD', '//HEAD', '/a//HEAD', '/%2e%2e/HEAD', '/a%2fb/HEAD', '/a%5cb/HEAD', '/a%00/HEAD',
    '/a%0a/HEAD', '/%ff/HEAD', '/%/HEAD', '/a\\b/HEAD', 'http://x/a/HEAD', '*',
  ]) assert.equal(parseRoute(url, ''), null, url); // prettier-ignore
});

test('a prefix is taken off, and only a whole one', () => {
  assert.deepEqual(parseRoute('/git/a/HEAD', '/git'), { name: 'a', kind: 'dumb', file: 'HEAD' });
  for (const url of ['/gita/HEAD', '/git', '/a/HEAD', '/x/git/a/HEAD']) {
    assert.equal(parseRoute(url, '/git'), null, url);
  }
});

test('of a Git-Protocol header only keys and values reach git', () => {
  for (const header of ['version=2', 'version=1', 'version=0:version=2', 'a:b=c.d-e_f']) {
    assert.equal(parseGitProtocol(header), header);
  }
  for (const header of [
    undefined,
    '',
    'version=2\n',
    'version=2;x',
    'VERSION=2',
    ':version=2',
    'x'.repeat(300),
  ]) {
    assert.equal(parseGitProtocol(header), null);
  }
  assert.deepEqual(
    ['version=2', 'version=1', 'version=1:version=2', 'version=3', 'xversion=2', null].map(
      versionOf,
    ),
    [2, 1, 2, 0, 0, 0],
  );
});
