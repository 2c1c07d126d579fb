import { AppError } from './error.ts';
import type { ConfigPath, Place } from './config-tree.ts';

/** One mistake in the configuration. */
export interface ConfigProblem {
  readonly place: Place;
  /** Path of the key, empty when the mistake is the whole file's. */
  readonly path: ConfigPath;
  /** What is wrong; what to do. Never contains a secret. */
  readonly message: string;
}

/** The configuration cannot be used: BAD_USER_INPUT, with every mistake that was found, one a line. */
export class ConfigError extends AppError {
  readonly problems: readonly ConfigProblem[];

  constructor(problems: readonly ConfigProblem[]) {
    const inOrder = problems.toSorted(
      // Stable, so mistakes of other sources stay together after the file's.
      (a, b) =>
        (a.place.line ?? Infinity) - (b.place.line ?? Infinity) ||
        (a.place.column ?? Infinity) - (b.place.column ?? Infinity) ||
        0,
    );
    super('BAD_USER_INPUT', inOrder.map(formatProblem).join('\n'));
    this.problems = inOrder;
  }
}

/** `FILE:LINE:COLUMN: key.path: what is wrong; what to do` */
export function formatProblem({ place, path, message }: ConfigProblem): string {
  const where = [place.source, place.line, place.column]
    .filter((part) => part !== undefined)
    .join(':');
  return [where, formatKey(path), message].filter((part) => part !== '').join(': ');
}

/** `repo.demo.command["say hi"].argv[0]` */
export function formatKey(path: ConfigPath): string {
  return path
    .map((step, index) => {
      if (typeof step === 'number') return `[${step}]`;
      const name = String(step);
      if (!/^[\p{L}\p{N}_$-]+$/u.test(name)) return `[${JSON.stringify(name)}]`;
      return index === 0 ? name : `.${name}`;
    })
    .join('');
}
