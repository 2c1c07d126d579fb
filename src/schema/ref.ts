import { z } from 'zod';
import { AppError } from '../error.ts';
import {
  findRawRef,
  listRefs,
  parseRefCursor,
  parseRefPrefix,
  refCursor,
  type ListedRef,
  type RefOrderField,
} from '../git/ref-list.ts';
import { parseRefName } from '../git/ref-name.ts';
import { builder } from './builder.ts';
import { CommitType } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { GitObjectType } from './git-object.ts';
import { loadObject } from './load-object.ts';
import { formatRefId, parseRefId } from './ref-id.ts';
import { RepoType } from './repo.ts';

interface RefView extends ListedRef {
  readonly kind: 'ref';
  readonly repo: string;
}

/** Tags of tags of tags are followed so far. */
const MAX_PEELED = 16;

export const RefType = builder.objectRef<RefView>('Ref');

builder.node(RefType, {
  description: 'A name for an object: a branch, a tag, or any other ref.',
  id: {
    resolve: formatRefId,
    description: 'Identifies this ref in this repository; give it to `node`.',
  },
  loadOne: async (id, context) => {
    const { repo, name } = parseRefId(id);
    return name.raw === undefined
      ? await loadRef(context, repo, name.text)
      : await loadRawRef(context, repo, name.raw);
  },
  isTypeOf: (value) =>
    typeof value === 'object' && value !== null && 'kind' in value && value.kind === 'ref',
  fields: (t) => ({
    name: t.string({
      description:
        'Its name without `prefix`, such as `main`; U+FFFD stands where it is not UTF-8.',
      resolve: (ref) => splitName(ref).name,
    }),
    nameRaw: t.field({
      type: 'Base64',
      nullable: true,
      description: "The full name's bytes when they are not UTF-8, else null.",
      resolve: ({ name }) => name.raw ?? null,
    }),
    prefix: t.string({
      description: 'What stands before `name`, such as `refs/heads/` or `refs/tags/`.',
      resolve: (ref) => splitName(ref).prefix,
    }),
    qualifiedName: t.string({
      description: 'Its full name, such as `refs/heads/main`.',
      resolve: ({ name }) => name.text,
    }),
    target: t.field({
      type: GitObjectType,
      nullable: true,
      description:
        'The object that it names: of an annotated tag, the tag itself. null when the object is missing.',
      resolve: async ({ repo, oid }, _args, context) =>
        await loadObject(context, { repo, oid }).catch(nullWhenMissing),
    }),
    commit: t.field({
      type: CommitType,
      nullable: true,
      description:
        'The commit that it leads to, through annotated tags too; null when it leads to something else.',
      resolve: async (ref, _args, context) => {
        let object = await loadObject(context, { ...ref, oid: ref.peeledOid }).catch(
          nullWhenMissing,
        );
        for (let n = 0; object !== null && 'targetOid' in object && n < MAX_PEELED; n++) {
          const { repo, targetOid } = object;
          object = await loadObject(context, { repo, oid: targetOid }).catch(nullWhenMissing);
        }
        return object !== null && 'treeOid' in object ? object : null;
      },
    }),
    symbolicTarget: t.exposeString('symbolicTarget', {
      nullable: true,
      description: 'The ref that it stands for, in full; null for an ordinary ref.',
    }),
  }),
});

const RefOrderFieldType = builder.enumType('RefOrderField', {
  description: 'What refs are ordered by.',
  values: {
    ALPHABETICAL: { value: 'NAME', description: "By the bytes of their full names, git's order." },
    TAG_COMMIT_DATE: {
      value: 'DATE',
      description:
        'By the date of the commit, or of the annotated tag; names decide within the same second.',
    },
  } as const satisfies Record<string, { value: RefOrderField; description: string }>,
});

const OrderDirection = builder.enumType('OrderDirection', {
  description: 'Which end comes first.',
  values: {
    ASC: { description: 'The least, the oldest.' },
    DESC: { description: 'The greatest, the youngest.' },
  } as const,
});

const RefOrder = builder.inputType('RefOrder', {
  description: 'How refs are ordered.',
  fields: (t) => ({
    field: t.field({ type: RefOrderFieldType, required: true, description: 'By what.' }),
    direction: t.field({ type: OrderDirection, required: true, description: 'Which end first.' }),
  }),
});

const RefConnection = builder.connectionObject(
  { type: RefType, name: 'RefConnection' },
  { name: 'RefEdge' },
);

const MAX_QUERY = 1000;

builder.objectFields(RepoType, (t) => {
  const args = {
    query: t.arg.string({
      description:
        'Only those whose name without the prefix contains this text, in whichever case.',
      validate: z.string().max(MAX_QUERY),
    }),
    orderBy: t.arg({ type: RefOrder, description: 'By name when left out.' }),
  };
  return {
    ref: t.field({
      type: RefType,
      nullable: true,
      description:
        'Finds a ref by its name; null when there is none. Costs one git child, shared by all that one query asks for.',
      args: {
        qualifiedName: t.arg.string({
          required: true,
          description:
            'In full, as in `refs/heads/main`; a branch may be named without `refs/heads/`.',
        }),
      },
      resolve: async ({ served }, { qualifiedName }, context) => {
        const isFull = qualifiedName.startsWith('refs/');
        const name = isFull ? qualifiedName : `refs/heads/${qualifiedName}`;
        return await loadRef(context, served.name, name);
      },
    }),
    defaultBranchRef: t.field({
      type: RefType,
      nullable: true,
      description:
        'The branch that HEAD names; null when HEAD is detached, and before the first commit. Costs as `branch` and `ref` do.',
      resolve: async ({ served }, _args, context) => {
        const { branch } = await context.head.load(served.name);
        return branch === null ? null : await loadRef(context, served.name, `refs/heads/${branch}`);
      },
    }),
    refs: t.connection(
      {
        type: RefType,
        description: 'Its refs, paged forwards. Costs one git child a page.',
        args: {
          prefix: t.arg.string({
            defaultValue: 'refs/',
            description: 'Only those below this, such as `refs/heads/`.',
          }),
          ...args,
        },
        resolve: async ({ served }, { prefix, ...rest }, context) =>
          await pageOfRefs(context, served.name, prefix ?? 'refs/', rest),
      },
      RefConnection,
    ),
    branches: t.connection(
      {
        type: RefType,
        description: 'Its branches: `refs` with the prefix `refs/heads/`.',
        args,
        resolve: async ({ served }, rest, context) =>
          await pageOfRefs(context, served.name, 'refs/heads/', rest),
      },
      RefConnection,
    ),
    tags: t.connection(
      {
        type: RefType,
        description: 'Its tags: `refs` with the prefix `refs/tags/`.',
        args,
        resolve: async ({ served }, rest, context) =>
          await pageOfRefs(context, served.name, 'refs/tags/', rest),
      },
      RefConnection,
    ),
  };
});

async function loadRef(
  context: SchemaContext,
  repo: string,
  name: string,
): Promise<RefView | null> {
  const found = await context.ref.load({ repo, name: parseRefName(name) });
  return found === null ? null : { kind: 'ref', repo, ...found };
}

async function loadRawRef(
  context: SchemaContext,
  repo: string,
  name: Buffer,
): Promise<RefView | null> {
  const { repository } = getReadable(context, repo);
  const found = await findRawRef(context.git, repository, name, context.signal);
  return found === null ? null : { kind: 'ref', repo, ...found };
}

interface PageArguments {
  readonly query?: string | null | undefined;
  readonly orderBy?:
    | { readonly field: RefOrderField; readonly direction: 'ASC' | 'DESC' }
    | null
    | undefined;
  readonly first?: number | null | undefined;
  readonly after?: string | null | undefined;
  readonly last?: number | null | undefined;
  readonly before?: string | null | undefined;
}

async function pageOfRefs(
  context: SchemaContext,
  repo: string,
  prefix: string,
  args: PageArguments,
) {
  const { query, orderBy, first, after, last, before } = args;
  if (last != null || before != null) {
    throw new AppError('BAD_USER_INPUT', 'refs are paged forwards: use first and after');
  }
  if (first != null && (first < 0 || first > MAX_PAGE)) {
    throw new AppError('BAD_USER_INPUT', `"first" is from 0 to ${MAX_PAGE}`);
  }
  const { repository } = getReadable(context, repo);
  const { refs, hasMore } = await listRefs(context.git, repository, {
    prefix: parseRefPrefix(prefix),
    query: query ?? undefined,
    field: orderBy?.field ?? 'NAME',
    descending: orderBy?.direction === 'DESC',
    after: after == null ? undefined : parseRefCursor(after),
    first: first ?? DEFAULT_PAGE,
    signal: context.signal,
  });
  const edges = refs.map((ref) => ({
    cursor: refCursor(ref),
    node: { kind: 'ref' as const, repo, ...ref },
  }));
  return {
    edges,
    pageInfo: {
      hasNextPage: hasMore,
      hasPreviousPage: after != null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    },
  };
}

const DEFAULT_PAGE = 20;
const MAX_PAGE = 100;

/** `refs/heads/a/b` is `a/b` in `refs/heads/`. */
function splitName({ name }: ListedRef): { prefix: string; name: string } {
  const [, prefix = '', rest = name.text] =
    /^(refs\/[^/]+\/)(.+)$/s.exec(name.text) ?? /^(refs\/)(.+)$/s.exec(name.text) ?? [];
  return { prefix, name: rest };
}

function nullWhenMissing(error: unknown): null {
  if (error instanceof AppError && error.code === 'NOT_FOUND') return null;
  throw error;
}
