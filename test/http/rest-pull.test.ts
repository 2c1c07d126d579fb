import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { connect, createServer, type AddressInfo } from 'node:net';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { createScene, getStatus, waitAt, type Scene } from '../agent/scene.ts';
import { processesOf } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { git, treeState, writeCommit } from '../support/git-fixture.ts';
import {
  exchange,
  formatRequest,
  openConnection,
  request,
  sendForm,
  type RawResponse,
} from '../support/raw-http.ts';

type Form = Readonly<Record<string, string>>;

const SUCCESS = '{\n    "err_msg": null,\n    "ret": "success"\n}';
const BUSY = '{\n    "err_msg": "repo is busying",\n    "ret": "failure"\n}';
const FORM = { 'Content-Type': 'application/x-www-form-urlencoded' };

async function pull({ url }: Scene, form: Form = {}): Promise<RawResponse> {
  return await sendForm(url, 'POST', '/repo/site/pull', { block: '1', ...form });
}

async function failureOf(scene: Scene, form: Form = {}): Promise<string> {
  const { status, text } = await pull(scene, form);
  const { ret, err_msg } = JSON.parse(text) as { ret: string; err_msg: string };
  assert.deepEqual([status, ret], [200, 'failed']);
  return err_msg;
}

async function jobOf({ url }: Scene, { headers }: RawResponse): Promise<Record<string, unknown>> {
  const { text } = await request(url, 'GET', headers['location'] ?? '');
  return JSON.parse(text) as Record<string, unknown>;
}

async function untilIdle(scene: Scene): Promise<void> {
  await until(async () => (await getStatus(scene.url))['busy'] === false, 'the job ends');
}

/** Hands bytes on, and drops a connection on which for so long none came from the agent. */
async function startProxy(
  url: string,
  idleMs: number,
): Promise<AsyncDisposable & { readonly url: string }> {
  const { hostname, port } = new URL(url);
  const server = createServer((client) => {
    const agent = connect(Number(port), hostname);
    agent.setTimeout(idleMs, () => agent.destroy());
    agent.on('error', () => undefined);
    client.on('error', () => undefined);
    agent.once('close', () => client.destroy());
    client.once('close', () => agent.destroy());
    client.pipe(agent).pipe(client);
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${address.port}`,
    [Symbol.asyncDispose]: async () => {
      server.close();
      await once(server, 'close');
    },
  };
}

describe('block', () => {
  for (const block of ['0', ' 0 ', undefined]) {
    test(`=${block ?? '(not given)'} is answered at once, and the repository is busy until the end`, async () => {
      await using scene = await createScene({ commands: { slow: waitAt('gate') } });
      const form = { command: 'slow', ...(block !== undefined && { block }) };
      const answer = await sendForm(scene.url, 'POST', '/repo/site/pull', form);
      assert.deepEqual([answer.status, answer.text], [200, SUCCESS]);
      assert.equal((await getStatus(scene.url))['busy'], true);
      const second = await sendForm(scene.url, 'POST', '/repo/site/pull', {});
      assert.deepEqual([second.status, second.text], [200, BUSY]);
      await scene.open('gate');
      await untilIdle(scene);
      assert.equal((await pull(scene)).text, SUCCESS);
    });
  }

  for (const block of ['1', '', '00', 'true', 'no']) {
    test(`=${JSON.stringify(block)} waits for the end`, async () => {
      await using scene = await createScene({ commands: { fail: 'exit 3' } });
      const message = await failureOf(scene, { block, command: 'fail' });
      assert.equal(message, 'command "fail" ended with exit code 3');
    });
  }

  test('=0 answers success whatever comes, and the job it names tells the outcome', async () => {
    await using scene = await createScene();
    const answer = await sendForm(scene.url, 'POST', '/repo/site/pull', { git_branch: 'nope' });
    assert.equal(answer.text, SUCCESS);
    await untilIdle(scene);
    const { ret, err_msg, err_code, state } = await jobOf(scene, answer);
    assert.deepEqual([ret, err_code, state], ['failed', 'NOT_FOUND', 'FAILED']);
    assert.match(String(err_msg), /nope/);
  });
});

test('strategy says what becomes of a branch that has diverged; one that is none is refused', async () => {
  await using scene = await createScene();
  const target = await scene.commit({ files: { theirs: 'theirs\n' } });
  await writeFile(join(scene.copy, 'ours'), 'ours\n');
  await git(scene.copy, 'add', 'ours');
  await git(scene.copy, '-c', 'user.name=A', '-c', 'user.email=a@b', 'commit', '--quiet', '-m', 'ours'); // prettier-ignore
  const ours = await git(scene.copy, 'rev-parse', 'HEAD');
  assert.match(await failureOf(scene), /has diverged from .*: push or drop its own commits/);
  const refused = await pull(scene, { strategy: '--force' });
  assert.equal(refused.status, 400);
  assert.match(
    refused.text,
    /there is no strategy \\"--force\\"; there is ff-only, merge, rebase, reset/,
  );
  assert.equal((await pull(scene, { strategy: 'merge' })).text, SUCCESS);
  assert.equal(await git(scene.copy, 'rev-parse', 'HEAD^1', 'HEAD^2'), `${ours}\n${target}`);
});

describe('git_branch', () => {
  async function branchAfter(scene: Scene, form: Form = {}): Promise<string | null> {
    const { text } = await pull(scene, form);
    assert.equal(text, SUCCESS);
    return (await getStatus(scene.url))['branch'] as string | null;
  }

  test('is master when a branch of that name is here', async () => {
    await using scene = await createScene();
    await scene.commit({ branch: 'master', parents: [scene.first] });
    await git(scene.copy, 'fetch', '--quiet');
    await git(scene.copy, 'branch', '--quiet', 'master', 'origin/master');
    assert.equal(await branchAfter(scene), 'master');
  });

  test('is master when the remote alone has it, which the fetch tells', async () => {
    await using scene = await createScene();
    const master = await scene.commit({ branch: 'master', parents: [scene.first] });
    assert.equal(await branchAfter(scene), 'master');
    assert.equal(await git(scene.copy, 'rev-parse', 'HEAD', '@{u}'), `${master}\n${master}`);
  });

  test('is master also where HEAD is detached and the remote names no default', async () => {
    await using scene = await createScene();
    await scene.commit({ branch: 'master', parents: [scene.first] });
    await git(scene.copy, 'checkout', '--quiet', '--detach');
    await git(scene.copy, 'symbolic-ref', '--delete', 'refs/remotes/origin/HEAD');
    assert.equal(await branchAfter(scene), 'master');
  });

  test('is the default branch where there is no master, and a leftover of one is none', async () => {
    await using scene = await createScene();
    const second = await scene.commit();
    await git(scene.copy, 'update-ref', 'refs/remotes/origin/master', scene.first);
    await git(scene.copy, 'checkout', '--quiet', '-b', 'topic');
    assert.equal(await branchAfter(scene), 'main');
    assert.equal(await git(scene.copy, 'rev-parse', 'HEAD'), second);
  });

  test('is the configured one before that, and the given one before all', async () => {
    await using scene = await createScene({ site: { branch: 'live' } });
    for (const branch of ['master', 'live', 'other']) {
      await scene.commit({ branch, parents: [scene.first] });
    }
    assert.equal(await branchAfter(scene), 'live');
    assert.equal(await branchAfter(scene, { git_branch: 'other' }), 'other');
    assert.equal(await branchAfter(scene, { git_branch: 'master' }), 'master');
  });

  test('with git_hash alone does not matter: HEAD is detached there', async () => {
    await using scene = await createScene();
    await scene.commit();
    assert.equal(await branchAfter(scene, { git_hash: scene.first.slice(0, 7) }), null);
    assert.equal(await branchAfter(scene, { git_hash: scene.first }), null);
    const wanted = { git_branch: 'main', git_hash: scene.first.toUpperCase() };
    assert.equal(await branchAfter(scene, wanted), null);
  });
});

describe('refused before there is a job', () => {
  const cases: Record<string, [form: Form, detail: RegExp]> = {
    'an unknown command': [{ command: 'nope' }, /no command "nope": there is "hello"/],
    'an empty command': [{ command: '' }, /no command ""/],
    'an option for a branch': [{ git_branch: '--upload-pack=touch x' }, /starts with "-"/],
    'an empty branch': [{ git_branch: '' }, /it is empty/],
    'a branch with a NUL': [{ git_branch: 'a\0b' }, /control character/],
    'a range for a branch': [{ git_branch: 'a..b' }, /"\.\."/],
    // What the original handed to git checkout: all of these did something else.
    'an option for a hash': [{ git_hash: '-f' }, /"-f" is not a commit hash/],
    'a new branch for a hash': [{ git_hash: '-bevil' }, /not a commit hash/],
    'a file for a hash': [{ git_hash: '.' }, /not a commit hash/],
    'a branch for a hash': [{ git_hash: 'main' }, /not a commit hash/],
    'an empty hash': [{ git_hash: '' }, /not a commit hash/],
  };
  test('is what no pull could do', async () => {
    await using scene = await createScene({ commands: { hello: 'true' } });
    await scene.write('a', 'mine\n');
    const before = await treeState(scene.copy);
    for (const [title, [form, detail]] of Object.entries(cases)) {
      const { status, headers, text } = await pull(scene, form);
      assert.deepEqual([status, headers['location']], [400, undefined], title);
      assert.match((JSON.parse(text) as { detail: string }).detail, detail, title);
    }
    assert.deepEqual(await treeState(scene.copy), before);
    assert.equal((await request(scene.url, 'GET', '/repo/site/jobs')).text, '[]');
  });

  test('is a command of a repository that has none', async () => {
    await using scene = await createScene({ site: { command: {} } });
    const { status, text } = await pull(scene, { command: 'x' });
    assert.equal(status, 400);
    assert.match(text, /none is configured/);
  });

  test('is a command that exec is not told', async () => {
    await using scene = await createScene({ commands: { hello: 'true' } });
    const { status, text } = await sendForm(scene.url, 'POST', '/repo/site/exec', {});
    assert.equal(status, 400);
    assert.match(text, /there is .*hello/);
  });
});

describe('a pull that fails', () => {
  test('says why, and tells it by "failed"', async () => {
    await using scene = await createScene();
    assert.match(await failureOf(scene, { git_branch: 'nope' }), /no branch nope/);
    assert.match(await failureOf(scene, { git_hash: '0'.repeat(40) }), /no commit 0{40}/);
    await git(scene.copy, 'remote', 'remove', 'origin');
    assert.match(await failureOf(scene), /no remote/);
  });

  test('over a name that is not UTF-8 is no trap: the next one runs', async () => {
    await using scene = await createScene();
    await scene.commit({ files: [[Buffer.from('caf\xe9.txt', 'latin1'), 'theirs\n']] });
    const path = Buffer.concat([
      Buffer.from(`${scene.copy}/`),
      Buffer.from('caf\xe9.txt', 'latin1'),
    ]);
    await writeFile(path, 'mine\n');
    assert.match(await failureOf(scene), /caf\uFFFD\.txt/);
    assert.equal((await getStatus(scene.url))['busy'], false);
    await rm(path);
    assert.equal((await pull(scene)).text, SUCCESS);
  });

  test('for a conflict leaves no conflict behind', async () => {
    await using scene = await createScene({ site: { strategy: 'merge' } });
    await scene.commit({ files: { a: 'theirs\n' } });
    await writeCommit(scene.copy, { files: { a: 'ours\n' } });
    await git(scene.copy, 'reset', '--quiet', '--hard');
    const before = await treeState(scene.copy);
    assert.match(await failureOf(scene), /both sides changed "a"/);
    assert.deepEqual(await treeState(scene.copy), before);
  });

  test('of a bare repository is a failure, not an error', async () => {
    await using scene = await createScene();
    const repo = { bare: { repo_path: scene.origin } };
    await using other = await createScene({ config: { repo } });
    const { status, text } = await sendForm(other.url, 'POST', '/repo/bare/pull', { block: '1' });
    assert.equal(status, 200);
    assert.match(text, /"err_msg": "a bare repository has no working tree/);
  });
});

test('two at once: one runs, the other is told that it is busy, a third runs after the end', async () => {
  await using scene = await createScene({ commands: { slow: `${waitAt('gate')}; echo >> ran` } });
  const both = ['1', '1'].map((block) => pull(scene, { block, command: 'slow' }));
  const first = await Promise.race(both);
  assert.equal(first.text, BUSY);
  assert.equal(first.headers['content-length'], '58');
  await scene.open('gate');
  const texts = (await Promise.all(both)).map(({ text }) => text);
  assert.deepEqual(texts.toSorted(), [SUCCESS, BUSY].toSorted());
  assert.equal((await pull(scene, { command: 'slow' })).text, SUCCESS);
  assert.equal(await readFile(join(scene.copy, 'ran'), 'utf8'), '\n\n');
});

test('a client that dies while it waits neither ends the job nor gives the lock back', async () => {
  await using scene = await createScene({
    commands: { slow: `touch begun; ${waitAt('gate')}; touch ended` },
  });
  {
    using connection = await openConnection(scene.url);
    connection.write(formatRequest('POST', '/repo/site/pull', FORM, 'command=slow&block=1'));
    await until(async () => (await readdir(scene.copy)).includes('begun'), 'the command runs');
    connection.socket.resetAndDestroy();
    await once(connection.socket, 'close');
  }
  assert.equal((await pull(scene)).text, BUSY);
  assert.equal((await getStatus(scene.url))['busy'], true);
  await scene.open('gate');
  await untilIdle(scene);
  assert.ok((await readdir(scene.copy)).includes('ended'));
  assert.equal((await pull(scene)).text, SUCCESS);
});

test('the agent answers others while it pulls', async () => {
  await using scene = await createScene({ commands: { slow: waitAt('gate') } });
  const waiting = pull(scene, { command: 'slow' });
  for (let i = 0; i < 3; i++) {
    assert.equal((await request(scene.url, 'GET', '/repo')).status, 200);
    assert.equal((await getStatus(scene.url))['branch'], 'main');
  }
  await scene.open('gate');
  await waiting;
});

describe('an answer that takes long', () => {
  test('begins with newlines, so that no proxy finds the connection idle', async () => {
    await using scene = await createScene({
      config: { timeouts: { heartbeat: 0.05 } },
      commands: { slow: `${waitAt('gate')}; exit 3` },
    });
    using connection = await openConnection(scene.url);
    connection.write(formatRequest('POST', '/repo/site/pull', FORM, 'command=slow&block=1'));
    await connection.peek((bytes) => bytes.toString().split('1\r\n\n\r\n').length > 3);
    await scene.open('gate');
    const { status, headers, text } = await connection.read();
    assert.equal(status, 200);
    assert.equal(headers['transfer-encoding'], 'chunked');
    assert.equal(headers['content-type'], 'application/json; charset=UTF-8');
    assert.equal(headers['x-accel-buffering'], 'no');
    assert.match(headers['location'] ?? '', /^\/jobs\//);
    assert.match(text, /^\n{3,}\{\n    "err_msg": "command .*,\n    "ret": "failed"\n\}$/);
    assert.equal((JSON.parse(text) as { ret: string }).ret, 'failed');
    // The connection is as good as before.
    connection.write(formatRequest('GET', '/repo'));
    assert.equal((await connection.read()).status, 200);
  });

  test('comes through a proxy that drops idle connections, which without newlines it does not', async () => {
    const answerBehindProxy = async (heartbeat: number): Promise<string | null> => {
      await using scene = await createScene({
        config: { timeouts: { heartbeat } },
        commands: { slow: 'sleep 1.5' },
      });
      await using proxy = await startProxy(scene.url, 600);
      return await sendForm(proxy.url, 'POST', '/repo/site/exec', 'command=slow&block=1').then(
        ({ text }) => text.trimStart(),
        () => null,
      );
    };
    assert.equal(await answerBehindProxy(0.1), SUCCESS);
    assert.equal(await answerBehindProxy(25), null);
  });

  test('is understood by HTTP/1.0 as well', async () => {
    await using scene = await createScene({
      config: { timeouts: { heartbeat: 0.05 } },
      commands: { slow: 'sleep 0.3' },
    });
    const body = 'command=slow&block=1';
    const head = `POST /repo/site/pull HTTP/1.0\r\nContent-Length: ${body.length}\r\nContent-Type: ${FORM['Content-Type']}\r\n\r\n`;
    const { headers, text } = await exchange(scene.url, head + body);
    assert.equal(headers['transfer-encoding'], undefined);
    assert.equal(text.trimStart(), SUCCESS);
    assert.ok(text.startsWith('\n'));
  });

  test('ends when the agent does, and says so', async () => {
    await using scene = await createScene({ commands: { slow: 'touch begun; sleep 1003' } });
    const waiting = pull(scene, { command: 'slow' });
    await until(async () => (await readdir(scene.copy)).includes('begun'), 'the command runs');
    scene.agent.signal('SIGTERM');
    const { text } = await waiting;
    assert.match(text, /"err_msg": "the agent was stopped",\n {4}"ret": "failed"/);
  });
});

describe('exec', () => {
  test('runs a command without pulling, and tells it what it may know', async () => {
    const variables = 'REPO JOB BRANCH BEFORE AFTER CALLER'.split(' ');
    const print = variables.map((name) => `echo "$GITAGENT_${name}"`).join('; ');
    await using scene = await createScene({ commands: { show: `(${print}) > shown` } });
    await scene.commit();
    const form = { command: 'show', block: '1' };
    const answer = await sendForm(scene.url, 'POST', '/repo/site/exec', form);
    assert.equal(answer.text, SUCCESS);
    const { kind, id } = await jobOf(scene, answer);
    assert.equal(kind, 'RUN');
    const shown = ['site', id, 'main', scene.first, scene.first, 'anonymous', ''].join('\n');
    assert.equal(await readFile(join(scene.copy, 'shown'), 'utf8'), shown);
    assert.equal(await git(scene.copy, 'rev-parse', 'HEAD', 'origin/main'), `${scene.first}\n${scene.first}`); // prettier-ignore
  });

  test('does not wait for what a command leaves behind, and ends one that takes too long', async () => {
    await using scene = await createScene({
      commands: {
        leave: 'sleep 5 & echo started',
        hang: { run: 'sleep 1006 & sleep 1006', timeout: 0.2 },
      },
    });
    const begin = performance.now();
    const left = await sendForm(scene.url, 'POST', '/repo/site/exec', 'command=leave&block=1');
    assert.equal(left.text, SUCCESS);
    assert.ok(performance.now() - begin < 4900);
    const hung = await sendForm(scene.url, 'POST', '/repo/site/exec', 'command=hang&block=1');
    assert.match(hung.text, /"err_msg": "command \\"hang\\" was ended after 0.2 seconds: /);
    const alive = () =>
      processesOf(scene.agent.home).filter(({ command }) => command.startsWith('sleep'));
    await until(() => alive().length === 0, 'what was left behind ends by itself');
  });

  test('is refused while the repository is busy, and answers at once without block', async () => {
    await using scene = await createScene({ commands: { slow: waitAt('gate') } });
    const target = '/repo/site/exec';
    assert.equal((await sendForm(scene.url, 'POST', target, { command: 'slow' })).text, SUCCESS);
    assert.equal((await sendForm(scene.url, 'POST', target, { command: 'slow' })).text, BUSY);
    await scene.open('gate');
  });
});
