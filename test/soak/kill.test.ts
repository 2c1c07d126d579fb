/**
 * The agent is killed at random moments of pulls that run a command. However it dies: no job that it
 * accepted is missing, no byte of output that a client has read is missing, no repository is locked or
 * half moved, nobody's uncommitted work is lost, no process is left, and the next pull works.
 *
 * `npm run test:soak` does 200 rounds; GITAGENT_SOAK says another number, GITAGENT_SEED repeats a run.
 */
import assert from 'node:assert/strict';
import { appendFile, mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { setTimeout as delay } from 'node:timers/promises';
import type { Oid } from '../../src/git/oid.ts';
import { createRandom } from '../jobs/support.ts';
import { startAgent, processesOf, type AgentProcess } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import {
  cloneRepository,
  createFixture,
  git,
  initRepository,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';

const ROUNDS = Number(process.env['GITAGENT_SOAK'] ?? 2);
const SEED = Number(process.env['GITAGENT_SEED'] ?? Date.now() % 1_000_000);
const FILES = 24;

/** The same folder, served by its four strategies. */
const STRATEGIES = ['ff-only', 'reset', 'merge', 'rebase'] as const;
type Strategy = (typeof STRATEGIES)[number];

interface Scene {
  readonly fixture: Fixture;
  readonly origin: string;
  readonly copy: string;
  readonly home: string;
  start(): Promise<AgentProcess>;
  /** A commit that changes every file, adds some and removes some. */
  commit(branch: string): Promise<Oid>;
}

async function createScene(fixture: Fixture): Promise<Scene> {
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  const home = fixture.path('home');
  await mkdir(home);
  await writeFile(
    join(home, '.gitconfig'),
    '[user]\n\tname = Grace\n\temail = grace@example.com\n',
  );
  let version = 0;
  const commit = async (branch: string): Promise<Oid> => {
    version += 1;
    const files: Record<string, string | null> = {
      [`only-${version}/deep/file`]: `${version}\n`,
      [`only-${version - 2}/deep/file`]: null,
      // A file takes a folder's place, and the other way round.
      ...(version % 2 === 0 ? { 'turn/in': null, turn: 'file\n' } : { turn: null, 'turn/in': 'x' }),
    };
    for (let index = 0; index < FILES; index++) {
      files[`slow/${index}.slow`] = `${version} ${'x'.repeat(20_000)}\n`;
      files[`many/${index}`] = `${version}\n`;
    }
    return await writeCommit(origin, { branch, files, message: `version ${version}\n` });
  };
  await writeCommit(origin, { files: { mine: 'theirs\n' } });
  await commit('main');
  await git(origin, 'branch', 'side');
  const copy = await cloneRepository(origin, fixture.path('copy'));
  // A filter that takes its time, so that moves are hit in the middle.
  await mkdir(join(copy, '.git/info'), { recursive: true });
  await writeFile(join(copy, '.git/info/attributes'), '*.slow filter=slow\n');
  await git(copy, 'config', 'filter.slow.smudge', 'sleep 0.01; cat');
  await git(copy, 'config', 'filter.slow.clean', 'cat');
  const command = {
    say: 'sleep 300 & i=0; while [ $i -lt 60 ]; do echo line $i; i=$((i+1)); sleep 0.01; done; kill $!',
  };
  const repo = Object.fromEntries(
    STRATEGIES.map((strategy) => [strategy, { repo_path: copy, strategy, command }]),
  );
  return {
    fixture,
    origin,
    copy,
    home,
    commit,
    start: async () =>
      await startAgent({
        config: { repo },
        stateDir: fixture.path('state'),
        home,
        isKilled: true,
      }),
  };
}

interface Accepted {
  readonly id: string;
  /** What a client has read of its output so far. */
  readonly read: () => Buffer;
}

/** Starts a pull and follows its output. null when the agent died before it answered. */
async function submit(url: string, repo: Strategy, branch: string): Promise<Accepted | null> {
  const body = new URLSearchParams({ git_branch: branch, command: 'say', block: '0' });
  const answer = await fetch(`${url}/repo/${repo}/pull`, { method: 'POST', body }).catch(
    () => null,
  );
  const id = answer?.headers.get('location')?.replace('/jobs/', '');
  await answer?.text().catch(() => undefined);
  if (id === undefined) return null;
  const chunks: Buffer[] = [];
  void (async () => {
    const output = await fetch(`${url}/jobs/${id}/output?follow=1`);
    for await (const chunk of output.body ?? []) chunks.push(Buffer.from(chunk));
  })().catch(() => undefined); // The agent died.
  return { id, read: () => Buffer.concat(chunks) };
}

async function findLocks(dir: string): Promise<string[]> {
  const names = await readdir(dir, { recursive: true });
  return names.filter((name) => name.endsWith('.lock') || /tmp_(pack|idx|rev|objdir)/.test(name));
}

async function jobOf(url: string, id: string): Promise<Record<string, unknown>> {
  const answer = await fetch(`${url}/jobs/${id}`);
  assert.equal(answer.status, 200, `job ${id} is in the journal`);
  return (await answer.json()) as Record<string, unknown>;
}

test(
  `${ROUNDS} kills at random moments leave nothing lost, locked, half moved or running (seed ${SEED})`,
  {
    skip: process.platform !== 'linux' && 'needs /proc',
    timeout: 60_000 + ROUNDS * 20_000,
  },
  async (t) => {
    const random = createRandom(SEED);
    await using fixture = await createFixture();
    const scene = await createScene(fixture);
    const { copy, home } = scene;
    await using stack = new AsyncDisposableStack();
    let agent = await scene.start();
    const counts: Record<string, number> = {};
    const count = (what: string): void => {
      counts[what] = (counts[what] ?? 0) + 1;
    };
    stack.defer(async () => {
      await agent.stop();
      assert.deepEqual(processesOf(home), []);
      await agent[Symbol.asyncDispose]();
    });
    for (let round = 0; round < ROUNDS; round++) {
      const strategy = STRATEGIES[random(8)] ?? 'ff-only';
      const branch = random(4) === 0 ? 'side' : 'main';
      await t.test(`round ${round}: ${strategy} to ${branch}`, async () => {
        const target = await scene.commit(branch);
        const present = await git(copy, 'symbolic-ref', '--short', 'HEAD');
        const isDiverged = (strategy === 'merge' || strategy === 'rebase') && present === branch;
        if (isDiverged) {
          await writeFile(join(copy, `local-${round}`), 'ours\n');
          await git(copy, 'add', `local-${round}`);
          await git(copy, 'commit', '--quiet', '-m', 'ours');
        }
        // Somebody's work that no move has to touch, or that a reset discards.
        const mine = `work of round ${round}\n`;
        if (strategy !== 'rebase') await writeFile(join(copy, 'mine'), mine);
        await writeFile(join(copy, 'notes.txt'), mine);
        const before = await git(copy, 'rev-parse', 'HEAD');
        const refs = await git(copy, 'for-each-ref', 'refs/heads');

        const first = await submit(agent.url, strategy, branch);
        const second = random(3) === 0 ? await submit(agent.url, strategy, branch) : null;
        await delay(random(1500));
        await agent[Symbol.asyncDispose]();
        agent = await scene.start();

        for (const job of [first, second]) {
          if (job === null) continue;
          const { state, err_msg: error } = await jobOf(agent.url, job.id);
          count(String(state));
          if (state === 'INTERRUPTED') {
            const text = String(error).replace('the agent ended before the job did', '');
            count(text || 'before anything');
          }
          assert.match(String(state), /^(?:INTERRUPTED|SUCCEEDED)$/, JSON.stringify(error));
          const output = await fetch(`${agent.url}/jobs/${job.id}/output`);
          const kept = Buffer.from(await output.arrayBuffer());
          const read = job.read();
          assert.ok(
            kept.subarray(0, read.length).equals(read),
            `what a client has read is kept: ${read.toString()} in ${kept.toString()}`,
          );
        }
        const others = processesOf(home).filter(({ pid }) => pid !== agent.pid);
        assert.deepEqual(others, [], 'no process is left');
        assert.deepEqual(await findLocks(join(copy, '.git')), [], 'no lock is left');
        const unfinished = new Set(['MERGE_HEAD', 'rebase-merge', 'rebase-apply']);
        const there = await readdir(join(copy, '.git'));
        assert.deepEqual(
          there.filter((name) => unfinished.has(name)),
          [],
        );
        const head = await git(copy, 'rev-parse', 'HEAD');
        const log = JSON.stringify(agent.log().map(({ msg, steps }) => ({ msg, steps })));
        if (head !== before) {
          await git(copy, 'merge-base', '--is-ancestor', target, head);
        } else {
          const now = await git(copy, 'for-each-ref', 'refs/heads');
          if (present !== branch) assert.equal(now, refs, `branches are as before: ${log}`);
        }
        const status = (await git(copy, 'status', '--porcelain')).split('\n').filter(Boolean);
        const isKept = status.includes(' M mine');
        const rest = status.filter((line) => line !== ' M mine' && line !== '?? notes.txt');
        assert.deepEqual(rest, [], `HEAD ${head === before ? 'before' : 'after'}: ${log}`);
        assert.equal(await readFile(join(copy, 'notes.txt'), 'utf8'), mine);
        if (isKept) assert.equal(await readFile(join(copy, 'mine'), 'utf8'), mine);
        else if (strategy !== 'rebase') {
          assert.equal(strategy, 'reset', `only a reset discards: ${log}`);
          const saved = await git(
            copy,
            'for-each-ref',
            '--format=%(refname)',
            'refs/gitagent/saved',
          );
          const contents = await Promise.all(
            saved
              .split('\n')
              .filter(Boolean)
              .map(async (ref) => await git(copy, 'show', `${ref}:mine`)),
          );
          assert.ok(contents.includes(mine.trimEnd()), `what it discarded is saved: ${log}`);
        }

        const next = await submit(agent.url, strategy, branch);
        assert.ok(next !== null);
        await until(
          async () =>
            !['QUEUED', 'RUNNING'].includes(String((await jobOf(agent.url, next.id))['state'])),
          'the next pull ends',
          60_000,
        );
        const { state, err_msg: error } = await jobOf(agent.url, next.id);
        assert.equal(state, 'SUCCEEDED', JSON.stringify(error));
        await git(copy, 'merge-base', '--is-ancestor', target, 'HEAD');
        // As the origin has it, for the next round.
        await git(copy, 'reset', '--quiet', '--hard', `origin/${branch}`);
      });
    }
    t.diagnostic(JSON.stringify({ seed: SEED, rounds: ROUNDS, ...counts }));
    if (process.env['GITAGENT_SOAK'] !== undefined) {
      await appendFile(
        process.env['GITAGENT_SOAK_REPORT'] ?? '/dev/null',
        `${JSON.stringify({ seed: SEED, rounds: ROUNDS, ...counts })}\n`,
      );
    }
  },
);
