/**
 * Runs the shell commands in docs/rest.md against real agents with real repositories, and writes what they
 * print below them. With `--check` it writes nothing and fails when something would change.
 *
 * A transcript is a fenced block of the kind `console`: `$ ` begins a command, `> ` continues it. All of them
 * run in one shell, from top to bottom. Port 10000 is an agent without a password, 10001 one with it.
 */
import { spawn, spawnSync } from 'node:child_process';
import { readFile, writeFile } from 'node:fs/promises';
import { delimiter, dirname } from 'node:path';
import { startAgent } from '../test/support/agent-process.ts';
import { within } from '../test/support/deadline.ts';
import {
  cloneRepository,
  createFixture,
  initRepository,
  writeCommit,
  type Fixture,
} from '../test/support/git-fixture.ts';

const FILE = 'docs/rest.md';
const DEPLOY = `#!/bin/sh
for step in install build restart; do echo "$step ..."; done
echo done
`;
const isCheck = process.argv.includes('--check');

if (spawnSync('curl', ['--version']).status !== 0) {
  console.error(`transcripts: there is no curl on this machine, so ${FILE} was not looked at`);
  process.exit(isCheck ? 0 : 1);
}

await using fixture = await createFixture();
const repo = await prepare(fixture);
await using open = await startAgent({ config: { repo } });
await using closed = await startAgent({ config: { repo, password: 'secret' } });
const ports = { '10000': new URL(open.url).port, '10001': new URL(closed.url).port };

const present = await readFile(FILE, 'utf8');
const fresh = await renew(present);
if (fresh === present) {
  console.log(`transcripts: ${FILE} is fresh`);
} else if (isCheck) {
  console.error(`transcripts: ${FILE} is stale; run: node scripts/transcripts.ts`);
  console.error(firstDifference(present, fresh));
  process.exitCode = 1;
} else {
  await writeFile(FILE, fresh);
  console.log(`transcripts: wrote ${FILE}`);
}

/** Two working copies that are behind their origin, one of them with work in it. */
async function prepare(made: Fixture): Promise<Record<string, unknown>> {
  const path = (name: string): string => made.path(name);
  const origin = await initRepository(path('origin.git'), { bare: true, branch: 'master' });
  const author = 'Ada Lovelace <ada@example.com>';
  const onMaster = { branch: 'master', author };
  await writeCommit(origin, {
    ...onMaster,
    message: 'First page\n',
    files: {
      'README.md': 'Read me.\n',
      'deploy.sh': { mode: '100755', content: DEPLOY },
      'index.html': 'Hello\n',
    },
  });
  const website = await cloneRepository(origin, path('website'));
  const api = await cloneRepository(origin, path('api'));
  await writeCommit(origin, {
    ...onMaster,
    message: 'Greet the whole world\n',
    files: { 'index.html': 'Hello, world\n' },
  });
  await writeCommit(origin, {
    author,
    branch: 'topic',
    parents: ['master'],
    message: 'Read me aloud\n',
    files: { 'README.md': 'Read me aloud.\n' },
  });
  await writeFile(`${website}/README.md`, 'Read me twice.\n');
  await writeFile(`${website}/notes.txt`, '');
  // As on a terminal, where curl shows no progress.
  await writeFile(path('.curlrc'), 'silent\nshow-error\n');
  const command = {
    deploy: './deploy.sh',
    test: 'echo "1 of 3 failed" >&2; exit 3',
    serve: 'echo serving; exec sleep 3600',
  };
  return { website: { repo_path: website, command }, api: { repo_path: api } };
}

/** The text with what its commands print now. */
async function renew(text: string): Promise<string> {
  await using shell = openShell();
  const normalize = createNormalizer();
  const parts: string[] = [];
  let rest = text;
  for (;;) {
    const block = /^```console\n(.*?)^```$/ms.exec(rest);
    if (block === null) break;
    parts.push(rest.slice(0, block.index), '```console\n');
    for (const [command] of (block[1] ?? '').matchAll(/^\$ .*\n(?:> .*\n)*/gm)) {
      const printed = normalize(await shell.run(command.replaceAll(/^[$>] /gm, '')));
      if (/^[$>] /m.test(printed)) throw new Error(`the next run would take this for a command:\n${printed}`); // prettier-ignore
      parts.push(command, printed === '' || printed.endsWith('\n') ? printed : `${printed}\n`);
    }
    parts.push('```');
    rest = rest.slice(block.index + block[0].length);
  }
  return [...parts, rest].join('');
}

interface Shell extends AsyncDisposable {
  run(command: string): Promise<string>;
}

function openShell(): Shell {
  const PATH = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const env = { PATH, HOME: fixture.dir, LC_ALL: 'C.UTF-8', TZ: 'UTC' };
  const child = spawn('/bin/sh', { cwd: fixture.dir, env, stdio: ['pipe', 'pipe', 'inherit'] });
  let printed = '';
  let wake = (): void => undefined;
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    printed += chunk;
    wake();
  });
  const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
  return {
    async run(command) {
      const real = command.replaceAll(/\b1000[01]\b/g, (port) => ports[port as keyof typeof ports]);
      child.stdin.write(`{ ${real}\n} 2>&1 </dev/null; printf '\\0'\n`);
      const finished = async (): Promise<void> => {
        while (!printed.includes('\0')) {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      };
      await within(finished(), `this ends: ${command}`);
      const [output = ''] = printed.split('\0', 1);
      printed = printed.slice(output.length + 1);
      return output;
    },
    async [Symbol.asyncDispose]() {
      child.kill();
      await ended;
    },
  };
}

/** What differs from run to run is replaced, the same by the same. */
function createNormalizer(): (text: string) => string {
  const ids = new Map<string, string>();
  const number = (id: string): string => {
    if (!ids.has(id)) ids.set(id, String(ids.size + 1).padStart(3, '0'));
    return ids.get(id) ?? '';
  };
  const time = '2026-01-02T03:04:05.678Z';
  return (text) =>
    text
      .replaceAll('\r\n', '\n')
      .replaceAll(
        /\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b/g,
        (id) => `6b1e9f0c-52d4-4c39-9a57-d0c6f1a3e${number(id)}`,
      ) // prettier-ignore
      .replaceAll(/"id": "\d{20,}"/g, '"id": "233907423012895463018834197530286144509"')
      .replaceAll(/"plan_token": "[\w.-]+"/g, '"plan_token": "eyJ2ZXJzaW9uIjoxLCJyZXBvIjoi...rbQ"')
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, time)
      .replaceAll(/^Date: .*$/gm, `Date: ${new Date(time).toUTCString()}`)
      .replaceAll(`127.0.0.1:${ports['10000']}`, '127.0.0.1:10000')
      .replaceAll(`127.0.0.1:${ports['10001']}`, '127.0.0.1:10001')
      .replaceAll(fixture.dir, '/srv');
}

function firstDifference(before: string, after: string): string {
  const [old, now] = [before.split('\n'), after.split('\n')];
  const at = old.findIndex((line, i) => line !== now[i]);
  return `${FILE}:${at + 1}\n- ${old[at] ?? ''}\n+ ${now[at] ?? ''}`;
}
