import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseAccessFile } from '../../src/auth/access-file.ts';

const TEXT = `
# who
[users]
ada = pass:w=ord% ; the one of the engine
Bob: secret
[access]
ada = website.git, tools
bob=demo
`;

test('users are known by their passwords, and their names without regard to case', () => {
  const file = parseAccessFile(TEXT, 'access.ini');
  assert.equal(file.knows('ada', 'pass:w=ord%'), true);
  assert.equal(file.knows('ADA', 'pass:w=ord%'), true);
  assert.equal(file.knows('bob', 'secret'), true);
  assert.equal(file.knows('ada', 'secret'), false);
  assert.equal(file.knows('eve', ''), false);
  assert.equal(file.knows('bob', ''), false);
});

test('a user may push to the repositories that are listed, named with or without .git', () => {
  const file = parseAccessFile(TEXT, 'access.ini');
  assert.equal(file.mayPush('ada', 'website'), true);
  assert.equal(file.mayPush('ada', 'website.git'), true);
  assert.equal(file.mayPush('ada', 'tools.git'), true);
  assert.equal(file.mayPush('ada', 'demo'), false);
  assert.equal(file.mayPush('Bob', 'demo'), true);
  assert.equal(file.mayPush('eve', 'demo'), false);
  assert.equal(file.mayPush('ada', ''), false);
});

for (const [title, text, message] of [
  ['another section', '[groups]\na = b', 'access.ini:1: there is no section [groups]'],
  ['a line outside of sections', 'ada = x', 'access.ini:1: write "NAME = VALUE"'],
  ['a line without a value', '[users]\nada', 'access.ini:2: write "NAME = VALUE"'],
  ['an empty password', '[users]\nada =', 'access.ini:2: the password of "ada" is empty'],
] as const) {
  test(`${title} is a mistake that is named with its line, and without a password`, () => {
    assert.throws(
      () => parseAccessFile(text, 'access.ini'),
      (error: Error) => error.message.startsWith(message),
    );
  });
}
