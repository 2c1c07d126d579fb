import { AppError } from '../error.ts';

declare const oidBrand: unique symbol;
declare const abbreviatedOidBrand: unique symbol;

/** A full object id: 40 (SHA-1) or 64 (SHA-256) lower-case hexadecimal digits. */
export type Oid = string & { readonly [oidBrand]: true };

/** An object id as a person types it: 4 to 64 hexadecimal digits, possibly ambiguous. */
export type AbbreviatedOid = string & { readonly [abbreviatedOidBrand]: true };

const OID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;
/** 4 is git's own `core.abbrev` minimum. */
const ABBREVIATED_OID = /^[0-9a-f]{4,64}$/;

/** Whether `text` is a full object id. */
export function isOid(text: string): text is Oid {
  return OID.test(text);
}

/**
 * Brands a full object id that git printed.
 * @throws Error when it is not one: then git's output was misread, which is a bug and not the caller's mistake.
 */
export function oid(text: string): Oid {
  if (!isOid(text)) throw new Error(`not an object id: ${JSON.stringify(text.slice(0, 80))}`);
  return text;
}

/** Whether this is the all-zero id that git prints for "no object". */
export function isNullOid(text: string): boolean {
  return /^0+$/.test(text);
}

/**
 * Reads a commit's hash as a request said it, full or abbreviated, in either case.
 * @throws AppError BAD_USER_INPUT
 */
export function parseAbbreviatedOid(text: string): AbbreviatedOid {
  const lowered = text.trim().toLowerCase();
  if (!ABBREVIATED_OID.test(lowered)) {
    throw new AppError(
      'BAD_USER_INPUT',
      `${JSON.stringify(text.slice(0, 80))} is not a commit hash: give 4 to 64 hexadecimal digits`,
    );
  }
  return lowered as AbbreviatedOid;
}
