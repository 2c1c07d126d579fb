import { AppError } from '../error.ts';

declare const branchNameBrand: unique symbol;

/** A branch name without `refs/heads/` that passed git-check-ref-format's rules and cannot be read as an option. */
export type BranchName = string & { readonly [branchNameBrand]: true };

/** A file below refs/ holds the name, and its lock adds `.lock`: 255 bytes is every file system's limit. */
const MAX_COMPONENT_BYTES = 250;
const MAX_BYTES = 1000;

/**
 * The rules of git-check-ref-format(1), rule by rule, for a name that will stand below refs/heads/.
 * `checkout` does not know `--end-of-options`, so this brand is what keeps a name from being an option.
 */
const RULES: readonly (readonly [broken: (name: string) => boolean, rule: string])[] = [
  [(name) => name === '', 'it is empty'],
  [(name) => name.startsWith('-'), 'it starts with "-"'],
  // oxlint-disable-next-line no-control-regex -- control characters are what the rule is about
  [(name) => /[\u0000-\u001f\u007f]/.test(name), 'it contains a control character'],
  [(name) => /[ ~^:?*[\\]/.test(name), 'it contains a space or one of ~ ^ : ? * [ \\'],
  [(name) => name.includes('..'), 'it contains ".."'],
  [(name) => name.includes('@{'), 'it contains "@{"'],
  [
    (name) => name === '@' || name === 'HEAD',
    `"@" and "HEAD" name the present commit, not a branch`,
  ],
  [(name) => name.endsWith('.'), 'it ends with "."'],
  [(name) => name.split('/').includes(''), 'it starts or ends with "/", or contains "//"'],
  [(name) => name.split('/').some((part) => part.startsWith('.')), 'a part of it starts with "."'],
  [
    (name) => name.split('/').some((part) => part.endsWith('.lock')),
    'a part of it ends with ".lock"',
  ],
  [(name) => !name.isWellFormed(), 'it is not well-formed Unicode'],
  [
    (name) =>
      Buffer.byteLength(name) > MAX_BYTES ||
      name.split('/').some((part) => Buffer.byteLength(part) > MAX_COMPONENT_BYTES),
    `it is longer than ${MAX_BYTES} bytes, or a part of it longer than ${MAX_COMPONENT_BYTES}`,
  ],
];

/**
 * Reads a branch name as a request or the configuration said it.
 * @throws AppError BAD_USER_INPUT, naming the rule that is broken
 */
export function parseBranchName(text: string): BranchName {
  for (const [broken, rule] of RULES) {
    if (broken(text)) {
      throw new AppError('BAD_USER_INPUT', `${quote(text)} is not a branch name: ${rule}`);
    }
  }
  return text as BranchName;
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}
