import { closest, distance } from 'fastest-levenshtein';
import type { z } from 'zod';
import { configJsonSchema } from './config.ts';
import type { ConfigProblem } from './config-problem.ts';
import {
  type ConfigNode,
  type ConfigPath,
  findNode,
  placeOfKey,
  placeOfValue,
} from './config-tree.ts';

type Issue = z.core.$ZodIssue;
type JsonSchema = z.core.JSONSchema._JSONSchema;

/** Turns what zod found into problems with places. */
export function problemsFromIssues(issues: readonly Issue[], root: ConfigNode): ConfigProblem[] {
  const schema = configJsonSchema();
  const mistaken = new Set<string>();
  const problems: (ConfigProblem & { missing?: boolean })[] = [];
  for (const issue of issues.flatMap((issue) => flatten(issue, []))) {
    if (issue.code === 'unrecognized_keys') {
      for (const key of issue.keys) {
        const known = keysAt(schema, issue.path);
        const nearest = nearestName(key, known);
        if (nearest !== null) mistaken.add(JSON.stringify([...issue.path, nearest].map(String)));
        const advice =
          nearest === null ? `known keys are ${known.join(', ')}` : `did you mean "${nearest}"?`;
        const path = [...issue.path, key];
        problems.push({
          place: placeOfKey(root, path),
          path: issue.path,
          message: `unknown key ${JSON.stringify(key)}; ${advice}`,
        });
      }
    } else {
      const aboutKey = issue.code === 'invalid_key';
      problems.push({
        place: aboutKey ? placeOfKey(root, issue.path) : placeOfValue(root, issue.path),
        path: issue.path,
        message: issue.message,
        missing: !aboutKey && findNode(root, issue.path) === null,
      });
    }
  }
  // A key that was only misspelt is not missing as well.
  return problems.filter(
    ({ missing, path }) => missing !== true || !mistaken.has(JSON.stringify(path.map(String))),
  );
}

/** Words for zod's own issues; a message in the schema goes first. Values are never repeated, except choices. */
export const describeIssue: z.core.$ZodErrorMap = (issue) => {
  switch (issue.code) {
    case 'invalid_type': {
      if (issue.input === undefined) return 'is missing';
      const expected = nouns[issue.expected] ?? issue.expected;
      const hint =
        expected === 'text'
          ? '; put it between double quotes'
          : typeof issue.input === 'string' && /^[\d.]+$/.test(issue.input)
            ? '; write it without quotes'
            : '';
      return `must be ${expected}, not ${nounOf(issue.input)}${hint}`;
    }
    case 'too_small': {
      if (issue.origin === 'number' || issue.origin === 'int') {
        return `must be ${issue.inclusive === true ? 'at least' : 'more than'} ${issue.minimum}`;
      }
      return 'must not be empty';
    }
    case 'too_big':
      return issue.origin === 'string'
        ? `must not be longer than ${issue.maximum} characters`
        : `must be at most ${issue.maximum}`;
    case 'invalid_value': {
      const choices = issue.values.map(String);
      const said =
        typeof issue.input === 'string' ? JSON.stringify(issue.input) : nounOf(issue.input);
      const nearest = typeof issue.input === 'string' ? nearestName(issue.input, choices) : null;
      const advice = nearest === null ? '' : `; did you mean "${nearest}"?`;
      return `must be one of ${choices.join(', ')}, not ${said}${advice}`;
    }
    case 'invalid_key':
      return issue.issues.map(({ message }) => `this name ${message}`).join('; ');
    default:
      return undefined;
  }
};

/**
 * The nearest of the known names, or null when none is near: a few letters apart, or one inside the other.
 */
export function nearestName(name: string, known: readonly string[]): string | null {
  if (known.length === 0) return null;
  const plain = name.toLowerCase();
  const nearest = closest(plain, [...known]);
  const near = Math.max(2, Math.floor(plain.length / 3));
  if (distance(plain, nearest.toLowerCase()) <= near) return nearest;
  return (
    known.find((other) => plain.length > 2 && (other.includes(plain) || plain.includes(other))) ??
    null
  );
}

const nouns: Readonly<Record<string, string>> = {
  string: 'text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  tuple: 'a list',
  object: 'an object',
  record: 'an object',
};

function nounOf(value: unknown): string {
  if (value === null) return 'null';
  if (Array.isArray(value)) return 'a list';
  if (typeof value === 'boolean') return String(value);
  if (typeof value === 'number' && !Number.isInteger(value)) return 'a fraction';
  return nouns[typeof value] ?? typeof value;
}

/** Of a union's branches only the one whose type was meant has something to say. */
function flatten(issue: Issue, parents: ConfigPath): Issue[] {
  const path = [...parents, ...issue.path];
  if (issue.code === 'invalid_union') {
    const meant = issue.errors.find(
      (branch) => !branch.some((inner) => inner.code === 'invalid_type' && inner.path.length === 0),
    );
    if (meant !== undefined) return meant.flatMap((inner) => flatten(inner, path));
  }
  return [{ ...issue, path }];
}

/** The keys that the schema knows at a path. */
function keysAt(schema: JsonSchema, path: ConfigPath): string[] {
  if (typeof schema === 'boolean') return [];
  const [step, ...rest] = path;
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap((branch) => keysAt(branch, path));
  if (step === undefined) return Object.keys(schema.properties ?? {});
  const next = schema.properties?.[String(step)] ?? schema.additionalProperties;
  return next === undefined ? [] : keysAt(next, rest);
}
