import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import {
  buildSchema,
  isEnumType,
  isInputObjectType,
  isInterfaceType,
  isIntrospectionType,
  isObjectType,
  isSpecifiedScalarType,
  type GraphQLNamedType,
} from 'graphql';
import { query } from '../support/graphql-client.ts';
import { createScene } from './scene.ts';

const root = join(import.meta.dirname, '../..');

interface Described {
  readonly name: string;
  readonly description?: string | null | undefined;
}

/** A type and all that is named in it, with their paths. */
function* parts(type: GraphQLNamedType): Generator<[path: string, part: Described]> {
  yield [type.name, type];
  if (isEnumType(type)) {
    for (const value of type.getValues()) yield [`${type.name}.${value.name}`, value];
  } else if (isObjectType(type) || isInterfaceType(type)) {
    for (const field of Object.values(type.getFields())) {
      yield [`${type.name}.${field.name}`, field];
      for (const arg of field.args) yield [`${type.name}.${field.name}(${arg.name})`, arg];
    }
  } else if (isInputObjectType(type)) {
    for (const field of Object.values(type.getFields())) {
      yield [`${type.name}.${field.name}`, field];
    }
  }
}

test('every type, field, argument and enum value has a description', async () => {
  const schema = buildSchema(await readFile(join(root, 'schema.graphql'), 'utf8'));
  const described = Object.values(schema.getTypeMap())
    .filter((type) => !isIntrospectionType(type) && !isSpecifiedScalarType(type))
    .flatMap((type) => [...parts(type)]);
  assert.ok(described.length > 100);
  const bare = described.filter(([, { description }]) => !/\w.*[.]/s.test(description ?? ''));
  assert.deepEqual(
    bare.map(([path]) => path),
    [],
  );
});

test('the running agent describes itself by introspection', async () => {
  await using scene = await createScene();
  const { __schema: described } = await query<{ __schema: { types: { name: string }[] } }>(
    scene.url,
    '{ __schema { types { name } } }',
  );
  const names = new Set(described.types.map(({ name }) => name));
  for (const name of ['Repo', 'Commit', 'Job', 'OutputChunk']) assert.ok(names.has(name));
});
