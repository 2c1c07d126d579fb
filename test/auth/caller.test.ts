import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { createAuthenticator, requireScope } from '../../src/auth/caller.ts';
import { signatureOf } from '../../src/auth/signature.ts';

const loopback = { bindIp: '127.0.0.1', insecure: false };
const network = { bindIp: '0.0.0.0', insecure: false };
const protect = { ...loopback, password: 'pä:55 ' };
const ALL = ['read', 'pull', 'run', 'push', 'admin'];

function basic(pair: string): string {
  return `Basic ${Buffer.from(pair).toString('base64')}`;
}

function signed(password: string) {
  const time = ['time', String(Math.floor(Date.now() / 1000))] as const;
  const sign = ['sign', signatureOf('GET', '/repo', [time], password)] as const;
  return { method: 'GET', path: '/repo', decodedPath: '/repo', args: [time, sign] };
}

describe('with a password', () => {
  const authenticator = createAuthenticator(protect);

  for (const [title, credentials] of Object.entries({
    'as argument, not stripped': { password: 'pä:55 ' },
    'as Basic password, whoever it is': { authorization: basic('anybody:pä:55 ') },
    'as Basic password of nobody': { authorization: basic(':pä:55 ') },
    'as argument beside a header for a proxy': {
      password: 'pä:55 ',
      authorization: basic('proxy:other'),
    },
    'in a signature': { signed: signed('pä:55 ') },
    'in a signature beside a header for a proxy': {
      signed: signed('pä:55 '),
      authorization: basic('proxy:other'),
    },
    'as Basic password beside a wrong argument': {
      password: 'wrong',
      authorization: basic('a:pä:55 '),
    },
  })) {
    test(`it is right ${title}`, () => {
      const { name, scopes } = authenticator.authenticate(credentials);
      assert.deepEqual({ name, scopes }, { name: 'password', scopes: ALL });
    });
  }

  test('it is right as Bearer token', () => {
    const bearer = createAuthenticator({ ...loopback, password: 'token' });
    for (const authorization of ['Bearer token', 'bearer  token ']) {
      assert.equal(bearer.authenticate({ authorization }).name, 'password');
    }
  });

  for (const [title, credentials] of Object.entries({
    'an argument': { password: 'pä:55' },
    'an empty argument': { password: '' },
    'a Basic password': { authorization: basic('a:wrong') },
    'Basic without a colon': { authorization: basic('pä:55 ') },
    'Basic without base64': { authorization: 'Basic ***' },
    'a Bearer token': { authorization: 'Bearer wrong' },
    'another scheme': { authorization: 'Digest pä:55 ' },
    'an empty header': { authorization: '' },
    'a signature': { signed: signed('wrong') },
    'a signature beside a right header': {
      signed: signed('wrong'),
      authorization: basic('a:pä:55 '),
    },
  })) {
    test(`${title} that is wrong is refused, and the message does not repeat it`, () => {
      assert.throws(
        () => authenticator.authenticate(credentials),
        (error: Error & { code: string }) => {
          assert.equal(error.code, 'UNAUTHENTICATED');
          assert.doesNotMatch(JSON.stringify([error.message, error]), /pä|Digest|[0-9a-f]{32}/);
          return true;
        },
      );
    });
  }

  test('nobody without credentials may do anything', () => {
    assert.deepEqual(authenticator.authenticate({}), { name: 'anonymous', scopes: [] });
  });
});

describe('without a password', () => {
  test('everybody on loopback may do everything, also with credentials for something else', () => {
    const authenticator = createAuthenticator(loopback);
    for (const credentials of [
      {},
      { password: 'x' },
      { password: '' },
      { authorization: basic('a:b') },
      { authorization: 'Bearer x' },
      { signed: signed('x') },
    ]) {
      assert.deepEqual(authenticator.authenticate(credentials), { name: 'anonymous', scopes: ALL });
    }
  });

  test('nobody on the network may do anything, unless it is meant', () => {
    assert.deepEqual(createAuthenticator(network).authenticate({}).scopes, []);
    const meant = createAuthenticator({ ...network, insecure: true });
    assert.deepEqual(meant.authenticate({}).scopes, ALL);
  });
});

test('"anonymous" says what callers without credentials may do', () => {
  const authenticator = createAuthenticator({ ...protect, anonymous: ['read'] });
  const caller = authenticator.authenticate({});
  assert.deepEqual(caller, { name: 'anonymous', scopes: ['read'] });
  requireScope(caller, 'read');
  assert.throws(
    () => {
      requireScope(caller, 'pull');
    },
    { code: 'UNAUTHENTICATED' },
  );
  assert.throws(() => authenticator.authenticate({ password: 'wrong' }), {
    code: 'UNAUTHENTICATED',
  });
});
