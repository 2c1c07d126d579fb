import { InvalidArgumentError, type Command } from 'commander';
import {
  jobDocument,
  jobOutputDocument,
  jobsDocument,
  repoDocument,
  type JobOutputQuery,
  type JobsQuery,
} from './client/index.ts';
import { runClientCommand, type Session } from './cli-connection.ts';
import { formatTable, visible, type Colour } from './cli-terminal.ts';
import { AppError } from './error.ts';

type ListedJob = JobsQuery['jobs']['nodes'][number];

export function addLogCommands(program: Command): void {
  program
    .command('logs')
    .description('what a job has printed')
    .argument('<job|repo>', 'id of a job; or name of a repository, for its newest job')
    .option('-f, --follow', 'go on until it ends; of a repository the running job, or the next one')
    .action(async (name: string, { follow = false }: { follow?: boolean }, command: Command) => {
      await runClientCommand(command, async (session) => {
        const job = await findJob(session, name);
        if (follow) {
          const wanted = job === null ? { repo: name } : { job };
          for await (const chunk of session.client.followOutput(wanted))
            await print(session, chunk);
        } else {
          await printPages(session, job ?? (await newestJob(session, name)));
        }
        return 0;
      });
    });

  program
    .command('jobs')
    .description('what was pulled, pushed and run, newest first')
    .argument('[repo]', 'only in this repository')
    .option('-n, --count <number>', 'at most so many', parseCount, 20)
    .action(async (repo: string | undefined, { count }: { count: number }, command: Command) => {
      await runClientCommand(command, async (session) => {
        const jobs = await listJobs(session, repo ?? null, count);
        if (session.isJson) await session.printJson(jobs);
        else await session.print(formatTable(jobs.map(rowOf), session.out));
        return 0;
      });
    });
}

function parseCount(text: string): number {
  const count = Number(text);
  if (/^\d+$/.test(text) && count > 0) return count;
  throw new InvalidArgumentError('It must be a whole number.');
}

async function print(
  session: Session,
  chunk: { readonly text: string; readonly textRaw: string | null },
): Promise<void> {
  if (session.isJson) await session.print(`${JSON.stringify(chunk)}\n`);
  else await session.printOutput(chunk);
}

/** null when it names no job. */
async function findJob({ client }: Session, name: string): Promise<string | null> {
  // A repository may have any name; a job's key is a UUID, and its id a long one in base 64.
  if (!/^[0-9a-f-]{36}$/.test(name) && name.length < 40) return null;
  const { job } = await client.query(jobDocument, { id: name });
  return job?.key ?? null;
}

async function newestJob(session: Session, repo: string): Promise<string> {
  const [newest] = await listJobs(session, repo, 1);
  if (newest !== undefined) return newest.key;
  const found = await session.client.query(repoDocument, { name: repo });
  if (found.repo === null) {
    throw new AppError('NOT_FOUND', `there is no job or repository ${JSON.stringify(repo)}`);
  }
  throw new AppError('NOT_FOUND', `nothing was pulled or run in ${JSON.stringify(repo)} yet`);
}

async function printPages(session: Session, id: string): Promise<void> {
  for (let after: string | null = null; ;) {
    const data: JobOutputQuery = await session.client.query(jobOutputDocument, {
      id,
      first: 10,
      after,
    });
    const { job } = data;
    if (job === null) throw new AppError('NOT_FOUND', `there is no job ${id}`);
    for (const chunk of job.output.nodes) await print(session, chunk);
    if (!job.output.pageInfo.hasNextPage) return;
    after = job.output.pageInfo.endCursor;
  }
}

const PAGE = 100;

async function listJobs(
  { client }: Session,
  repo: string | null,
  count: number,
): Promise<ListedJob[]> {
  const jobs: ListedJob[] = [];
  for (let after: string | null = null; jobs.length < count;) {
    const first = Math.min(PAGE, count - jobs.length);
    const data: JobsQuery = await client.query(jobsDocument, { repo, first, after });
    jobs.push(...data.jobs.nodes);
    if (!data.jobs.pageInfo.hasNextPage) break;
    after = data.jobs.pageInfo.endCursor;
  }
  return jobs;
}

const COLOURS: Partial<Record<ListedJob['state'], Colour>> = {
  SUCCEEDED: 'green',
  RUNNING: 'cyan',
  FAILED: 'red',
};

function rowOf(job: ListedJob): { text: string; colour?: Colour | undefined }[] {
  const what = [job.kind.toLowerCase(), job.branch, job.command].filter((part) => part !== null);
  return [
    { text: job.key },
    { text: visible(job.repo?.name ?? '-') },
    { text: job.state.toLowerCase(), colour: COLOURS[job.state] },
    { text: visible(what.join(' ')) },
    { text: (job.startedAt ?? job.queuedAt).replace('T', ' ').slice(0, 19) },
    { text: visible(job.error?.message ?? ''), colour: 'dim' },
  ];
}
