import { builder } from './builder.ts';
import { objectId, type ObjectKey } from './object-key.ts';

/** What git stores under an id: a commit, a tree, a blob or a tag. */
export const GitObjectType = builder.interfaceRef<ObjectKey>('GitObject').implement({
  description: 'What git stores under an id: a commit, a tree, a blob or a tag.',
  fields: (t) => ({
    id: t.id({
      description: 'Identifies this object in this repository; give it to `node`.',
      // Each type has a global one of its own.
      resolve: (object) => objectId(object),
    }),
    oid: t.exposeString('oid', {
      description: 'Its object id: 40 hexadecimal digits, or 64 in a SHA-256 repository.',
    }),
    abbreviatedOid: t.string({
      description:
        'The first 7 digits of its object id. They need not be enough to tell it from all others.',
      resolve: ({ oid }) => oid.slice(0, 7),
    }),
  }),
});
