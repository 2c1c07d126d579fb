import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { MAX_BLOB_BYTES, readBlob, sliceLines, type BlobContent } from '../git/blob.ts';
import { builder } from './builder.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { GitObjectType } from './git-object.ts';
import { loadBlob, type BlobView } from './load-object.ts';
import { objectId, parseObjectId } from './object-key.ts';

const MAX_LINES = 10_000;

export const BlobType = builder.objectRef<BlobView>('Blob');

builder.node(BlobType, {
  description: `A file's content as git stores it. Of a large one the first ${MAX_BLOB_BYTES} bytes are read.`,
  interfaces: [GitObjectType],
  id: {
    resolve: (blob) => objectId(blob),
    description: 'Identifies this blob in this repository; give it to `node`.',
  },
  loadOne: async (id, context) => await loadBlob(context, parseObjectId(id)),
  isTypeOf: (value) =>
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'blob',
  fields: (t) => ({
    byteSize: t.field({
      type: 'ByteOffset',
      description: 'Its whole size in bytes.',
      resolve: ({ size }) => size,
    }),
    isBinary: t.boolean({
      description: 'Whether git takes it for binary: a NUL is among the first 8000 bytes.',
      resolve: async (blob, _args, context) => (await contentOf(context, blob)).isBinary,
    }),
    isTruncated: t.boolean({
      description: `Whether it has more than ${MAX_BLOB_BYTES} bytes, so that \`text\`, \`textRaw\` and \`lines\` have its beginning only.`,
      resolve: ({ size }) => size > MAX_BLOB_BYTES,
    }),
    text: t.string({
      nullable: true,
      description:
        'The content as text, U+FFFD where it is not UTF-8; null when it is binary. Costs a git child when it is truncated.',
      resolve: async (blob, _args, context) => {
        const { isBinary, bytes } = await contentOf(context, blob);
        return isBinary ? null : bytes.toString('utf8');
      },
    }),
    textRaw: t.field({
      type: 'Base64',
      nullable: true,
      description:
        "The content's bytes when `text` cannot say them, for it is binary or not UTF-8; else null. Costs as `text` does.",
      resolve: async (blob, _args, context) => {
        const { isBinary, bytes } = await contentOf(context, blob);
        return isBinary || !isUtf8(bytes) ? bytes : null;
      },
    }),
    lines: t.stringList({
      nullable: true,
      description:
        'Some lines of `text`, without their ends; fewer where it has no more, null when it is binary. Costs as `text` does.',
      args: {
        start: t.arg.int({
          defaultValue: 1,
          description: 'The first line; the first of all is 1.',
          validate: z.int().min(1),
        }),
        end: t.arg.int({
          description: `The last line; ${MAX_LINES} lines when left out, and at most.`,
          validate: z.int().min(0),
        }),
      },
      resolve: async (blob, { start, end }, context) => {
        const { isBinary, bytes } = await contentOf(context, blob);
        const from = start ?? 1;
        const last = Math.min(end ?? Number.MAX_SAFE_INTEGER, from + MAX_LINES - 1);
        return isBinary ? null : sliceLines(bytes.toString('utf8'), from, last);
      },
    }),
  }),
});

async function contentOf(context: SchemaContext, { repo, oid }: BlobView): Promise<BlobContent> {
  const { repository } = getReadable(context, repo);
  return await readBlob(context.objects, repository, oid, context.signal);
}
