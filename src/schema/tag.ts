import { builder } from './builder.ts';
import { GitActorType } from './commit.ts';
import { GitObjectType } from './git-object.ts';
import { loadObject, loadTag, type TagView } from './load-object.ts';
import { objectId, parseObjectId } from './object-key.ts';

export const TagType = builder.objectRef<TagView>('Tag');

builder.node(TagType, {
  description: 'An annotated tag: an object that names another one and says something of it.',
  interfaces: [GitObjectType],
  id: {
    resolve: (tag) => objectId(tag),
    description: 'Identifies this tag object in this repository; give it to `node`.',
  },
  loadOne: async (id, context) => await loadTag(context, parseObjectId(id)),
  isTypeOf: (value) =>
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'tag',
  fields: (t) => ({
    name: t.exposeString('name', {
      description: 'What it calls itself. A ref that leads to it may have another name.',
    }),
    message: t.exposeString('message', {
      description: 'Its message, without a signature; U+FFFD stands where it is not UTF-8.',
    }),
    messageRaw: t.expose('messageRaw', {
      type: 'Base64',
      nullable: true,
      description: "The message's bytes when they are not UTF-8, else null.",
    }),
    tagger: t.expose('tagger', {
      type: GitActorType,
      nullable: true,
      description: 'Who made it; null when it does not say.',
    }),
    target: t.field({
      type: GitObjectType,
      description: 'What it names: mostly a commit, but it may be any object, another tag too.',
      resolve: async ({ repo, targetOid }, _args, context) =>
        await loadObject(context, { repo, oid: targetOid }),
    }),
  }),
});
