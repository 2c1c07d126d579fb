import { AppError } from '../error.ts';
import { parseBranchName } from './branch-name.ts';

declare const refNameBrand: unique symbol;

/** A full ref name, as in `refs/heads/main`, that passed git-check-ref-format's rules. */
export type RefName = string & { readonly [refNameBrand]: true };

/**
 * Reads a ref's full name as a request said it. No name that passes is a pattern or an option.
 * @throws AppError BAD_USER_INPUT, naming the rule that is broken
 */
export function parseRefName(text: string): RefName {
  if (!text.startsWith('refs/')) {
    const shown = JSON.stringify(text.slice(0, 80));
    throw new AppError(
      'BAD_USER_INPUT',
      `${shown} is not a full ref name: it starts with "refs/", as in refs/heads/main`,
    );
  }
  // The rules are the same ones for all that stands below refs/.
  return `refs/${parseBranchName(text.slice('refs/'.length))}` as RefName;
}
