import type { Readable } from 'node:stream';
import { AppError } from '../error.ts';
import type { GitOutcome } from '../git/git-process.ts';
import { findRefs } from '../git/ref.ts';
import { readPushHead, type PushHead } from './push-head.ts';
import { createReportReader, formatRefusal } from './push-report.ts';
import type { LandOptions, Push, RefUpdate } from './push.ts';
import { sweepQuarantine } from './quarantine.ts';
import { drain } from './request-body.ts';
import {
  feed,
  finish,
  open,
  sendOutput,
  spawnService,
  toError,
  type ServiceCall,
} from './service.ts';

export type OnPush = (
  push: Push,
  land: (options?: LandOptions) => Promise<readonly RefUpdate[]>,
) => Promise<void>;

export interface ReceiveSettings {
  readonly onPush: OnPush;
  readonly maxCommandBytes: number;
  readonly graceMs: number;
}

const OPENING = { contentType: 'application/x-git-receive-pack-result' };

/**
 * Answers a push. Its commands are read before git is started, so that it can be refused while nothing
 * has been written; then git gets them and the pack.
 * @returns whether anything has landed
 */
export async function receivePack(
  call: ServiceCall,
  body: Readable,
  settings: ReceiveSettings,
): Promise<boolean> {
  const head = await readPushHead(body, settings.maxCommandBytes);
  if (!head.isWhole || head.updates.length === 0) {
    // The probe before a large push (`0000`), or a body that was cut short: git would print nothing.
    answer(call, Buffer.alloc(0));
    return false;
  }
  let landing: Promise<Landing> | undefined;
  const land = async (options: LandOptions = {}): Promise<readonly RefUpdate[]> => {
    landing ??= receive(call, head, body, { ...options, graceMs: settings.graceMs });
    const { updates, outcome } = await landing;
    if (outcome.exitCode !== 0) throw toError(call, outcome);
    return updates;
  };
  const { message, error } = await ask(call, head, settings.onPush, land);
  if (landing === undefined) {
    if (error !== undefined) call.onError(error);
    // Whoever is still sending hears nothing.
    await drain(call.request, Infinity);
    answer(call, formatRefusal(head.updates, head.capabilities, message));
    return false;
  }
  const { outcome, updates, bodyError } = await landing;
  if (error !== undefined && outcome.exitCode === 0) call.onError(error);
  if (bodyError !== null && !call.response.headersSent) throw bodyError;
  finish(call, outcome, OPENING);
  return updates.length > 0;
}

/** Lets the owner's code decide. It refuses by throwing, or by never letting the push land. */
async function ask(
  { request, served, caller }: ServiceCall,
  { updates, options, capabilities }: PushHead,
  onPush: OnPush,
  land: (options?: LandOptions) => Promise<readonly RefUpdate[]>,
): Promise<{ message: string; error?: unknown }> {
  const isAtomic = capabilities.has('atomic');
  try {
    await onPush({ request, repository: served, caller, updates, options, isAtomic }, land);
    return { message: 'not accepted' };
  } catch (error) {
    if (error instanceof AppError) return { message: error.message };
    return { message: "internal error; the server's log says more", error };
  }
}

interface Landing {
  readonly outcome: GitOutcome;
  /** What has landed. */
  readonly updates: readonly RefUpdate[];
  readonly bodyError: Error | null;
}

async function receive(
  call: ServiceCall,
  head: PushHead,
  body: Readable,
  { signal, onOutput, graceMs }: LandOptions & { readonly graceMs: number },
): Promise<Landing> {
  const aborted = AbortSignal.any([call.signal, ...(signal === undefined ? [] : [signal])]);
  const child = await spawnService(call, '--stateless-rpc', { signal: aborted, graceMs });
  let sweeping: Promise<void> | undefined;
  const sweep = (): void => {
    sweeping = sweepQuarantine(call.repository, child).catch(call.onError);
  };
  aborted.addEventListener('abort', sweep, { once: true });
  for (const piece of head.pieces) child.stdin.write(piece);
  const feeding = feed(body, child);
  const report = createReportReader(head.capabilities, onOutput);
  const outcome = await sendOutput(child, call.response, OPENING, (chunk) => {
    try {
      report.read(chunk);
    } catch (error) {
      // Whoever wanted to know more of the push is told; the push itself goes on.
      call.onError(error);
    }
  });
  aborted.removeEventListener('abort', sweep);
  await sweeping;
  return {
    outcome,
    updates: await landedOf(call, head, report.landed()),
    bodyError: await feeding,
  };
}

/** What git reported to have moved; where it was asked for no report, what the refs say now. */
async function landedOf(
  { git, repository }: ServiceCall,
  { updates }: PushHead,
  reported: ReadonlySet<string> | null,
): Promise<readonly RefUpdate[]> {
  if (reported !== null) return updates.filter(({ name }) => reported.has(name));
  const names = updates.map(({ name }) => name);
  const refs = await findRefs(git, repository, names, new AbortController().signal);
  return updates.filter(({ name, afterOid }) => (refs.get(name)?.oid ?? null) === afterOid);
}

function answer({ response }: ServiceCall, bytes: Buffer): void {
  if (response.destroyed) return;
  open(response, OPENING);
  response.end(bytes);
}
