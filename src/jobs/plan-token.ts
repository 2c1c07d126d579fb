import { createHmac, randomBytes, timingSafeEqual } from 'node:crypto';
import { closeSync, fsyncSync, openSync, readFileSync, renameSync, writeSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { AppError } from '../error.ts';
import { parseBranchName } from '../git/branch-name.ts';
import { isOid } from '../git/oid.ts';
import { pullStrategies } from '../config.ts';

const oidText = z.string().refine(isOid);

/** What a token says: what was asked for, and what a pull must find and do. */
const Sealed = z.object({
  version: z.literal(1),
  repo: z.string(),
  hash: z.string().nullable(),
  strategy: z.enum(pullStrategies),
  command: z.string().nullable(),
  move: z.object({
    head: oidText.nullable(),
    checkedOut: z.string().nullable(),
    index: z.string(),
    remote: z.string().nullable(),
    target: oidText,
    branch: z
      .object({
        name: z.string().transform(parseBranchName),
        local: oidText.nullable(),
        upstream: z.string(),
        upstreamRef: z.string(),
        tracked: oidText.nullable(),
      })
      .nullable(),
  }),
});

export type SealedPlan = Omit<z.output<typeof Sealed>, 'version'>;

/**
 * Turns a plan into a text that a caller can give back, and only this agent can have made: a caller who could
 * write one would choose the commit that a branch is moved to. It is no secret, and needs no memory.
 */
export interface PlanTokens {
  seal(plan: SealedPlan): string;
  /** @throws AppError BAD_USER_INPUT */
  open(token: string): SealedPlan;
}

/** Several times what any plan needs. */
const MAX_TOKEN_LENGTH = 16_384;
const KEY_BYTES = 32;

/**
 * @param stateDir must exist. The key is in it, made when it is missing: a token outlives the agent, and one of
 * an agent with another folder is not taken
 */
export function openPlanTokens(stateDir: string): PlanTokens {
  const key = readKey(join(stateDir, 'plan.key'));
  const macOf = (body: string): Buffer => createHmac('sha256', key).update(body).digest();
  return {
    seal(plan) {
      const body = Buffer.from(JSON.stringify({ version: 1, ...plan })).toString('base64url');
      return `${body}.${macOf(body).toString('base64url')}`;
    },
    open(token) {
      const [body = '', mac = ''] = token.length > MAX_TOKEN_LENGTH ? [] : token.split('.', 2);
      const expected = macOf(body);
      const given = Buffer.from(mac, 'base64url');
      if (given.length !== expected.length || !timingSafeEqual(given, expected)) {
        throw new AppError(
          'BAD_USER_INPUT',
          'this is not a plan of this agent: make one, and give its token as it is',
        );
      }
      const text = Buffer.from(body, 'base64url').toString('utf8');
      return Sealed.parse(JSON.parse(text));
    },
  };
}

function readKey(file: string): Buffer {
  try {
    const key = readFileSync(file);
    if (key.length === KEY_BYTES) return key;
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'ENOENT')) throw error;
  }
  // Whole or not at all, whatever dies meanwhile.
  const key = randomBytes(KEY_BYTES);
  const descriptor = openSync(`${file}.new`, 'w', 0o600);
  try {
    writeSync(descriptor, key);
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
  renameSync(`${file}.new`, file);
  return key;
}
