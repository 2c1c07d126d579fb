import { redactUrls } from './redact.ts';

/** What a git child did, as facts. Callers branch on these, never on the text of `stderr`. */
export interface GitCommandFacts {
  /** Arguments after `git`; for people and logs. */
  readonly args: readonly string[];
  /** null when a signal ended the child. */
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  /** The last 64 KiB at most. */
  readonly stderr: string;
  readonly timedOut: boolean;
  /** It was ended not because it took long, but because it had printed nothing for too long. */
  readonly wasSilent?: boolean;
  readonly isCanceled: boolean;
  /** More came out than the caller was ready to hold. */
  readonly isTruncated: boolean;
}

/** A git child that could not do what it was asked. */
export class GitCommandError extends Error implements GitCommandFacts {
  override readonly name = 'GitCommandError';
  readonly args: readonly string[];
  readonly exitCode: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stderr: string;
  readonly timedOut: boolean;
  readonly wasSilent: boolean;
  readonly isCanceled: boolean;
  readonly isTruncated: boolean;

  constructor(facts: GitCommandFacts, options?: ErrorOptions) {
    super(`git ${facts.args[0] ?? ''} ${describe(facts)}`, options);
    this.args = facts.args;
    this.exitCode = facts.exitCode;
    this.signal = facts.signal;
    this.stderr = facts.stderr;
    this.timedOut = facts.timedOut;
    this.wasSilent = facts.wasSilent ?? false;
    this.isCanceled = facts.isCanceled;
    this.isTruncated = facts.isTruncated;
  }
}

function describe(facts: GitCommandFacts): string {
  if (facts.isCanceled) return 'was cancelled';
  if (facts.wasSilent === true) return 'printed nothing for too long';
  if (facts.timedOut) return 'took too long';
  if (facts.isTruncated) return 'printed too much';
  const outcome = facts.signal === null ? `exit code ${facts.exitCode}` : `signal ${facts.signal}`;
  const reason = facts.stderr.trim();
  return `failed (${outcome})${reason === '' ? '' : `: ${reason}`}`;
}

/** Most of stderr that is kept: its end. */
export const MAX_STDERR_BYTES = 64 * 1024;

/** What is known of a git that failed; the rest is said to be as usual. */
export function failedGit(
  args: readonly string[],
  facts: Partial<GitCommandFacts>,
  cause?: unknown,
): GitCommandError {
  const none = { exitCode: null, signal: null, stderr: '' };
  const flags = { timedOut: false, isCanceled: false, isTruncated: false };
  const stderr = redactUrls(facts.stderr ?? '');
  return new GitCommandError({ args, ...none, ...flags, ...facts, stderr }, { cause });
}
