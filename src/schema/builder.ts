import SchemaBuilder from '@pothos/core';
import DataloaderPlugin from '@pothos/plugin-dataloader';
import RelayPlugin from '@pothos/plugin-relay';
import ValidationPlugin from '@pothos/plugin-validation';
import { isObjectType } from 'graphql';
import { AppError } from '../error.ts';
import type { SchemaContext } from './context.ts';

/** Builds the schema. Types stand in the files beside this one, each with its fields, queries, mutations and subscriptions. */
export const builder = new SchemaBuilder<{
  Context: SchemaContext;
  DefaultFieldNullability: false;
  Scalars: {
    ID: { Input: string; Output: string };
    DateTime: { Input: Date; Output: Date };
    Base64: { Input: Buffer; Output: Buffer };
    ByteOffset: { Input: number; Output: number };
  };
}>({
  plugins: [RelayPlugin, DataloaderPlugin, ValidationPlugin],
  defaultFieldNullability: false,
  relay: {
    cursorType: 'String',
    clientMutationId: 'omit',
    nodesOnConnection: { description: 'The nodes of this page, without their cursors.' },
    nodesQueryOptions: false,
    idFieldOptions: {
      description: 'Identifies this object among all of this agent; give it to `node`.',
    },
    nodeTypeOptions: { description: 'Anything that `node` finds by its id.' },
    nodeQueryOptions: {
      description: 'Finds any object by its id; null when there is none.',
      args: { id: { description: 'As the object itself said it in its field `id`.' } },
      resolve: (_root, { id }, _context, { schema }, resolveNode) => {
        const type = schema.getType(id.typename);
        const isNode =
          isObjectType(type) && type.getInterfaces().some(({ name }) => name === 'Node');
        if (isNode) return resolveNode(id);
        throw new AppError('BAD_USER_INPUT', 'this id is of nothing that there is');
      },
    },
    pageInfoTypeOptions: { description: 'Where a page of a connection lies among the others.' },
    hasNextPageFieldOptions: { description: 'Whether more follows.' },
    hasPreviousPageFieldOptions: { description: 'Whether something comes before.' },
    startCursorFieldOptions: {
      description: 'The cursor of the first edge; null on an empty page.',
    },
    endCursorFieldOptions: {
      description: 'The cursor of the last edge, to be given as `after`; null on an empty page.',
    },
    edgesFieldOptions: { description: 'The nodes of this page, each with its cursor.' },
    nodeFieldOptions: { description: 'The object itself.' },
    cursorFieldOptions: {
      description: 'Where this node stands, to be given as `after` or `before`.',
    },
    pageInfoFieldOptions: { description: 'Where this page lies among the others.' },
    firstArgOptions: {
      description: 'At most so many, from the beginning; 20 when left out, 100 at most.',
    },
    afterArgOptions: { description: 'Only what follows this cursor.' },
    lastArgOptions: { description: 'At most so many, from the end.' },
    beforeArgOptions: { description: 'Only what comes before this cursor.' },
    defaultConnectionTypeOptions: {
      description: 'A page of a list, as the Relay cursor connections specification has it.',
    },
    defaultEdgeTypeOptions: { description: 'A node and its place in a connection.' },
  },
});

builder.queryType({ description: 'What can be asked.' });
builder.mutationType({
  description: 'What changes a repository. Mutations are accepted by POST only.',
});
builder.subscriptionType({
  description:
    'What can be watched, over graphql-ws or as server-sent events. Each starts with the present state.',
});
