/** The transcripts of docs/rest.md. Port 10000 is an agent without a password, 10001 one with it. */
import { spawn, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
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

const DEPLOY = `#!/bin/sh
for step in install build restart; do echo "$step ..."; done
echo done
`;
/** A page whose transcripts are made by running what stands in it. */
export interface TranscriptPage {
  readonly file: string;
  /** The text with what its commands or queries print now; null where this machine cannot run them. */
  renew(text: string): Promise<string | null>;
}

type Ports = Readonly<Record<'10000' | '10001', string>>;

/** What a transcript's commands are run with. */
interface Stage {
  readonly dir: string;
  readonly ports: Ports;
  /** Times before it are part of the scene, and the same in each run. */
  readonly since?: number;
}

/** A transcript is a fenced block of the kind `console`: `$ ` begins a command, `> ` continues it. All of them run in one shell, from top to bottom. */
export const restPage: TranscriptPage = {
  file: 'docs/rest.md',
  async renew(text) {
    if (spawnSync('curl', ['--version']).status !== 0) return null;
    await using fixture = await createFixture();
    const repo = await prepare(fixture);
    await using open = await startAgent({ config: { repo } });
    await using closed = await startAgent({ config: { repo, password: 'secret' } });
    const ports = { '10000': new URL(open.url).port, '10001': new URL(closed.url).port };
    return await renew(text, { dir: fixture.dir, ports });
  },
};

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
async function renew(text: string, stage: Stage): Promise<string> {
  await using shell = openShell(stage);
  const normalize = createNormalizer(stage);
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

function openShell({ dir, ports }: Stage): Shell {
  const PATH = [dirname(process.execPath), process.env['PATH'] ?? ''].join(delimiter);
  const env = { PATH, HOME: dir, LC_ALL: 'C.UTF-8', TZ: 'UTC' };
  const child = spawn('/bin/sh', { cwd: dir, env, stdio: ['pipe', 'pipe', 'inherit'] });
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
export function createNormalizer({ dir, ports, since = 0 }: Stage): (text: string) => string {
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
      .replaceAll(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z/g, (found) =>
        Date.parse(found) < since ? found : time,
      )
      .replaceAll(/^Date: .*$/gm, `Date: ${new Date(time).toUTCString()}`)
      .replaceAll(`127.0.0.1:${ports['10000']}`, '127.0.0.1:10000')
      .replaceAll(`127.0.0.1:${ports['10001']}`, '127.0.0.1:10001')
      .replaceAll(dir, '/srv');
}
