/**
 * One output of 100 lines a second, and 1,000 who follow it over graphql-ws: how late a line is, whether each
 * line comes to each in order, and what memory they cost. Then the same with 100 who do not read.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { readProc, startAgent, type AgentProcess } from '../test/support/agent-process.ts';
import { createFixture, initRepository } from '../test/support/git-fixture.ts';
import { printRows, type Row } from './support/row.ts';

const READERS = Number(process.env['READERS'] ?? 1000);
const LINES_PER_SECOND = Number(process.env['LINES'] ?? 100);
const SECONDS = Number(process.env['SECONDS'] ?? 8);

interface Seen {
  readonly lines: number;
  readonly events: number;
  readonly disorder: number;
  readonly p50: number;
  readonly p99: number;
}

await using fixture = await createFixture();
const printer = join(import.meta.dirname, 'output/print-lines.ts');
const print = (gate: string, seconds: number): string[] =>
  [process.execPath, printer, fixture.path(gate), String(LINES_PER_SECOND), String(seconds)]; // prettier-ignore
await using agent = await startAgent({
  config: {
    repo: {
      site: {
        repo_path: await initRepository(fixture.path('site')),
        command: {
          warm: print('warm', 2),
          all: print('all', SECONDS),
          stalled: print('stalled', SECONDS),
        },
      },
    },
    limits: { client_sockets: 2 * READERS },
  },
});

// What the first readers make the agent load is not what a reader costs.
await measure('warm', 50, 0);
printRows([
  ...rowsOf('', await measure('all', READERS, 0)),
  ...rowsOf(', 100 more do not read', await measure('stalled', READERS, 100)),
]);

type Measured = Seen & { readonly kilobytes: number; readonly cpu: number };

async function measure(command: string, readers: number, stalled: number): Promise<Measured> {
  const before = memoryOf(agent);
  const response = await fetch(`${agent.url}/repo/site/exec`, {
    method: 'POST',
    body: new URLSearchParams({ command }),
  });
  const job = response.headers.get('location')?.slice('/jobs/'.length) ?? '';
  const program = join(import.meta.dirname, 'output/readers.ts');
  const argv = [program, agent.url, job, String(readers), String(stalled)];
  const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'inherit'] });
  const ended = once(child, 'exit');
  const seen: Seen[] = [];
  let peak = 0;
  let cpu = 0;
  const timer = setInterval(() => (peak = Math.max(peak, memoryOf(agent))), 100);
  for await (const line of createInterface(child.stdout)) {
    if (line === 'ready') {
      cpu = cpuOf(agent);
      await writeFile(fixture.path(command), '');
    } else {
      seen.push(JSON.parse(line) as Seen);
    }
  }
  cpu = cpuOf(agent) - cpu;
  clearInterval(timer);
  await ended;
  const [result] = seen;
  if (result === undefined) throw new Error('the readers failed');
  return { ...result, kilobytes: (peak - before) / (readers + stalled), cpu };
}

function rowsOf(
  how: string,
  { lines, events, disorder, p50, p99, kilobytes, cpu }: Measured,
): Row[] {
  const expected = READERS * LINES_PER_SECOND * SECONDS;
  const row = (what: string, value: number, unit: string, allowed: number, against = 'what is allowed'): Row => ({
    what: `${what}${how}`,
    value,
    unit,
    against: { what: against, value: allowed },
  }); // prettier-ignore
  return [
    row('lines to all readers', lines, 'lines', expected, 'what was printed'),
    row('lines out of order', disorder, 'lines', 1, 'the first that would be one too many'),
    row('lateness, p50', p50, 'ms', 150),
    row('lateness, p99', p99, 'ms', 150),
    row('memory for each reader', kilobytes, 'kB', 64),
    row('messages', events, '', lines, 'one for each line'),
    row('CPU of the agent', cpu / SECONDS / 10, '%', 100, 'one core'),
  ];
}

/** In kB. */
function memoryOf({ pid }: AgentProcess): number {
  return Number(/VmRSS:\s+(\d+) kB/.exec(readProc(`/proc/${pid}/status`))?.[1]);
}

/** User and system time in ms. */
function cpuOf({ pid }: AgentProcess): number {
  const fields = readProc(`/proc/${pid}/stat`)
    .replace(/^.*\) /s, '')
    .split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10;
}
