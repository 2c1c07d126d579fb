import { resolveArrayConnection } from '@pothos/plugin-relay';
import type { GitActor } from '../git/actor.ts';
import { messageBody, messageHeadline } from '../git/commit-message.ts';
import { isOid, type Oid } from '../git/oid.ts';
import { AppError } from '../error.ts';
import { builder } from './builder.ts';
import { loadCommits, type RepoCommit, type SchemaContext } from './context.ts';
import { GitObjectType } from './git-object.ts';

/** Where a commit is found: an id alone does not say in which repository. */
export interface CommitKey {
  readonly repo: string;
  readonly oid: Oid;
}

/** The key as it stands in a global id. */
export function commitId({ repo, oid }: CommitKey): string {
  return `${oid}:${repo}`;
}

/** A commit that this operation has read with a history; else its id, which Pothos loads. */
export function commitOrId({ knownCommits }: SchemaContext, key: CommitKey): RepoCommit | string {
  const id = commitId(key);
  return knownCommits.get(id) ?? id;
}

function parseCommitId(id: string): CommitKey {
  const colon = id.indexOf(':');
  const oid = id.slice(0, colon);
  if (!isOid(oid))
    throw new AppError('BAD_USER_INPUT', `${JSON.stringify(id)} is not a commit's id`);
  return { repo: id.slice(colon + 1), oid };
}

export const GitActorType = builder.objectRef<GitActor>('GitActor').implement({
  description: 'Who wrote, committed or tagged something, as the object itself says it.',
  fields: (t) => ({
    name: t.exposeString('name', { description: 'May be empty.' }),
    email: t.exposeString('email', { description: 'May be empty, and need not be an address.' }),
    date: t.expose('date', {
      type: 'DateTime',
      nullable: true,
      description: 'When; null when it has no date that makes sense.',
    }),
    timezone: t.exposeString('timezone', {
      description: 'The offset from UTC where it was written, such as `+0100`.',
    }),
  }),
});

export const CommitType = builder.loadableNodeRef('Commit', {
  id: {
    resolve: (commit: RepoCommit) => commitId(commit),
    description: 'Identifies this commit in this repository; give it to `node`.',
  },
  load: async (ids: string[], context): Promise<(RepoCommit | Error)[]> =>
    await loadCommits(context, ids.map(parseCommitId)),
});

export const CommitConnection = builder.connectionObject(
  { type: CommitType, name: 'CommitConnection', nodeNullable: true },
  { name: 'CommitEdge' },
);

CommitType.implement({
  interfaces: [GitObjectType],
  description: 'A commit. Reading one costs no git child where its object is an ordinary one.',
  isTypeOf: (value) => typeof value === 'object' && value !== null && 'treeOid' in value,
  fields: (t) => ({
    oid: t.exposeString('oid', {
      description: 'Its object id: 40 hexadecimal digits, or 64 in a SHA-256 repository.',
    }),
    hash: t.exposeString('oid', {
      description: 'A synonym of `oid`, the name that the REST interface uses.',
    }),
    abbreviatedOid: t.string({
      description:
        'The first 7 digits of its object id. They need not be enough to tell it from all others.',
      resolve: (commit) => commit.oid.slice(0, 7),
    }),
    message: t.exposeString('message', {
      description: 'The whole message, with the newline at its end where it has one.',
    }),
    messageRaw: t.expose('messageRaw', {
      type: 'Base64',
      nullable: true,
      description: "The message's bytes when they are not UTF-8, else null.",
    }),
    messageHeadline: t.string({
      description: "The message's first paragraph, as one line.",
      resolve: (commit) => messageHeadline(commit.message),
    }),
    messageBody: t.string({
      description: 'What follows the first paragraph.',
      resolve: (commit) => messageBody(commit.message),
    }),
    author: t.expose('author', { type: GitActorType, description: 'Who wrote it.' }),
    committer: t.expose('committer', {
      type: GitActorType,
      description: 'Who put it into the history, for example by rebasing.',
    }),
    parents: t.connection(
      {
        type: CommitType,
        description: 'The commits that it was made upon: none, one, or several for a merge.',
        nodeNullable: true,
        resolve: ({ repo, parentOids }, args, context) =>
          resolveArrayConnection(
            { args },
            parentOids.map((oid) => commitOrId(context, { repo, oid })),
          ),
      },
      CommitConnection,
    ),
  }),
});
