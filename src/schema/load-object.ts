import { AppError } from '../error.ts';
import type { GitPath } from '../git/git-path.ts';
import type { ObjectInfo } from '../git/object-reader.ts';
import type { Oid } from '../git/oid.ts';
import { parseTag, type Tag } from '../git/tag.ts';
import { CommitType } from './commit.ts';
import { getReadable, type SchemaContext } from './context.ts';
import { objectId, type ObjectKey } from './object-key.ts';

/** A tree, and where it was come upon. */
export interface TreeView extends ObjectKey {
  readonly kind: 'tree';
  /** The commit that it was reached from; null when it was reached by its id. */
  readonly commit: Oid | null;
  /** Its path there; null at the top. */
  readonly path: GitPath | null;
}

export interface BlobView extends ObjectKey {
  readonly kind: 'blob';
  readonly size: number;
}

export interface TagView extends ObjectKey, Tag {
  readonly kind: 'tag';
}

/**
 * What an object is to the schema, by its type.
 * @throws AppError NOT_FOUND when it is not there; and as `ObjectReader.read` does
 */
export async function loadObject(context: SchemaContext, key: ObjectKey) {
  return await viewOf(context, key.repo, await context.objectInfo.load(key));
}

/** The same when what it is is known already. */
export async function viewOf(context: SchemaContext, repo: string, info: ObjectInfo) {
  const { oid, type, size } = info;
  switch (type) {
    case 'commit':
      return await CommitType.getDataloader(context).load(objectId({ repo, oid }));
    case 'tree':
      return treeView({ repo, oid });
    case 'blob':
      return { kind: 'blob', repo, oid, size } satisfies BlobView;
    case 'tag':
      return await readTag(context, { repo, oid });
  }
}

/** @throws AppError NOT_FOUND, when it is there but no blob too */
export async function loadBlob(context: SchemaContext, key: ObjectKey): Promise<BlobView> {
  const { size } = await infoOf(context, key, 'blob');
  return { kind: 'blob', ...key, size };
}

/** @throws AppError NOT_FOUND, when it is there but no tree too */
export async function loadTree(context: SchemaContext, key: ObjectKey): Promise<TreeView> {
  await infoOf(context, key, 'tree');
  return treeView(key);
}

/** @throws AppError NOT_FOUND, when it is there but no tag too; CONFLICT when it is damaged */
export async function loadTag(context: SchemaContext, key: ObjectKey): Promise<TagView> {
  await infoOf(context, key, 'tag');
  return await readTag(context, key);
}

async function infoOf(
  context: SchemaContext,
  key: ObjectKey,
  type: ObjectInfo['type'],
): Promise<ObjectInfo> {
  const info = await context.objectInfo.load(key);
  if (info.type === type) return info;
  throw new AppError('NOT_FOUND', `${key.oid} is a ${info.type} and not a ${type}`);
}

function treeView({ repo, oid }: ObjectKey): TreeView {
  return { kind: 'tree', repo, oid, commit: null, path: null };
}

async function readTag(context: SchemaContext, { repo, oid }: ObjectKey): Promise<TagView> {
  const { repository } = getReadable(context, repo);
  const { body } = await context.objects.read(repository, oid, context.signal);
  return { kind: 'tag', repo, ...parseTag(oid, body) };
}
