/** Asks the agent about one of its repositories, and keeps account of which fields were asked. */
import assert from 'node:assert/strict';
import {
  getNamedType,
  isInterfaceType,
  isObjectType,
  parse,
  TypeInfo,
  visit,
  visitWithTypeInfo,
  type GraphQLNamedType,
  type GraphQLSchema,
} from 'graphql';
import { ask, type AnswerError } from '../support/graphql-client.ts';
import type { Answer } from './git-answer.ts';

export interface Explorer {
  /** Fields of a `Repo`, as one request. A parent that is not there is the only thing that may fail. */
  repo(name: string, selection: string): Promise<Answer>;
  /**
   * The same fields of many things, several in a request, in their order.
   * @param fields each of `Repo`, such as `object(oid: "...")`
   * @param fragment such as `on Commit { oid }`
   */
  each(name: string, fields: readonly string[], fragment: string): Promise<Answer[]>;
  /** What `node` finds, in one request. */
  nodes(ids: readonly unknown[], fragment: string): Promise<unknown[]>;
  /** The codes of the errors that these fields of a `Repo` are answered with. */
  refusals(name: string, selection: string): Promise<unknown[]>;
  /** Of what can be explored, each `Type.field` and `Type.field(argument)` that was never asked. */
  missing(): string[];
}

/** Git children that one request may start are 200, and some of these take several. */
const PER_REQUEST = 40;

export function createExplorer(url: string, schema: GraphQLSchema): Explorer {
  const asked = new Set<string>();

  async function send(document: string): Promise<{ data: Answer; errors: readonly AnswerError[] }> {
    const info = new TypeInfo(schema);
    const enter = (): void => {
      const place = `${info.getParentType()?.name ?? ''}.${info.getFieldDef()?.name ?? ''}`;
      const argument = info.getArgument()?.name;
      asked.add(argument === undefined ? place : `${place}(${argument})`);
    };
    visit(parse(document), visitWithTypeInfo(info, { Field: enter, Argument: enter }));
    const { data, errors = [] } = await ask(url, document);
    return { data: data ?? {}, errors };
  }

  async function read(document: string): Promise<Answer> {
    const { data, errors } = await send(document);
    const isParent = ({ path, extensions }: AnswerError): boolean =>
      extensions?.['code'] === 'NOT_FOUND' && path?.includes('parents') === true;
    assert.deepEqual(errors.filter((error) => !isParent(error)), [], document); // prettier-ignore
    return data;
  }

  return {
    async repo(name, selection) {
      const data = await read(`{ repo(name: "${name}") { ${selection} } }`);
      return data['repo'] as Answer;
    },
    async each(name, fields, fragment) {
      const answers: Answer[] = [];
      for (let at = 0; at < fields.length; at += PER_REQUEST) {
        const aliases = fields
          .slice(at, at + PER_REQUEST)
          .map((field, n) => `a${n}: ${field} { ...F }`);
        const document = `{ repo(name: "${name}") { ${aliases.join('\n')} } } fragment F ${fragment}`;
        answers.push(...(Object.values((await read(document))['repo'] as object) as Answer[]));
      }
      return answers;
    },
    async nodes(ids, fragment) {
      const fields = ids.map((id, n) => `a${n}: node(id: ${JSON.stringify(id)}) { ...F }`);
      return Object.values(await read(`{ ${fields.join('\n')} } fragment F ${fragment}`));
    },
    async refusals(name, selection) {
      const { errors } = await send(`{ repo(name: "${name}") { ${selection} } }`);
      return errors.map(({ extensions }) => extensions?.['code']);
    },
    missing: () => [...places(schema)].filter((place) => !asked.has(place)),
  };
}

/** What leads from a repository to its objects, and all that they have; not what else a repository is. */
function* places(schema: GraphQLSchema): Generator<string> {
  const types = new Set<GraphQLNamedType>();
  const collect = (type: GraphQLNamedType | undefined): void => {
    if (type === undefined || type.name === 'Repo' || types.has(type)) return;
    if (!isObjectType(type) && !isInterfaceType(type)) return;
    types.add(type);
    if (isInterfaceType(type)) schema.getPossibleTypes(type).forEach(collect);
    for (const field of Object.values(type.getFields())) collect(getNamedType(field.type));
  };
  for (const name of ['GitObject', 'RefConnection', 'Comparison']) collect(schema.getType(name));
  const repo = schema.getType('Repo');
  assert.ok(isObjectType(repo));
  for (const type of [...types, repo]) {
    if (!isObjectType(type) && !isInterfaceType(type)) continue;
    for (const field of Object.values(type.getFields())) {
      if (type === repo && !types.has(getNamedType(field.type))) continue;
      yield `${type.name}.${field.name}`;
      for (const { name } of field.args) yield `${type.name}.${field.name}(${name})`;
    }
  }
}
