/** The commands that talk to a running agent, each as a real program. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { mainFile, runCommand, startCommand, type Run } from '../support/command-line.ts';
import { until, within } from '../support/deadline.ts';
import { git, GIT_ENVIRONMENT } from '../support/git-fixture.ts';
import { createScene, waitAt, type Scene } from '../agent/scene.ts';

const UUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}\n$/;
const ESC = '\u001B';
const stack = new AsyncDisposableStack();
let scene: Scene;

before(async () => {
  scene = stack.use(
    await createScene({
      others: ['other'],
      commands: {
        greet: 'echo hello; echo oops >&2',
        bytes: `printf '\\377\\n'`,
        fail: 'echo trying; exit 7',
        colour: `printf '\\033]0;title\\007\\033[31mred\\033[0m\\n'`,
        slow: `echo begun; ${waitAt('slow')}; echo over`,
        endless: `echo begun; ${waitAt('never')}`,
        held: `echo begun; ${waitAt('held')}; echo over`,
      },
    }),
  );
});
after(async () => {
  await stack.disposeAsync();
});

async function run(...args: string[]): Promise<Run> {
  return await runCommand(scene.fixture.dir, args, { GITAGENT_URL: scene.url });
}

async function runOk(...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await run(...args);
  assert.deepEqual([code, stderr], [0, '']);
  return stdout;
}

async function runJson(...args: string[]): Promise<unknown> {
  return JSON.parse(await runOk(...args, '-o', 'json'));
}

describe('gitagent status', () => {
  test('shows a line for each repository, of one its files as well', async () => {
    await scene.write(`new${ESC}[2J.txt`, '');
    const all = await runOk('status');
    const [site, other] = all.trimEnd().split('\n');
    assert.match(site ?? '', /^site +[0-9a-f]{7} +main +\+0 -0 +1 untracked +first$/);
    assert.match(other ?? '', /^other +- +main +- +clean$/);
    const one = await runOk('status', 'site');
    assert.match(one, /^site .*\n {2}untracked new\\x1b\[2J\.txt\n$/);
  });

  test('gives everything as JSON', async () => {
    const repos = (await runJson('status', 'other', 'site')) as { name: string; head: unknown }[];
    assert.deepEqual(
      repos.map(({ name, head }) => [name, head === null]),
      [
        ['other', true],
        ['site', false],
      ],
    );
  });

  test('ends with 1 for a repository that is not there', async () => {
    const { code, stdout, stderr } = await run('status', 'nowhere');
    assert.deepEqual([code, stdout], [1, '']);
    assert.match(
      stderr,
      /^gitagent: there is no repository "nowhere"; "gitagent status" lists all/,
    );
  });
});

describe('gitagent pull and exec', () => {
  test('print the id of the job, or with --wait what it prints', async () => {
    const second = await scene.commit();
    const { code, stdout } = await run('pull', 'site', '--wait', '--command', 'greet');
    assert.equal(code, 0);
    assert.match(stdout, /fast-forward main to [^]*\n\$ echo hello; .*\nhello\noops\n$/);
    assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), second);
    assert.match(await runOk('exec', 'site', 'greet', '--if-busy', 'wait'), UUID);
  });

  test('pass branch, commit and strategy on', async () => {
    const args = ['--hash', scene.first, '--strategy', 'reset', '--wait', '--if-busy', 'wait'];
    assert.equal((await run('pull', 'site', ...args)).code, 0);
    assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), scene.first);
    const other = await scene.commit({ branch: 'topic', parents: ['main'] });
    assert.equal((await run('pull', 'site', '--branch', 'topic', '--wait')).code, 0);
    assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), other);
  });

  test('end with the exit code of the command', async () => {
    const { code, stdout, stderr } = await run('exec', 'site', 'fail', '--wait');
    assert.equal(code, 7);
    assert.match(stdout, /\ntrying\ngitagent: command "fail" ended with exit code 7\n$/);
    assert.equal(stderr, '');
  });

  test('end with 1 when the pull fails, or is refused', async () => {
    const failed = await run('pull', 'site', '--branch', 'nowhere', '--wait');
    assert.equal(failed.code, 1);
    assert.match(failed.stdout + failed.stderr, /^gitagent: .*nowhere/m);
    const refused = await run('pull', 'site', '--command', 'nonsense');
    assert.deepEqual([refused.code, refused.stdout], [1, '']);
    assert.match(refused.stderr, /^gitagent: .*nonsense/);
    const asJson = await run('pull', 'site', '--command', 'nonsense', '-o', 'json');
    const { error } = JSON.parse(asJson.stderr) as { error: { code: string } };
    assert.equal(error.code, 'BAD_USER_INPUT');
  });

  test('with JSON, the job stands on standard output and its output beside it', async () => {
    const { code, stdout, stderr } = await run('exec', 'site', 'fail', '--wait', '-o', 'json');
    assert.equal(code, 7);
    const job = JSON.parse(stdout) as { state: string; exitCode: number };
    assert.deepEqual([job.state, job.exitCode], ['FAILED', 7]);
    assert.match(stderr, /\ntrying\n/);
  });

  test('are refused while another job runs, or wait for it', async () => {
    const slow = startCommand(scene.fixture.dir, ['exec', 'site', 'slow', '--wait'], {
      GITAGENT_URL: scene.url,
    });
    await until(() => /^begun$/m.test(slow.stdout()), 'it runs');
    const refused = await run('exec', 'site', 'greet');
    assert.equal(refused.code, 1);
    assert.match(refused.stderr, /busy/);
    const waiting = run('exec', 'site', 'greet', '--wait', '--if-busy=wait');
    await until(async () => (await runOk('jobs', 'site')).includes('queued'), 'it waits');
    await scene.open('slow');
    assert.equal((await slow.ended).code, 0);
    assert.match((await waiting).stdout, /\nhello\noops\n$/);
  });

  test('end with 130 at Ctrl-C, and say that the job goes on', async () => {
    const held = startCommand(scene.fixture.dir, ['exec', 'site', 'held', '--wait'], {
      GITAGENT_URL: scene.url,
    });
    await until(() => /^begun$/m.test(held.stdout()), 'it runs');
    held.stop('SIGINT');
    const { code, stderr } = await within(held.ended, 'it ends');
    assert.equal(code, 130);
    const id = /^gitagent: job (\S+) goes on; to end it: gitagent cancel \1\n$/.exec(stderr)?.[1];
    assert.ok(id !== undefined, stderr);
    await scene.open('held');
    assert.match(await runOk('logs', '-f', id), /\nbegun\nover\n$/);
  });
});

describe('gitagent logs, jobs and cancel', () => {
  test('show what was printed, byte for byte', async () => {
    const id = (await runOk('exec', 'site', 'bytes', '--if-busy=wait')).trim();
    await runOk('logs', '-f', id);
    const program = spawn(process.execPath, [mainFile, 'logs', id], {
      env: { PATH: GIT_ENVIRONMENT['PATH'], GITAGENT_URL: scene.url },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const parts: Buffer[] = [];
    program.stdout.on('data', (part: Buffer) => parts.push(part));
    await within(once(program, 'close'), 'it ends');
    assert.ok(Buffer.concat(parts).toString('latin1').endsWith('\n\u00FF\n'));
    assert.ok((await runOk('logs', 'site')).endsWith('\n\uFFFD\n'));
  });

  test('of a repository follow the job that runs, until somebody cancels it', async () => {
    const id = (await runOk('exec', 'site', 'endless')).trim();
    const following = startCommand(scene.fixture.dir, ['logs', '-f', 'site'], {
      GITAGENT_URL: scene.url,
    });
    await until(() => /^begun$/m.test(following.stdout()), 'it follows');
    const cancelled = await run('cancel', id, '--wait');
    assert.deepEqual([cancelled.code, cancelled.stderr], [0, `job ${id}: cancelled\n`]);
    assert.equal((await within(following.ended, 'it ends')).code, 0);
    const [newest] = (await runJson('jobs', 'site', '-n', '1')) as { key: string; state: string }[];
    assert.deepEqual([newest?.key, newest?.state], [id, 'CANCELLED']);
    assert.match(await runOk('jobs'), new RegExp(`^${id} +site +cancelled +run `));
  });

  test('end with 1 for what is not there, and with 2 for a wrong number', async () => {
    assert.match((await run('logs', 'other')).stderr, /nothing was pulled or run in "other" yet/);
    const unknown = await run('cancel', '00000000-0000-4000-8000-000000000000');
    assert.equal(unknown.code, 1);
    assert.equal((await run('jobs', '-n', 'many')).code, 2);
  });
});

describe('on a terminal', () => {
  /** Runs the program on a pseudo-terminal; what it prints and what it says come as one. */
  async function runOnTerminal(args: string[], env: Record<string, string> = {}): Promise<string> {
    const line = [process.execPath, mainFile, ...args].map((word) => `'${word}'`).join(' ');
    const child = spawn('script', ['-qec', line, '/dev/null'], {
      env: {
        PATH: GIT_ENVIRONMENT['PATH'],
        TERM: 'xterm',
        SHELL: '/bin/sh',
        GITAGENT_URL: scene.url,
        ...env,
      },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    const parts: Buffer[] = [];
    child.stdout.on('data', (part: Buffer) => parts.push(part));
    await within(once(child, 'close'), 'it ends');
    return Buffer.concat(parts).toString();
  }

  test('a job’s colours are shown, and nothing else that it would obey', async () => {
    const args = ['exec', 'site', 'colour', '--wait', '--if-busy=wait'];
    const shown = await runOnTerminal(args);
    assert.ok(shown.includes(`\n${ESC}[31mred${ESC}[0m\r\n`), JSON.stringify(shown));
    assert.ok(!shown.includes(`${ESC}]`));
    const plain = await runOnTerminal(args, { NO_COLOR: '1' });
    assert.ok(plain.includes('\nred\r\n'), JSON.stringify(plain));
  });

  test('a pull shows how far it is', async () => {
    await scene.commit({ files: { b: 'x'.repeat(100_000) } });
    const shown = await runOnTerminal([
      'pull',
      'site',
      '--branch=main',
      '--wait',
      '--if-busy=wait',
    ]);
    assert.match(shown, /\[#+\.*\] \d+%/);
    assert.ok(shown.includes(`${ESC}[K`));
    const status = await runOnTerminal(['status']);
    assert.ok(status.includes(`${ESC}[33m1 untracked${ESC}[0m`), JSON.stringify(status));
  });
});

describe('the agent to talk to', () => {
  test('is the one of the configuration file, with its password, which no argument can give', async () => {
    await using locked = await createScene({ config: { password: 'secret' } });
    const { dir } = locked.fixture;
    const { port } = new URL(locked.url);
    const repo = { site: { repo_path: locked.copy } };
    const file = join(dir, 'config.json');
    await writeFile(file, JSON.stringify({ port: Number(port), password: 'secret', repo }));
    assert.equal((await runCommand(dir, ['status'])).code, 0);
    // Not for an agent that the file is not about.
    const other = await runCommand(dir, ['status', '--url', locked.url]);
    assert.equal(other.code, 1);
    assert.match(other.stderr, /credentials/);
    const env = { GITAGENT_URL: locked.url, GITAGENT_PASSWORD: 'secret' };
    assert.equal((await runCommand('/', ['status'], env)).code, 0);
    await writeFile(join(dir, 'password'), 'secret\n');
    const byFile = { GITAGENT_URL: locked.url, GITAGENT_PASSWORD_FILE: join(dir, 'password') };
    assert.equal((await runCommand('/', ['status'], byFile)).code, 0);
    assert.equal((await runCommand('/', ['status', '--password', 'secret'])).code, 2);
  });

  test('is told when it is not there', async () => {
    const { code, stderr } = await runCommand('/', ['status', '--url', 'http://127.0.0.1:9']);
    assert.equal(code, 1);
    assert.match(stderr, /^gitagent: cannot reach .*; does the agent run there\?\n$/);
    const wrong = await runCommand('/', ['status', '--url', 'nonsense']);
    assert.equal(wrong.code, 2);
  });
});
