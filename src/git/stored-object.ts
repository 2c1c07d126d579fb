import { hash } from 'node:crypto';
import type { Oid } from './oid.ts';

/** The four kinds of object that git stores. */
export type ObjectType = 'commit' | 'tree' | 'blob' | 'tag';

/**
 * One object as it lies in the object database: its type, and its content without git's `type
 * size\0` header.
 */
export interface StoredObject {
  readonly type: ObjectType;
  readonly body: Buffer;
}

/**
 * Whether `id` is the id of `object`: the SHA-1 (40 digits) or SHA-256 (64 digits) of `type
 * size\0body` (gitformat-pack, "Object encoding").
 */
export function hasOid(object: StoredObject, id: Oid): boolean {
  const head = Buffer.from(`${object.type} ${object.body.length}\0`);
  const digest = hash(id.length === 64 ? 'sha256' : 'sha1', Buffer.concat([head, object.body]));
  return digest === id;
}
