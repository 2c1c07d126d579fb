import { randomUUID } from 'node:crypto';
import { parseBranchName } from '../git/branch-name.ts';
import type { Git } from '../git/git.ts';
import { readHead, type Head } from '../git/head.ts';
import { redactUrls } from '../git/redact.ts';
import { settleMove, type Settled } from '../git/settle-move.ts';
import { sweepRepository } from '../git/stale-lock.ts';
import { openWorkingCopy } from '../git/working-copy.ts';
import { createChildRecorder } from './child-recorder.ts';
import type { Job } from './job.ts';
import { finished } from './job-end.ts';
import type { JobProgressNote, JobStage } from './job-note.ts';
import type { Journal } from './journal.ts';
import { endLeftProcesses } from './left-process.ts';
import type { OutputLogs } from './output-log.ts';
import type { Repositories, ServedRepository } from './repositories.ts';

export interface RecoveryDeps {
  readonly git: Git;
  readonly repositories: Repositories;
  readonly journal: Journal;
  readonly outputs: OutputLogs;
  readonly killSeconds: number;
  /** Told of each job that was interrupted, and line by line what was done about it. */
  readonly onRecovered: (job: Job, steps: readonly string[]) => void;
  /** Told what went wrong meanwhile. */
  readonly onBug: (error: unknown, job: Job) => void;
}

/** How long bringing a working copy to one of its two states may take. */
const SETTLE_MS = 30 * 60_000;

/**
 * Clears up after an agent that was killed, before any new work is taken: ends what its jobs left running,
 * removes their locks, brings their working copies to one state, and marks the jobs INTERRUPTED with what
 * is known. All of it can be repeated, should this agent be killed too. What cannot be done is told, and
 * keeps nobody from starting.
 */
export async function recoverJobs(deps: RecoveryDeps): Promise<void> {
  const byFolder = Map.groupBy(
    deps.journal.listUnfinished(),
    (job) => findServed(deps, job)?.repository.gitDir ?? '',
  );
  await Promise.all(
    byFolder.values().map(async (jobs) => {
      for (const job of jobs) await recoverJob(deps, job);
    }),
  );
}

/** What is to be told of one job. */
interface Findings {
  readonly stage: JobStage | null;
  readonly steps: string[];
  after: Head['oid'];
  settled: Settled | 'UNKNOWN' | null;
  readonly detail: Record<string, unknown>;
}

async function recoverJob(deps: RecoveryDeps, job: Job): Promise<void> {
  const progress = deps.journal.findProgress(job.id);
  const findings: Findings = {
    stage: progress?.stage ?? null,
    steps: [],
    after: job.after,
    settled: null,
    detail: progress === null ? {} : { stage: progress.stage },
  };
  try {
    await clearUp(deps, job, progress, findings);
  } catch (error) {
    findings.steps.push('something went wrong; the log says what');
    if (progress?.move != null) findings.settled = 'UNKNOWN';
    deps.onBug(error, job);
  }
  const { steps, detail } = findings;
  const message = describe(findings);
  if (job.state === 'RUNNING') await print(deps, job, [...steps, message]);
  const interrupted = finished({ ...job, after: findings.after }, 'INTERRUPTED', {
    code: 'INTERRUPTED',
    message,
    detail: Object.keys(detail).length === 0 ? null : { ...detail, steps },
  });
  try {
    deps.journal.update(interrupted);
  } catch (error) {
    deps.onBug(error, job);
  }
  deps.onRecovered(interrupted, steps);
}

async function clearUp(
  deps: RecoveryDeps,
  job: Job,
  progress: JobProgressNote | null,
  findings: Findings,
): Promise<void> {
  const { steps, detail } = findings;
  const children = deps.journal.listChildren(job.id);
  const { ended, kept } = await endLeftProcesses(children, deps.killSeconds * 1000);
  for (const each of ended) steps.push(`ended ${each}, which the dead agent had left running`);
  for (const each of kept) steps.push(`left running: ${each}`);
  if (ended.length > 0) detail['ended'] = ended;
  const served = findServed(deps, job);
  if (served === null || job.state === 'QUEUED') return;
  const { repository } = served;
  let isLocked = kept.length > 0;
  const [first] = children;
  if (first !== undefined && !isLocked) {
    const sweep = await sweepRepository(repository, first.startedAt);
    for (const path of sweep.removed) steps.push(`removed ${path}, which the job had left`);
    for (const { path, reason } of sweep.kept) {
      steps.push(`left ${path}, for ${reason}: remove it by hand if no git works there`);
    }
    isLocked = sweep.kept.length > 0;
    if (sweep.removed.length > 0) detail['removed'] = sweep.removed;
    if (sweep.kept.length > 0) detail['locked'] = sweep.kept.map(({ path }) => path);
  }
  const signal = AbortSignal.timeout(SETTLE_MS);
  if (progress?.move != null) {
    if (isLocked) {
      findings.settled = 'UNKNOWN';
      steps.push('the working copy is left as it was found');
    } else {
      findings.settled = await settle(deps, job, served, progress, steps, signal);
    }
    detail['workingCopy'] = findings.settled;
  }
  findings.after = (await readHead(deps.git, repository, signal)).oid;
}

async function settle(
  deps: RecoveryDeps,
  job: Job,
  { repository, config }: ServedRepository,
  { move, origin }: JobProgressNote,
  steps: string[],
  signal: AbortSignal,
): Promise<Settled | null> {
  if (move === null) return null;
  const { git } = deps;
  const recorder = createChildRecorder(deps.journal, job.id, (error) => {
    deps.onBug(error, job);
  });
  return await git.track(recorder, async () => {
    const onOutput = (): void => undefined;
    const settled = await settleMove(
      {
        git,
        repository,
        signal,
        savedRef: `refs/gitagent/saved/${job.id}-${randomUUID().slice(0, 8)}`,
        say: (line) => steps.push(line),
        onOutput,
      },
      move,
    );
    if (settled !== 'BEFORE' || origin === null || origin.branch === move.from.branch) {
      return settled;
    }
    // It was the second of two: the first had checked out the branch that was to be merged or rebased.
    const { sshCommand } = config;
    const options = { signal, onOutput, ...(sshCommand === undefined ? {} : { sshCommand }) };
    const workingCopy = openWorkingCopy(git, repository, options);
    if (origin.oid === null) return settled;
    if (origin.branch === null) await workingCopy.detach(origin.oid);
    else await workingCopy.switchTo(parseBranchName(origin.branch), origin.oid, null);
    steps.push(`checked out ${origin.branch ?? origin.oid} again`);
    return settled;
  });
}

const WHILE: Readonly<Record<JobStage, string>> = {
  PREPARE: '',
  FETCH: ' while it was fetching',
  MOVE: ' while it was moving the working copy',
  COMMAND: ' while its command ran',
  PUSH: ' while it took a push',
};

const NOW: Readonly<Record<Settled | 'UNKNOWN', string>> = {
  BEFORE: '; the working copy is as it was before',
  AFTER: '; the working copy is where it was to be',
  ELSEWHERE: '; somebody has moved HEAD since, so the working copy is left alone',
  UNKNOWN: '; the working copy may be half moved: see "git status" there',
};

function describe({ stage, settled }: Findings): string {
  const during = stage === null ? '' : WHILE[stage];
  return `the agent ended before the job did${during}${settled === null ? '' : NOW[settled]}`;
}

/** Who reads the output later is told, too, below what the job printed last. */
async function print(deps: RecoveryDeps, job: Job, lines: readonly string[]): Promise<void> {
  const text = lines.map((line) => `gitagent: ${redactUrls(line)}\n`).join('');
  await deps.outputs.amend(job.id, text).catch((error: unknown) => {
    deps.onBug(error, job);
  });
}

/** null when the repository is not configured any more. */
function findServed({ repositories }: RecoveryDeps, job: Job): ServedRepository | null {
  return repositories.list().find(({ name }) => name === job.repo) ?? null;
}
