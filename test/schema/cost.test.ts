import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parse } from 'graphql';
import { AppError } from '../../src/error.ts';
import { checkCost } from '../../src/schema/cost.ts';
import { schema } from '../../src/schema/index.ts';

/** What the refusal says, or null when there is none. */
function refusal(query: string, variableValues = {}): { cost: unknown; unit: unknown } | null {
  try {
    checkCost({ schema, document: parse(query), variableValues });
    return null;
  } catch (error) {
    assert.ok(error instanceof AppError && error.code === 'LIMIT_EXCEEDED');
    const { cost, limit, unit } = error.detail ?? {};
    assert.match(error.message, new RegExp(`${String(cost)}.*${String(unit)}.*${String(limit)}`));
    return { cost, unit };
  }
}

const GIT = 'git processes';

test('the fields of one status count as one child, and a page multiplies them', () => {
  const status = 'branch dirty changedFiles { totalCount } upstream { name } head { message }';
  assert.equal(refusal(`{ repos(first: 100) { nodes { ${status} } } }`), null);
  const twice = `{ a: repos(first: 100) { nodes { ${status} } } b: repos(first: 100) { nodes { ${status} } } c: repo(name: "x") { branch } }`;
  assert.deepEqual(refusal(twice), { cost: 201, unit: GIT });
});

test('twenty repositories with status, head and ten commits are allowed', () => {
  const query = `{ repos(first: 20) { nodes { dirty head { oid history(first: 10) { nodes { message author { name } } } } } } }`;
  assert.equal(refusal(query), null);
});

test('a page of history is one child, and those of its commits are counted on top', () => {
  const inner = 'history(first: 100) { nodes { oid } }';
  const ok = `{ repo(name: "x") { head { history(first: 100) { nodes { ${inner} } } } } }`;
  assert.equal(refusal(ok), null); // 102
  const two = `{ repo(name: "x") { head { history(first: 100) { nodes { a: ${inner} b: ${inner} } } } } }`;
  assert.deepEqual(refusal(two), { cost: 202, unit: GIT });
});

test('fragments and variables are counted as what they stand for', () => {
  const query = `query ($n: Int = 100) { repos(first: $n) { nodes { ...a ... on Repo { head { ...b ...b } } } } }
    fragment a on Repo { head { ...b } } fragment b on Commit { history { nodes { oid } } }`;
  assert.deepEqual(refusal(query), { cost: 400, unit: GIT });
  assert.equal(refusal(query, { n: 50 }), null);
});

test('depth is bounded', () => {
  const nested = (levels: number): string =>
    levels === 0 ? 'name' : `currentJob { repo { ${nested(levels - 1)} } }`;
  assert.equal(refusal(`{ repo(name: "x") { ${nested(11)} } }`), null);
  assert.deepEqual(refusal(`{ repo(name: "x") { ${nested(13)} } }`), {
    cost: 27,
    unit: 'levels of objects within objects',
  });
});
