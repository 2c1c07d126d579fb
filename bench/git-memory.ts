/**
 * What git over HTTP costs the agent's own memory, seen from outside: the real agent, real clients, a
 * repository of 1 GB that does not compress.
 *
 *     node bench/git-memory.ts [--clients 20] [--megabytes 1024] [--data FOLDER]
 *
 * Needs some 25 GB of disk: each client keeps what it cloned, the agent what was pushed.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { readProc } from '../test/support/agent-process.ts';
import { incompressible } from './git-http/data.ts';
import { printRows, type Row } from './support/row.ts';

const { values } = parseArgs({
  options: {
    clients: { type: 'string', default: '20' },
    megabytes: { type: 'string', default: '1024' },
    data: { type: 'string', default: join(tmpdir(), 'gitagent-bench-data') },
  },
});
const clients = Number(values.clients);
const data = resolve(values.data);
mkdirSync(data, { recursive: true });
const noise = await incompressible(data, Number(values.megabytes));
const folder = mkdtempSync(join(data, 'memory-'));
const served = join(folder, 'served');
const ENV = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };

async function run(program: string, args: readonly string[]): Promise<void> {
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'inherit'], env: ENV });
  const [code] = (await once(child, 'exit')) as [number | null];
  if (code !== 0) throw new Error(`${program} ${args.join(' ')}: ${code}`);
}

/** Each client is a caller of its own, so that none waits for another's turn. */
function asUser(n: number): string[] {
  const basic = Buffer.from(`user${n}:secret`).toString('base64');
  return ['-c', `http.extraHeader=Authorization: Basic ${basic}`];
}

/** How much more memory an action takes than there was before it, in MB, at the worst. */
async function growth(pid: number, action: () => Promise<void>): Promise<number> {
  await delay(1_000);
  const rss = (): number =>
    Number(/^VmRSS:\s+(\d+)/m.exec(readProc(`/proc/${pid}/status`))?.[1]) / 1024;
  const idle = rss();
  let worst = idle;
  const timer = setInterval(() => {
    worst = Math.max(worst, rss());
  }, 50);
  await action();
  clearInterval(timer);
  return worst - idle;
}

async function all(action: (n: number) => Promise<void>): Promise<void> {
  await Promise.all(Array.from({ length: clients }, async (_, n) => await action(n)));
}

mkdirSync(served);
await run('git', ['clone', '-q', '--bare', noise, join(served, basename(noise))]);
// git would look for deltas between files of noise for minutes.
await run('git', ['-C', join(served, basename(noise)), 'config', 'core.bigFileThreshold', '1m']);
for (let n = 0; n < clients; n++) {
  await run('git', ['init', '-q', '--bare', join(served, `target${n}.git`)]);
}
const names = Array.from({ length: clients }, (_, n) => `user${n}`);
const targets = names.map((name, n) => `${name} = target${n}.git`);
writeFileSync(
  join(folder, 'access.ini'),
  `[users]\n${names.map((name) => `${name} = secret`).join('\n')}\n[access]\n${targets.join('\n')}\n`,
);
const agent = spawn(
  process.execPath,
  // prettier-ignore
  [
    '--max-semi-space-size=4', '--heap-growing-percent=100', join(import.meta.dirname, '../src/main.ts'), 'run',
    '--git-base', served, '--accessfile', join(folder, 'access.ini'),
    '--port', '0', '--state-dir', join(folder, 'state'),
  ],
  { stdio: ['ignore', 'pipe', 'inherit'], cwd: folder, env: ENV },
);
const rows: Row[] = [];
try {
  const pid = agent.pid ?? 0;
  const [line] = (await once(agent.stdout, 'data')) as [Buffer];
  const url = /http:\S+/.exec(line.toString())?.[0] ?? '';
  const source = `${url}/${basename(noise)}`;
  const add = (what: string, value: number, limit: number): void => {
    rows.push({ what, value, unit: 'MB', against: { what: 'what is allowed', value: limit } });
  };
  // What an agent takes that has answered something before, and has loaded all there is to load.
  await delay(8_000);
  await run('git', ['ls-remote', '-q', source]);
  add(
    'one client that reads 100 KB/s, for 20 s',
    await growth(pid, async () => {
      const clone = spawn(
        'curl',
        // prettier-ignore
        [
          '-s', '--limit-rate', '100k', '-o', '/dev/null', '--data-binary', '@-',
          '-H', 'Git-Protocol: version=2',
          '-H', 'Content-Type: application/x-git-upload-pack-request',
          `${source}/git-upload-pack`,
        ],
        { stdio: ['pipe', 'ignore', 'inherit'], env: ENV },
      );
      clone.stdin.end(await fetchRequest(noise));
      await delay(20_000);
      clone.kill();
      await once(clone, 'exit');
    }),
    2,
  );
  add(
    `${clients} clones at once`,
    await growth(pid, async () => {
      await all(async (n) => {
        const to = join(folder, `clone${n}`);
        await run('git', [...asUser(n), 'clone', '-q', '--bare', source, to]);
        rmSync(to, { recursive: true });
      });
    }),
    64,
  );
  add(
    `${clients} pushes at once`,
    await growth(pid, async () => {
      await all(async (n) => {
        const to = `${url}/target${n}.git`;
        // Nothing of it would be found to be like another: git is not to look.
        const args = ['-c', 'pack.window=0', '-C', noise, 'push', '-q', to, 'main'];
        await run('git', [...asUser(n), ...args]);
        rmSync(join(served, `target${n}.git`), { recursive: true });
      });
    }),
    64,
  );
} finally {
  const exited = once(agent, 'exit');
  agent.kill();
  await exited;
  rmSync(folder, { recursive: true, force: true });
}
printRows(rows);

/** The request of a full clone, version 2. */
async function fetchRequest(repository: string): Promise<string> {
  const child = spawn('git', ['-C', repository, 'rev-parse', 'main'], { env: ENV });
  const [oid] = (await once(child.stdout, 'data')) as [Buffer];
  const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;
  const head = `${pkt('command=fetch')}${pkt('object-format=sha1')}0001${pkt('ofs-delta')}`;
  return `${head}${pkt(`want ${oid.toString().trim()}\n`)}${pkt('done\n')}0000`;
}
