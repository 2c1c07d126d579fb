/** How long `npm start` takes to its first answer, and how much memory the agent holds when nobody asks anything. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { processesOf, readProc } from '../test/support/agent-process.ts';
import { createFixture, GIT_ENVIRONMENT, initRepository } from '../test/support/git-fixture.ts';
import { median, printRows, type Row } from './support/row.ts';

const ROUNDS = 7;
/** What package.json's script runs, without npm and its look at node_modules. */
const NODE = [
  process.execPath,
  '--max-semi-space-size=4',
  '--heap-growing-percent=100',
  'src/main.ts',
  'run',
];
const root = join(import.meta.dirname, '..');

async function measure(): Promise<Row[]> {
  await using fixture = await createFixture();
  const repo = { site: { repo_path: await initRepository(fixture.path('site')) } };
  const config = fixture.path('config.json');
  await writeFile(config, JSON.stringify({ repo }));
  const flags = ['-c', config, '--port', '0', '--state-dir', fixture.path('state')];
  const npm = [];
  const node = [];
  // The first round fills the caches and does not count.
  for (let round = 0; round <= ROUNDS; round++) {
    const byNpm = await startOnce(['npm', 'start', '--', ...flags], fixture.dir);
    const byNode = await startOnce([...NODE, ...flags], fixture.dir);
    if (round === 0) continue;
    npm.push(byNpm);
    node.push(byNode);
  }
  return [
    {
      what: 'npm start until /readyz has answered',
      value: median(npm.map(({ ms }) => ms)),
      unit: 'ms',
      against: { what: 'what is allowed', value: 1000 },
    },
    {
      what: 'node src/main.ts until /readyz has answered',
      value: median(node.map(({ ms }) => ms)),
      unit: 'ms',
      against: { what: 'npm start', value: median(npm.map(({ ms }) => ms)) },
    },
    {
      what: 'memory (VmRSS) of the agent 7 s after npm start',
      value: median(npm.map(({ mb }) => mb)),
      unit: 'MB',
      against: { what: 'what is allowed', value: 120 },
    },
  ];
}

async function startOnce(
  [program = '', ...args]: readonly string[],
  home: string,
): Promise<{ ms: number; mb: number }> {
  const start = performance.now();
  const child = spawn(program, args, {
    cwd: root,
    env: {
      PATH: GIT_ENVIRONMENT['PATH'],
      HOME: home,
      NODE_COMPILE_CACHE: join(root, 'node_modules/.cache/compile'),
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const ended = once(child, 'close');
  const url = await new Promise<string>((resolve, reject) => {
    let printed = '';
    child.stdout.on('data', (chunk: Buffer) => {
      printed += chunk.toString();
      const found = /listening on (\S+) /.exec(printed)?.[1];
      if (found !== undefined) resolve(found);
    });
    child.once('exit', () => {
      reject(new Error(`the agent did not start: ${printed}`));
    });
  });
  const answer = await fetch(`${url}/readyz`);
  const ms = performance.now() - start;
  if (answer.status !== 200) throw new Error(`/readyz answered ${answer.status}`);
  // GraphQL is loaded by then, which is most of it.
  await delay(7000);
  const agent = processesOf(home).find(({ command }) => / src\/main\.ts /.test(command));
  if (agent === undefined) throw new Error('the agent has gone');
  const status = readProc(`/proc/${agent.pid}/status`);
  process.kill(agent.pid, 'SIGTERM');
  await ended;
  return { ms, mb: Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024 };
}

printRows(await measure());
