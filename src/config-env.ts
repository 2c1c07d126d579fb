import { readFile } from 'node:fs/promises';
import { resolve } from 'node:path';
import type { z } from 'zod';
import { configJsonSchema } from './config.ts';
import { nearestName } from './config-mistake.ts';
import type { ConfigProblem } from './config-problem.ts';
import { type ConfigNode, nodeOf, type Place, withValue } from './config-tree.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

/** What was given on the command line. */
export interface ConfigFlags {
  readonly bindIp?: string | undefined;
  readonly port?: string | number | undefined;
  readonly stateDir?: string | undefined;
  readonly gitBase?: string | undefined;
  readonly accessfile?: string | undefined;
  readonly realm?: string | undefined;
  /** Listen beyond loopback although nobody has to show credentials. */
  readonly insecure?: boolean | undefined;
}

/** A configuration with values laid over it. */
export interface Overlay {
  readonly root: ConfigNode;
  readonly problems: readonly ConfigProblem[];
  readonly warnings: readonly string[];
}

/**
 * Set by the agent for the commands it runs; an agent that such a command starts is not configured by
 * them. And `GITAGENT_URL`, which says which agent the command line talks to.
 */
const notOfConfig = new Set(
  ['REPO', 'JOB', 'BRANCH', 'BEFORE', 'AFTER', 'CALLER', 'URL'].map((name) => `GITAGENT_${name}`),
);

/** Lays `GITAGENT_*` over a configuration: `GITAGENT_LIMITS_QUEUE` is `limits.queue`. Lists are split at commas. */
export async function overlayEnvironment(
  root: ConfigNode,
  env: Environment,
  cwd: string,
): Promise<Overlay> {
  const variables = listVariables();
  const problems: ConfigProblem[] = [];
  const warnings: string[] = [];
  let result = root;
  for (const [name, value] of Object.entries(env)) {
    if (value === undefined || !name.startsWith('GITAGENT_') || notOfConfig.has(name)) continue;
    const variable = variables.get(name);
    if (variable === undefined) {
      const nearest = nearestName(name, [...variables.keys()]);
      warnings.push(
        `${name}: unknown variable; ${nearest === null ? 'it has no effect' : `did you mean ${nearest}?`}`,
      );
      continue;
    }
    const { path, type, fileOf } = variable;
    // Empty is left out; but a list may be empty, and an empty secret would be an open door.
    const isSecret = fileOf !== null || variables.has(`${name}_FILE`);
    if (value === '' && type !== 'array' && !isSecret) continue;
    const place: Place = { source: name };
    if (fileOf === null) {
      result = withValue(result, path, nodeOf(parseValue(path, value, type, cwd), place));
    } else if (env[fileOf] === undefined) {
      const secret = await readSecret(resolve(cwd, value));
      if (secret === null) {
        problems.push({
          place,
          path,
          message: `cannot read ${JSON.stringify(value)}; check the path and its permissions`,
        });
      }
      // Unread, it still counts as given: "no password" would be a second, false mistake.
      result = withValue(result, path, nodeOf(secret ?? 'unread', place));
    } else {
      problems.push({ place, path, message: `${fileOf} is set as well; keep one of them` });
    }
  }
  return { root: result, problems, warnings };
}

/** Lays what was given on the command line over a configuration. */
export function overlayFlags(root: ConfigNode, flags: ConfigFlags, cwd: string): ConfigNode {
  const given: [flag: string, key: string, value: string | number | undefined][] = [
    ['--bind-ip', 'bind_ip', flags.bindIp],
    ['--port', 'port', flags.port],
    ['--state-dir', 'state_dir', flags.stateDir],
    ['--git-base', 'git_base', flags.gitBase],
    ['--accessfile', 'accessfile', flags.accessfile],
    ['--realm', 'realm', flags.realm],
  ];
  return given.reduce((result, [flag, key, value]) => {
    if (value === undefined) return result;
    const type = key === 'port' ? 'integer' : 'string';
    return withValue(
      result,
      [key],
      nodeOf(parseValue([key], String(value), type, cwd), { source: flag }),
    );
  }, root);
}

interface Variable {
  readonly path: readonly string[];
  readonly type: string;
  /** The variable that gives the secret itself, when this one names a file with it. */
  readonly fileOf: string | null;
}

/** Every variable, derived from the schema; `repo` is too deep for one. */
function listVariables(): ReadonlyMap<string, Variable> {
  const variables = new Map<string, Variable>();
  const visit = (schema: z.core.JSONSchema.BaseSchema, path: readonly string[]) => {
    for (const [key, child] of Object.entries(schema.properties ?? {})) {
      if (typeof child === 'boolean' || key.startsWith('$')) continue;
      const name = ['GITAGENT', ...path, key].join('_').toUpperCase();
      const { properties, type } = child;
      if (properties !== undefined) visit(child, [...path, key]);
      else if (typeof type === 'string' && type !== 'object') {
        variables.set(name, { path: [...path, key], type, fileOf: null });
        if (child.writeOnly === true) {
          variables.set(`${name}_FILE`, { path: [...path, key], type, fileOf: name });
        }
      }
    }
  };
  visit(configJsonSchema(), []);
  return variables;
}

const PATHS: ReadonlySet<string> = new Set(['state_dir', 'git_base', 'accessfile']);

/** What is no number stays text, for the schema to refuse. */
function parseValue(path: readonly string[], text: string, type: string, cwd: string): unknown {
  if (type === 'integer' || type === 'number')
    return /^-?\d+(\.\d+)?$/.test(text) ? Number(text) : text;
  if (type === 'array')
    return text
      .split(',')
      .map((item) => item.trim())
      .filter((item) => item !== '');
  if (type === 'boolean') return text === 'true' ? true : text === 'false' ? false : text;
  // In the file a path is relative to the file; here, to where the user stands.
  return PATHS.has(path[0] ?? '') && /^[^~$]/.test(text) ? resolve(cwd, text) : text;
}

async function readSecret(path: string): Promise<string | null> {
  const text = await readFile(path, 'utf8').catch(() => null);
  return text?.replace(/\r?\n$/, '') ?? null;
}
