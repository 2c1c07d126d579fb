import { AppError } from '../error.ts';
import { gitPath, type GitPath } from './git-path.ts';

declare const revisionBrand: unique symbol;

/**
 * A revision as a request said it (gitrevisions(7)), without a path: a ref, a full or abbreviated object id,
 * and any of `~`, `^` and `^{TYPE}` behind it. Only for the standard input of `git cat-file`.
 */
export type Revision = string & { readonly [revisionBrand]: true };

/** What `REVISION:PATH` names; `path` is null where there is no colon. */
export interface RevisionExpression {
  readonly revision: Revision;
  readonly path: GitPath | null;
}

/** As long as a path may be (PATH_MAX). */
const MAX_BYTES = 4096;

const RULES: readonly (readonly [broken: (text: string) => boolean, rule: string])[] = [
  [(text) => text === '', 'it is empty; write HEAD for the present commit'],
  [
    (text) => text.startsWith('-'),
    'it starts with "-"; write refs/heads/NAME for a branch of such a name',
  ],
  // oxlint-disable-next-line no-control-regex -- a newline would end the line that git reads
  [(text) => /[\u0000-\u001f\u007f]/.test(text), 'it contains a control character'],
  [(text) => !text.isWellFormed(), 'it is not well-formed Unicode'],
  // These walk all of history, by a regular expression.
  [
    (text) => text.includes('^{/'),
    'searching for text ("^{/TEXT}") is not allowed; give an object id',
  ],
  // The reflog is the owner's own memory of what he did; `@{upstream}` and `@{push}` are configuration.
  [(text) => text.includes('@{'), '"@{" is not allowed; give a branch or an object id'],
  [(text) => text.includes('..'), 'it names a range; give one end of it'],
  [(text) => /[~^]\d{7}/.test(text), 'it goes back more than 999999 commits; give an object id'],
];

/**
 * Reads `REVISION` or `REVISION:PATH` as a request said it. The path may be anything; what git makes of the
 * index (`:PATH`) and of a search (`:/TEXT`) is refused.
 * @throws AppError BAD_USER_INPUT, naming the rule that is broken
 */
export function parseRevisionExpression(text: string): RevisionExpression {
  if (Buffer.byteLength(text) > MAX_BYTES) refuse(text, `it is longer than ${MAX_BYTES} bytes`);
  if (text.startsWith(':')) {
    refuse(
      text,
      'it starts with ":", which names the index or searches for text; write REVISION:PATH',
    );
  }
  const colon = text.indexOf(':');
  const revision = colon === -1 ? text : text.slice(0, colon);
  for (const [broken, rule] of RULES) if (broken(revision)) refuse(text, rule);
  const path = colon === -1 ? null : gitPath(Buffer.from(text.slice(colon + 1)));
  return { revision: revision as Revision, path };
}

/** The revision peeled to an object of this type, as `^{TYPE}` says it. */
export function peeled(revision: Revision, type: 'commit' | 'tree'): Revision {
  return `${revision}^{${type}}` as Revision;
}

function refuse(text: string, rule: string): never {
  const shown = JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
  throw new AppError('BAD_USER_INPUT', `${shown} is not a revision: ${rule}`);
}
