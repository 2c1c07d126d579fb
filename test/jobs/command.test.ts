import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { existsSync } from 'node:fs';
import { mkdir, realpath, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test, type TestContext } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { runCommand, type CommandOrder, type CommandResult } from '../../src/jobs/command.ts';
import { createFixture } from '../support/git-fixture.ts';
import { endProcesses, gate, onLinux, openHandles, processesOf, until } from './support.ts';

interface Run {
  /** What was printed so far. */
  readonly printed: () => string;
  readonly ended: Promise<CommandResult>;
  readonly abort: (reason: Error) => void;
  /** The living processes that the command started. */
  readonly processes: () => number[];
}

/** Starts a command that is ended, with all it started, when the test ends. */
function start(t: TestContext, argv: CommandOrder['argv'], more: Partial<CommandOrder> = {}): Run {
  const mark = randomUUID();
  const controller = new AbortController();
  const parts: Buffer[] = [];
  const ended = runCommand({
    argv,
    cwd: tmpdir(),
    signal: controller.signal,
    killSeconds: 5,
    write: async (bytes) => {
      parts.push(bytes);
      await Promise.resolve();
    },
    ...more,
    env: { PATH: process.env['PATH'] ?? '', GITAGENT_MARK: mark, ...more.env },
  });
  ended.catch(() => undefined);
  t.after(() => {
    endProcesses(mark);
  });
  return {
    printed: () => Buffer.concat(parts).toString(),
    ended,
    abort: (reason) => {
      controller.abort(reason);
    },
    processes: () => processesOf(mark),
  };
}

/** Starts a shell line. */
function startShell(t: TestContext, line: string, more?: Partial<CommandOrder>): Run {
  return start(t, ['/bin/sh', '-c', line], more);
}

async function milliseconds(work: Promise<unknown>): Promise<number> {
  const start = performance.now();
  await work;
  return performance.now() - start;
}

const SUCCEEDED = { exitCode: 0, signal: null, timedOut: false, wasSilent: false };

test('stdout and stderr come in the order they were printed in', async (t) => {
  const line = 'i=0; while [ $i -lt 500 ]; do echo "out $i"; echo "err $i" >&2; i=$((i+1)); done';
  const run = startShell(t, line);
  assert.deepEqual(await run.ended, SUCCEEDED);
  const expected = Array.from({ length: 500 }, (_, i) => `out ${i}\nerr ${i}\n`);
  assert.equal(run.printed(), expected.join(''));
});

test('the exit code is told', async (t) => {
  assert.deepEqual(await startShell(t, 'exit 3').ended, { ...SUCCEEDED, exitCode: 3 });
});

test('the signal that ended a command is told', async (t) => {
  const run = startShell(t, 'kill -9 $$');
  assert.deepEqual(await run.ended, {
    exitCode: null,
    signal: 'SIGKILL',
    timedOut: false,
    wasSilent: false,
  });
});

test('a program that does not exist gives 127, one that cannot be run 126, and the output says why', async (t) => {
  const env = { PATH: '/usr/bin:/bin' };
  const missing = start(t, ['no-such-program', 'x'], { env });
  assert.equal((await missing.ended).exitCode, 127);
  assert.match(missing.printed(), /no-such-program: not found/);
  const folder = start(t, [tmpdir()]);
  assert.equal((await folder.ended).exitCode, 126);
  assert.match(folder.printed(), /Permission denied|Is a directory/i);
});

test('arguments reach the program untouched', async (t) => {
  const args = [
    'a b',
    "it's",
    '"q"',
    '$HOME',
    '`id`',
    '$(id)',
    '*',
    'new\nline',
    '',
    '-n',
    'é',
    '\\',
  ];
  const run = start(t, ['printf', '<%s>', ...args]);
  assert.deepEqual(await run.ended, SUCCEEDED);
  assert.equal(run.printed(), args.map((arg) => `<${arg}>`).join(''));
});

test('a command sees its folder and its environment, nothing else, and no input', async (t) => {
  await using fixture = await createFixture();
  await mkdir(fixture.path('a folder'));
  const cwd = await realpath(fixture.path('a folder'));
  const run = startShell(t, 'pwd; cat; env | grep -v -e ^_= -e ^OLDPWD= -e ^SHLVL= | sort', {
    cwd,
    env: { PATH: '/usr/bin:/bin', A: 'x y', GITAGENT_MARK: 'm' },
  });
  assert.deepEqual(await run.ended, SUCCEEDED);
  assert.equal(run.printed(), `${cwd}\nA=x y\nGITAGENT_MARK=m\nPATH=/usr/bin:/bin\nPWD=${cwd}\n`);
});

test('200,000 lines arrive completely', async (t) => {
  const run = start(t, ['seq', '200000']);
  assert.deepEqual(await run.ended, SUCCEEDED);
  const expected = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
  assert.ok(run.printed() === expected);
});

test('a command runs no faster than its output is written', async (t) => {
  await using fixture = await createFixture();
  const size = 4_000_000;
  const marker = fixture.path('printed-all');
  let written = 0;
  let writes = 0;
  let writtenAtEnd: number | undefined;
  const run = startShell(t, `head -c ${size} /dev/zero; : >"$MARKER"`, {
    env: { MARKER: marker },
    write: async (bytes) => {
      writes += 1;
      assert.equal(writes, 1, 'one write at a time');
      await delay(2);
      written += bytes.length;
      writes -= 1;
      if (writtenAtEnd === undefined && existsSync(marker)) writtenAtEnd = written;
    },
  });
  assert.deepEqual(await run.ended, SUCCEEDED);
  assert.equal(written, size);
  // What lies between is in the pipe and in one stream's buffer.
  assert.ok((writtenAtEnd ?? size) > size - 1_000_000, `${writtenAtEnd} of ${size}`);
});

test('a daemon that is left behind neither delays the end nor dies of it', onLinux, async (t) => {
  await using fixture = await createFixture();
  const daemon = `${gate('go')}; echo late; echo later >&2; : >"$DIR/alive"; exec sleep 60`;
  const run = startShell(t, `(${daemon}) & echo started`, { env: { DIR: fixture.dir } });
  assert.ok((await milliseconds(run.ended)) < 2000);
  assert.deepEqual(await run.ended, SUCCEEDED);
  assert.equal(run.processes().length > 0, true);
  await writeFile(fixture.path('go'), '');
  await until(() => existsSync(fixture.path('alive')), 'the daemon has printed and lives');
  assert.equal(run.processes().length, 1);
  assert.equal(run.printed(), 'started\n');
});

test('a daemon that never stops printing does not delay the end either', onLinux, async (t) => {
  const run = startShell(
    t,
    '(while :; do echo chatter; sleep 0.01; done) & head -c 500000 /dev/zero; echo end',
  );
  assert.ok((await milliseconds(run.ended)) < 5000);
  assert.deepEqual(await run.ended, SUCCEEDED);
  assert.equal(run.printed().replaceAll('chatter\n', ''), `${'\0'.repeat(500_000)}end\n`);
  assert.ok(run.processes().length > 0);
});

test(
  'the last output is not lost when the agent is kept from running as a command ends',
  onLinux,
  async (t) => {
    let written = 0;
    // A daemon holds the pipe open, so that nothing but silence says that all has been read.
    const run = startShell(t, 'sleep 60 & head -c 220000 /dev/zero', {
      write: async (bytes) => {
        if (written === 0) {
          // The command ends meanwhile: what Node has not read of its output waits in the pipe. Then
          // timers go off without a look at the pipe between them, and one takes longer than silence.
          setTimeout(busyFor, 99, 20);
          setTimeout(busyFor, 101, 150);
          await delay(100);
        }
        written += bytes.length;
      },
    });
    assert.deepEqual(await run.ended, SUCCEEDED);
    assert.equal(written, 220_000);
  },
);

function busyFor(milliseconds: number): void {
  for (const end = performance.now() + milliseconds; performance.now() < end;);
}

test('abort ends a command with its children and their children', onLinux, async (t) => {
  const run = startShell(
    t,
    'sh -c "sleep 60 & sleep 60 & wait" & sleep 60 | cat & echo ready; wait',
  );
  await until(() => run.printed() === 'ready\n' && run.processes().length >= 6, 'all are there');
  const before = performance.now();
  run.abort(new Error('enough'));
  assert.deepEqual(await run.ended, {
    exitCode: null,
    signal: 'SIGTERM',
    timedOut: false,
    wasSilent: false,
  });
  assert.deepEqual(run.processes(), []);
  assert.ok(performance.now() - before < 1000);
});

test('who ignores TERM is killed', onLinux, async (t) => {
  const run = startShell(t, 'trap "" TERM; echo ready; while :; do sleep 60; done', {
    killSeconds: 0.3,
  });
  await until(() => run.printed() !== '', 'it is ready');
  const before = performance.now();
  run.abort(new Error('enough'));
  assert.deepEqual(await run.ended, {
    exitCode: null,
    signal: 'SIGKILL',
    timedOut: false,
    wasSilent: false,
  });
  assert.deepEqual(run.processes(), []);
  assert.ok(performance.now() - before >= 300);
});

test('an aborted command has ended only when the last of its group is gone', onLinux, async (t) => {
  await using fixture = await createFixture();
  // The command itself ends at once; a child of it takes its time to clean up.
  const child = `trap "${gate('go')}; echo cleaned; exit" TERM; echo ready; while :; do sleep 0.01; done`;
  const run = startShell(t, `(${child}) & exec sleep 60`, { env: { DIR: fixture.dir } });
  await until(() => run.printed() === 'ready\n', 'it is ready');
  let hasEnded = false;
  void run.ended.then(() => (hasEnded = true));
  run.abort(new Error('enough'));
  await delay(300);
  assert.equal(hasEnded, false);
  await writeFile(fixture.path('go'), '');
  assert.deepEqual(await run.ended, {
    exitCode: null,
    signal: 'SIGTERM',
    timedOut: false,
    wasSilent: false,
  });
  assert.deepEqual(run.processes(), []);
  assert.match(run.printed(), /cleaned\n$/);
});

test(
  'dead processes that nobody reaps do not keep an aborted command from ending',
  onLinux,
  async (t) => {
    // The inner shell becomes a program in a group of its own that never waits for its child. The same
    // happens to every orphan in a container whose process 1 is the agent.
    const run = startShell(t, '(sleep 60 & exec setsid sleep 10) & echo ready; exec sleep 60');
    await until(() => run.printed() === 'ready\n' && run.processes().length === 3, 'all are there');
    await delay(50); // setsid has no way to say that it is done.
    run.abort(new Error('enough'));
    assert.ok((await milliseconds(run.ended)) < 3000);
  },
);

test('a command that takes too long is ended', onLinux, async (t) => {
  const run = startShell(t, 'echo begin; sleep 60; echo end', { timeoutSeconds: 1 });
  assert.deepEqual(await run.ended, {
    exitCode: null,
    signal: 'SIGTERM',
    timedOut: true,
    wasSilent: false,
  });
  assert.equal(run.printed(), 'begin\n');
  assert.deepEqual(run.processes(), []);
});

test('a command that ends in time is not ended later', onLinux, async (t) => {
  const run = startShell(t, 'sleep 60 & echo end', { timeoutSeconds: 2 });
  assert.deepEqual(await run.ended, SUCCEEDED);
  await delay(2100);
  assert.equal(run.processes().length, 1);
});

test('a command whose output cannot be written is ended', onLinux, async (t) => {
  const handles = openHandles();
  let writes = 0;
  const run = startShell(t, 'sleep 60 & trap "" TERM; while :; do echo y; done', {
    killSeconds: 0.1,
    write: async () => {
      writes += 1;
      if (writes === 3) throw new Error('disk full');
      await Promise.resolve();
    },
  });
  await assert.rejects(run.ended, /disk full/);
  assert.equal(writes, 3);
  assert.deepEqual(run.processes(), []);
  await until(() => openHandles() <= handles, 'its pipe is closed');
});

test('when the last of the output cannot be written, that is told too', onLinux, async (t) => {
  const run = startShell(t, 'sleep 60 & echo only', {
    write: async () => {
      await delay(50);
      throw new Error('disk full');
    },
  });
  await assert.rejects(run.ended, /disk full/);
});

test('an aborted signal starts nothing', async (t) => {
  await using fixture = await createFixture();
  const run = startShell(t, ': >"$DIR/started"', {
    signal: AbortSignal.abort(new Error('too late')),
    env: { DIR: fixture.dir },
  });
  await assert.rejects(run.ended, /too late/);
  assert.equal(existsSync(fixture.path('started')), false);
});

test('a folder that does not exist is an error', async (t) => {
  const run = start(t, ['true'], { cwd: join(tmpdir(), randomUUID()) });
  await assert.rejects(run.ended, { code: 'ENOENT' });
});

test(
  'when the system starts no more processes that is an error, not the end of the agent',
  onLinux,
  async () => {
    const program = new URL('fixture/no-handles.ts', import.meta.url).pathname;
    const { stdout } = await promisify(execFile)(
      '/bin/sh',
      ['-c', 'ulimit -n 64; exec "$@"', 'sh', process.execPath, program],
      { env: { PATH: process.env['PATH'] } },
    );
    assert.deepEqual(JSON.parse(stdout), ['EMFILE', 'then: ok']);
  },
);

test('neither a pipe nor a listener stays', onLinux, async (t) => {
  const handles = openHandles();
  const controller = new AbortController();
  let listeners = 0;
  const { signal } = controller;
  const [add, remove] = [
    signal.addEventListener.bind(signal),
    signal.removeEventListener.bind(signal),
  ];
  signal.addEventListener = (...args: Parameters<typeof add>) => {
    listeners += 1;
    add(...args);
  };
  signal.removeEventListener = (...args: Parameters<typeof remove>) => {
    listeners -= 1;
    remove(...args);
  };
  for (let index = 0; index < 10; index++) await startShell(t, 'echo x', { signal }).ended;
  assert.equal(listeners, 0);
  assert.ok(openHandles() <= handles);
});
