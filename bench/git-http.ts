/**
 * Git over HTTP: ours against `git http-backend` behind nginx and fcgiwrap (Debian: nginx-light,
 * fcgiwrap, curl). Both serve the same repositories, and take turns within one run of this program.
 *
 *     node bench/git-http.ts [--runs 5] [--data FOLDER] [--repo PATH] [SCENARIO...]
 *
 * Prints medians of wall time and of CPU (the server and all its children), and their ratios.
 */
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { incompressible, longHistory, manyRefs } from './git-http/data.ts';
import { startBackend, startOurs, type BenchServer } from './git-http/servers.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    runs: { type: 'string', default: '5' },
    data: { type: 'string', default: join(tmpdir(), 'gitagent-bench-data') },
    repo: { type: 'string' },
  },
});

interface Cost {
  readonly wall: number;
  readonly cpu: number;
}

interface Scenario {
  readonly name: string;
  /** What one side does once. */
  readonly run: (url: string, scratch: string) => void;
  /** Not a server at all: the least that it can take. */
  readonly floor?: (scratch: string) => void;
}

const ENV = { ...process.env, GIT_CONFIG_NOSYSTEM: '1', GIT_CONFIG_GLOBAL: '/dev/null' };

function run(program: string, args: readonly string[], stdin?: string): void {
  const { status, stderr } = spawnSync(program, args, {
    stdio: [stdin === undefined ? 'ignore' : 'pipe', 'ignore', 'pipe'],
    ...(stdin === undefined ? {} : { input: stdin }),
    env: { ...ENV, GIT_PROTOCOL: 'version=2' },
  });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.toString()}`);
}

const pkt = (text: string): string => (text.length + 4).toString(16).padStart(4, '0') + text;

/** The request of a full clone, version 2. */
function cloneRequest(repository: string): string {
  const format = '--format=%(objectname)';
  const oids = new Set(
    execFileSync('git', ['-C', repository, 'for-each-ref', format], { encoding: 'utf8' })
      .trim()
      .split('\n'),
  );
  const wants = [...oids].map((oid) => pkt(`want ${oid}\n`)).join('');
  const head = `${pkt('command=fetch')}${pkt('object-format=sha1')}0001`;
  return `${head}${pkt('thin-pack')}${pkt('no-progress')}${pkt('ofs-delta')}${wants}${pkt('done\n')}0000`;
}

function scenarios(folder: string, repository: string, noise: string, refs: string): Scenario[] {
  const request = cloneRequest(repository);
  const body = join(folder, 'clone-request');
  writeFileSync(body, request);
  const name = basename(repository);
  return [
    {
      name: 'fetch all, to nowhere',
      run: (url) => {
        run('curl', [
          '-sSf',
          '-o',
          '/dev/null',
          '--data-binary',
          `@${body}`,
          '-H',
          'Git-Protocol: version=2',
          '-H',
          'Content-Type: application/x-git-upload-pack-request',
          `${url}/${name}/git-upload-pack`,
        ]);
      },
      floor: () => {
        run('git', ['upload-pack', '--stateless-rpc', repository], request);
      },
    },
    {
      name: 'git clone --bare',
      run: (url, scratch) => {
        run('git', ['clone', '-q', '--bare', `${url}/${name}`, join(scratch, 'clone')]);
      },
    },
    {
      name: 'ls-remote, 10,000 refs',
      run: (url) => {
        for (let n = 0; n < 10; n++) run('git', ['ls-remote', '-q', `${url}/${basename(refs)}`]);
      },
    },
    {
      name: 'push 1 GB',
      run: (url, scratch) => {
        const target = join(folder, 'served/target.git');
        rmSync(target, { recursive: true, force: true });
        run('git', ['init', '-q', '--bare', target]);
        run('git', ['-c', 'pack.window=0', '-C', noise, 'push', '-q', `${url}/target.git`, 'main']);
        rmSync(target, { recursive: true, force: true });
        void scratch;
      },
    },
  ];
}

function measure(server: BenchServer | null, action: () => void): Cost {
  const cpu = server?.cpu() ?? 0;
  const begin = performance.now();
  action();
  const wall = (performance.now() - begin) / 1000;
  return { wall, cpu: (server?.cpu() ?? 0) - cpu };
}

function median(numbers: readonly number[]): number {
  return numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? Number.NaN;
}

for (const program of ['nginx', 'fcgiwrap', 'curl']) {
  if (spawnSync('which', [program]).status === 0) continue;
  console.log(`  left out: there is no ${program} (apt-get install nginx-light fcgiwrap curl)`);
  process.exit();
}
const data = resolve(values.data);
mkdirSync(data, { recursive: true });
const long = values.repo === undefined ? await longHistory(data) : resolve(values.repo);
const noise = await incompressible(data);
const refs = await manyRefs(data);
const folder = mkdtempSync(join(data, 'run-'));
const served = join(folder, 'served');
mkdirSync(served);
for (const path of [long, noise, refs]) symlinkSync(path, join(served, basename(path)));

const ours = await startOurs(served);
const backend = await startBackend(served);
try {
  for (const scenario of scenarios(folder, long, noise, refs)) {
    if (positionals.length > 0 && !positionals.some((word) => scenario.name.includes(word)))
      continue;
    const costs: Record<string, Cost[]> = { ours: [], 'http-backend': [], floor: [] };
    for (let n = 0; n <= Number(values.runs); n++) {
      const scratch = join(folder, 'scratch');
      for (const server of n % 2 === 0 ? [ours, backend] : [backend, ours]) {
        mkdirSync(scratch);
        const cost = measure(server, () => {
          scenario.run(server.url, scratch);
        });
        // The first round warms the page cache.
        if (n > 0) costs[server.name]?.push(cost);
        rmSync(scratch, { recursive: true });
      }
      if (scenario.floor !== undefined) {
        const cost = measure(null, () => scenario.floor?.(scratch));
        if (n > 0) costs['floor']?.push(cost);
      }
    }
    report(scenario.name, costs);
  }
} finally {
  await ours.close();
  await backend.close();
  rmSync(folder, { recursive: true });
}

function report(name: string, costs: Record<string, Cost[]>): void {
  const of = (side: string, key: keyof Cost): number =>
    median(costs[side]?.map((c) => c[key]) ?? []);
  const ratio = (a: number, b: number): string => `${(a / b).toFixed(2)}x`;
  const lines = ['ours', 'http-backend', ...(costs['floor']?.length ? ['floor'] : [])].map(
    (side) => {
      const all = costs[side]?.map(({ wall }) => wall.toFixed(2)).join(' ') ?? '';
      return `  ${side.padEnd(13)} wall ${of(side, 'wall').toFixed(3)} s  cpu ${of(side, 'cpu').toFixed(2)} s  (${all})`;
    },
  );
  const floor = costs['floor']?.length
    ? `, ${ratio(of('ours', 'wall'), of('floor', 'wall'))} of the floor`
    : '';
  console.log(name);
  console.log(lines.join('\n'));
  console.log(
    `  ratio         wall ${ratio(of('ours', 'wall'), of('http-backend', 'wall'))}${floor}, cpu ${ratio(of('ours', 'cpu'), of('http-backend', 'cpu'))}`,
  );
}
