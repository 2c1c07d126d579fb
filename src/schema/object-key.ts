import { AppError } from '../error.ts';
import { isOid, type Oid } from '../git/oid.ts';

/** Where an object is found: an id alone does not say in which repository. */
export interface ObjectKey {
  readonly repo: string;
  readonly oid: Oid;
}

/** The key as it stands in a global id. */
export function objectId({ repo, oid }: ObjectKey): string {
  return `${oid}:${repo}`;
}

/** @throws AppError BAD_USER_INPUT */
export function parseObjectId(id: string): ObjectKey {
  const colon = id.indexOf(':');
  const oid = id.slice(0, colon);
  if (isOid(oid)) return { repo: id.slice(colon + 1), oid };
  throw new AppError('BAD_USER_INPUT', `${JSON.stringify(id.slice(0, 80))} is not an object's id`);
}
