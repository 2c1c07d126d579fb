/** The agent is killed at a chosen moment, and what the next one makes of it. */
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, readdir, readFile, rm, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { writeScript } from '../support/fake-git.ts';
import { until } from '../support/deadline.ts';
import {
  processesOf,
  startAgent,
  type AgentProcess,
  type AgentProcessOptions,
} from '../support/agent-process.ts';
import {
  cloneRepository,
  createFixture,
  exists,
  git,
  initRepository,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';

const onLinux = { skip: process.platform !== 'linux' && 'needs /proc' };

interface Scene extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly origin: string;
  readonly copy: string;
  readonly home: string;
  readonly before: string;
  /** A line of a script that waits there as the filter does. */
  readonly gate: string;
  /** @param isKilled whether the test will kill it */
  start(isKilled?: boolean): Promise<AgentProcess>;
  /** Starts a job and gives its id. */
  submit(agent: AgentProcess, path: string, form?: Record<string, string>): Promise<string>;
  job(agent: AgentProcess, id: string): Promise<Record<string, unknown>>;
  output(agent: AgentProcess, id: string): Promise<string>;
  ended(agent: AgentProcess, id: string): Promise<Record<string, unknown>>;
}

/** `GATED` files are written by a filter that waits, once the file `hold` is there, until `go` is. */
async function createScene(
  site: Record<string, unknown> = {},
  more: Partial<AgentProcessOptions> = {},
): Promise<Scene> {
  const fixture = await createFixture();
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const files = { a: 'one\n', 'm.gated': 'one\n', z: 'one\n', gone: 'one\n', mine: 'one\n' };
  await writeCommit(origin, { files });
  const copy = await cloneRepository(origin, fixture.path('site'));
  const home = fixture.path('home');
  await mkdir(home);
  await writeFile(join(home, '.gitconfig'), '[user]\n\tname = Grace\n\temail = g@example.com\n');
  const gate = `if [ -e '${fixture.path('hold')}' ]; then touch '${fixture.path('held')}'; while [ ! -e '${fixture.path('go')}' ]; do sleep 0.01; done; fi`;
  const smudge = await writeScript(fixture.path('smudge'), gate, 'exec cat');
  await mkdir(join(copy, '.git/info'), { recursive: true });
  await writeFile(join(copy, '.git/info/attributes'), '*.gated filter=gated\n');
  await git(copy, 'config', 'filter.gated.smudge', smudge);
  await git(copy, 'config', 'filter.gated.clean', 'cat');
  const job = async (agent: AgentProcess, id: string): Promise<Record<string, unknown>> =>
    (await (await fetch(`${agent.url}/jobs/${id}`)).json()) as Record<string, unknown>;
  return {
    fixture,
    origin,
    copy,
    home,
    gate,
    before: await git(copy, 'rev-parse', 'HEAD'),
    start: async (isKilled = false) =>
      await startAgent({
        isKilled,
        stateDir: fixture.path('state'),
        home,
        ...more,
        config: { repo: { site: { repo_path: copy, ...site } }, ...more.config },
      }),
    async submit(agent, path, form = {}) {
      const body = new URLSearchParams({ block: '0', ...form });
      const answer = await fetch(`${agent.url}${path}`, { method: 'POST', body });
      const text = await answer.text();
      return answer.headers.get('location')?.replace('/jobs/', '') ?? assert.fail(text);
    },
    job,
    output: async (agent, id) => await (await fetch(`${agent.url}/jobs/${id}/output`)).text(),
    async ended(agent, id) {
      await until(
        async () => !['QUEUED', 'RUNNING'].includes(String((await job(agent, id))['state'])),
        'the job ends',
        60_000,
      );
      return await job(agent, id);
    },
    [Symbol.asyncDispose]: async () => {
      await fixture[Symbol.asyncDispose]();
    },
  };
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has just ended by itself.
  }
}

const NEXT = { a: 'two\n', 'm.gated': 'two\n', z: 'two\n', gone: null, 'new/file': 'two\n' };

/**
 * Starts something, and kills the agent when the filter holds git in the middle of the working tree.
 * @param who `all`: as when the machine dies, so that git cannot put its lock away
 */
async function killHalfWay(
  scene: Scene,
  start: (agent: AgentProcess) => Promise<string>,
  who: 'agent' | 'all' = 'agent',
): Promise<string> {
  await using agent = await scene.start(true);
  await writeFile(scene.fixture.path('hold'), '');
  const id = await start(agent);
  await until(async () => await exists(scene.fixture.path('held')), 'git is in the middle');
  await agent.kill();
  if (who === 'all') {
    await until(() => {
      const left = processesOf(scene.home);
      for (const { pid } of left) kill(pid);
      return left.length === 0;
    }, 'all is gone');
  }
  // From now on the filter lets everybody pass but who waits in it already.
  await rm(scene.fixture.path('hold'));
  return id;
}

for (const [strategy, who] of [
  ['ff-only', 'agent'],
  ['ff-only', 'all'],
  ['merge', 'all'],
  ['rebase', 'agent'],
  ['rebase', 'all'],
  ['reset', 'all'],
] as const) {
  test(
    `a ${strategy} that the ${who === 'all' ? 'machine' : 'agent'} died in is brought to one of its ends, and work that is not committed is kept`,
    onLinux,
    async () => {
      await using scene = await createScene({ strategy });
      const { copy } = scene;
      const target = await writeCommit(scene.origin, { files: NEXT });
      if (strategy === 'merge' || strategy === 'rebase') {
        await writeFile(join(copy, 'ours'), 'ours\n');
        await git(copy, 'add', 'ours');
        await git(copy, 'commit', '--quiet', '-m', 'ours');
      }
      const before = await git(copy, 'rev-parse', 'HEAD');
      if (strategy !== 'rebase') await writeFile(join(copy, 'mine'), 'not committed\n');
      await writeFile(join(copy, 'notes'), 'untracked\n');
      const id = await killHalfWay(
        scene,
        async (agent) => await scene.submit(agent, '/repo/site/pull'),
        who,
      );
      assert.ok(await exists(join(copy, '.git/index.lock')), 'git holds the lock');
      assert.equal(processesOf(scene.home).length > 0, who === 'agent');
      await using agent = await scene.start();
      const job = await scene.job(agent, id);
      assert.equal(job['state'], 'INTERRUPTED');
      const log = JSON.stringify(agent.log());
      assert.deepEqual(
        processesOf(scene.home).map(({ pid }) => pid),
        [agent.pid],
      );
      assert.equal(await exists(join(copy, '.git/index.lock')), false);
      const head = await git(copy, 'rev-parse', 'HEAD');
      const status = await git(copy, 'status', '--porcelain');
      const error = String(job['err_msg']);
      if (strategy === 'reset') {
        assert.equal(head, target);
        assert.equal(status, '?? notes', log);
        assert.match(error, /moving the working copy; the working copy is where it was to be$/);
        assert.equal(await git(copy, 'show', `refs/gitagent/saved/${id}:mine`), 'not committed');
      } else {
        assert.equal(head, before);
        assert.equal(status, strategy === 'rebase' ? '?? notes' : ' M mine\n?? notes', log);
        assert.match(error, /moving the working copy; the working copy is as it was before$/);
      }
      assert.equal(await readFile(join(copy, 'notes'), 'utf8'), 'untracked\n');
      const output = await scene.output(agent, id);
      assert.match(
        output,
        who === 'agent'
          ? /gitagent: ended group \d+ \(.*git.*\), which the dead agent had left running\n/
          : /gitagent: removed .*index\.lock, which the job had left\n/,
      );
      assert.match(log, /"level":"warn".*interrupted: the agent ended/);
      const next = await scene.ended(agent, await scene.submit(agent, '/repo/site/pull'));
      assert.equal(next['state'], 'SUCCEEDED', String(next['err_msg']));
    },
  );
}

for (const [strategy, hook, who, end] of [
  ['merge', 'post-merge', 'agent', 'where it was to be'],
  ['merge', 'post-merge', 'all', 'where it was to be'],
  ['rebase', 'post-rewrite', 'all', 'as it was before'],
  ['ff-only', 'post-merge', 'all', 'where it was to be'],
] as const) {
  test(
    `a ${strategy} that the ${who === 'all' ? 'machine' : 'agent'} died in at its ${hook} hook is not in progress any more`,
    onLinux,
    async () => {
      await using scene = await createScene({ strategy });
      const { copy } = scene;
      await writeCommit(scene.origin, { files: { a: 'two\n' } });
      if (strategy !== 'ff-only') {
        await writeFile(join(copy, 'ours'), 'ours\n');
        await git(copy, 'add', 'ours');
        await git(copy, 'commit', '--quiet', '-m', 'ours');
      }
      if (strategy !== 'rebase') await writeFile(join(copy, 'mine'), 'not committed\n');
      await writeScript(join(copy, '.git/hooks', hook), scene.gate);
      const id = await killHalfWay(
        scene,
        async (agent) => await scene.submit(agent, '/repo/site/pull'),
        who,
      );
      await using agent = await scene.start();
      const error = String((await scene.job(agent, id))['err_msg']);
      assert.ok(error.endsWith(`; the working copy is ${end}`), error);
      const status = await git(copy, 'status', '--porcelain');
      assert.equal(status, strategy === 'rebase' ? '' : ' M mine', JSON.stringify(agent.log()));
      for (const name of ['MERGE_HEAD', 'MERGE_MSG', 'rebase-merge']) {
        assert.equal(await exists(join(copy, '.git', name)), false, name);
      }
      const next = await scene.ended(agent, await scene.submit(agent, '/repo/site/pull'));
      assert.equal(next['state'], 'SUCCEEDED', String(next['err_msg']));
    },
  );
}

test('a switch to another branch that the agent died in is undone', onLinux, async () => {
  await using scene = await createScene();
  await writeCommit(scene.origin, { branch: 'topic', parents: ['main'], files: NEXT });
  const id = await killHalfWay(
    scene,
    async (agent) => await scene.submit(agent, '/repo/site/pull', { git_branch: 'topic' }),
  );
  await using agent = await scene.start();
  assert.equal((await scene.job(agent, id))['state'], 'INTERRUPTED');
  assert.equal(await git(scene.copy, 'status', '--porcelain', '--branch'), '## main...origin/main');
  assert.equal(
    await git(scene.copy, 'for-each-ref', '--format=%(refname)', 'refs/heads'),
    'refs/heads/main',
  );
});

test('a push into the checked-out branch that the agent died in is undone', onLinux, async () => {
  await using scene = await createScene();
  const { copy } = scene;
  await git(copy, 'config', 'receive.denyCurrentBranch', 'updateInstead');
  const other = await cloneRepository(scene.origin, scene.fixture.path('other'));
  await writeCommit(other, { branch: 'pushed', parents: ['main'], files: NEXT });
  const id = await killHalfWay(scene, async (agent) => {
    const push = spawn('git', ['push', '--quiet', `${agent.url}/site.git`, 'pushed:main'], {
      cwd: other,
      env: { ...process.env, HOME: scene.fixture.dir, GIT_CONFIG_GLOBAL: '/dev/null' },
      stdio: 'ignore',
    });
    void once(push, 'exit').catch(() => undefined);
    let id = '';
    await until(async () => {
      const jobs = (await (await fetch(`${agent.url}/repo/site/jobs`)).json()) as { id: string }[];
      id = jobs[0]?.id ?? '';
      return id !== '';
    }, 'the push is a job');
    return id;
  });
  await using agent = await scene.start();
  const job = await scene.job(agent, id);
  assert.equal(job['state'], 'INTERRUPTED');
  const head = await git(copy, 'rev-parse', 'HEAD');
  assert.equal(await git(copy, 'status', '--porcelain'), '', JSON.stringify(agent.log()));
  assert.equal(head, scene.before);
});

test(
  'a fetch and a command that the agent left running are ended, also when they ignore TERM',
  onLinux,
  async () => {
    const stubborn = 'trap "" TERM; setsid sleep 50 & echo ready; while :; do sleep 0.1; done';
    await using scene = await createScene(
      { command: { stubborn } },
      { config: { timeouts: { kill: 0.2 } } },
    );
    const ids: string[] = [];
    {
      await using agent = await scene.start(true);
      ids.push(await scene.submit(agent, '/repo/site/exec', { command: 'stubborn' }));
      await until(
        async () => (await scene.output(agent, ids[0] ?? '')).includes('ready'),
        'it runs',
      );
      await agent.kill();
    }
    const daemons = (): number[] =>
      processesOf(scene.home)
        .filter(({ command }) => command === 'sleep 50')
        .map(({ pid }) => pid);
    await until(() => daemons().length === 1, 'it has a session of its own');
    {
      await using agent = await scene.start(true);
      const job = await scene.job(agent, ids[0] ?? '');
      assert.match(String(job['err_msg']), /while its command ran$/);
      assert.equal(job['state'], 'INTERRUPTED');
      // What left its group on purpose is a daemon, and stays.
      const [daemon = 0] = daemons();
      assert.deepEqual(
        new Set(processesOf(scene.home).map(({ pid }) => pid)),
        new Set([agent.pid, daemon]),
      );
      process.kill(daemon, 'SIGKILL');
      await until(() => daemons().length === 0, 'the test ends it');
      const ssh = await writeScript(
        scene.fixture.path('ssh'),
        'trap "" TERM',
        'echo connecting >&2',
        'sleep 50 & wait',
      );
      await git(scene.copy, 'config', 'core.sshCommand', ssh);
      await git(scene.copy, 'remote', 'set-url', 'origin', 'ssh://host/x');
      ids.push(await scene.submit(agent, '/repo/site/pull'));
      await until(
        async () => (await scene.output(agent, ids[1] ?? '')).includes('connecting'),
        'it fetches',
      );
      await agent.kill();
    }
    await using agent = await scene.start();
    const job = await scene.job(agent, ids[1] ?? '');
    assert.match(String(job['err_msg']), /while it was fetching$/);
    assert.deepEqual([job['before'], job['after']], [scene.before, scene.before]);
    assert.deepEqual(
      processesOf(scene.home).map(({ pid }) => pid),
      [agent.pid],
    );
  },
);

test('a lock that may be another’s stays, and the log and the job say so', onLinux, async () => {
  await using scene = await createScene();
  const { copy } = scene;
  await writeCommit(scene.origin, { files: NEXT });
  const old = join(copy, '.git/refs/heads/old.lock');
  await writeFile(old, '');
  await utimes(old, 1, 1);
  const id = await killHalfWay(
    scene,
    async (agent) => await scene.submit(agent, '/repo/site/pull'),
    'all',
  );
  const theirs = spawn('git', ['cat-file', '--batch'], {
    cwd: copy,
    stdio: ['pipe', 'ignore', 'ignore'],
  });
  await once(theirs, 'spawn');
  await using agent = await scene.start();
  theirs.stdin.end();
  const job = await scene.job(agent, id);
  assert.match(String(job['err_msg']), /may be half moved/);
  const output = await scene.output(agent, id);
  assert.match(
    output,
    /left .*index\.lock, for process \d+ \(git\) works there: remove it by hand/,
  );
  assert.match(output, /left .*old\.lock, for it is older than the job/);
  assert.ok((await readdir(join(copy, '.git'))).includes('index.lock'));
});
