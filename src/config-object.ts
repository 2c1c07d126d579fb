import type { ConfigProblem } from './config-problem.ts';
import type { ConfigNode, ConfigPath, ObjectNode, Place } from './config-tree.ts';

/** What a parser gives: null when the text has no structure to speak of. */
export interface ParsedConfig {
  readonly root: ConfigNode | null;
  readonly problems: readonly ConfigProblem[];
}

/** A key with its value, as the parser met it. */
export interface Member {
  readonly name: string;
  readonly keyAt: Place;
  readonly value: ConfigNode;
}

/** Makes an object of its members; a key that stands there twice is a problem, and the first one counts. */
export function buildObject(
  at: Place,
  members: readonly Member[],
  path: ConfigPath,
  problems: ConfigProblem[],
): ObjectNode {
  const entries = new Map<string, { keyAt: Place; value: ConfigNode }>();
  for (const { name, keyAt, value } of members) {
    const first = entries.get(name);
    if (first !== undefined) {
      const message = `the key is given twice, first on line ${first.keyAt.line}; keep one`;
      problems.push({ place: keyAt, path: [...path, name], message });
    } else if (name === '__proto__') {
      // zod leaves it out in silence: a repository of that name would vanish.
      problems.push({
        place: keyAt,
        path: [...path, name],
        message: 'this name cannot be used; choose another',
      });
    } else {
      entries.set(name, { keyAt, value });
    }
  }
  return { kind: 'object', at, entries };
}
