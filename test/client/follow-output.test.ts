/** A job's output through the typed client: each byte once, whatever becomes of the connection. */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  createGitAgentClient,
  GitAgentError,
  runDocument,
  type GitAgentClient,
  type OutputChunk,
} from '../../src/client/index.ts';
import { createScene, waitAt } from '../agent/scene.ts';
import { startAgent } from '../support/agent-process.ts';
import { createBreakingProxy } from '../support/breaking-proxy.ts';
import { until, within } from '../support/deadline.ts';

async function run(client: GitAgentClient, command: string): Promise<string> {
  return (await client.mutate(runDocument, { input: { repo: 'site', command } })).run.job.key;
}

/** The text, after a check that each chunk begins where the one before it ended. */
async function readAll(
  chunks: AsyncIterable<OutputChunk>,
  onChunk: (chunk: OutputChunk) => void | Promise<void> = () => undefined,
): Promise<string> {
  let text = '';
  let end = 0;
  for await (const chunk of chunks) {
    assert.equal(chunk.offset, end);
    end += Buffer.byteLength(chunk.text);
    text += chunk.text;
    await onChunk(chunk);
  }
  return text;
}

const COUNT = 200;
const TALK = `for n in $(seq ${COUNT}); do printf "%s: žluťoučký 🐎\\n" $n; sleep 0.005; done`;
const LINES = Array.from({ length: COUNT }, (_, n) => `${n + 1}: žluťoučký 🐎\n`).join('');

test('a follower that is cut at every other chunk gets each byte once', async () => {
  await using scene = await createScene({ commands: { talk: TALK } });
  await using proxy = await createBreakingProxy(scene.url);
  await using client = createGitAgentClient({ url: proxy.url });
  const job = await run(client, 'talk');
  let chunks = 0;
  let cuts = 0;
  const text = await readAll(client.followOutput({ job }), () => {
    if (chunks++ % 2 !== 0) return;
    proxy.cut();
    cuts++;
  });
  assert.ok(cuts > 3, `only ${cuts} cuts`);
  assert.equal(text.replace(/^.*\n/, ''), LINES);
});

test('a follower outlives an agent that is killed, and ends with the job that was interrupted', async () => {
  await using scene = await createScene({ commands: { talk: `echo begun; ${waitAt('gate')}` } });
  await using proxy = await createBreakingProxy(scene.url);
  await using client = createGitAgentClient({ url: proxy.url });
  const job = await run(client, 'talk');
  let begun = (): void => undefined;
  const hasBegun = new Promise<void>((resolve) => (begun = resolve));
  const reading = readAll(client.followOutput({ job }), ({ text }) => {
    if (/^begun$/m.test(text)) begun();
  });
  await within(hasBegun, 'it is read');
  proxy.lead(null);
  await scene.agent.kill();
  // The command has a process group of its own.
  await scene.open('gate');
  const { stateDir, home } = scene.agent;
  const repo = { site: { repo_path: scene.copy, command: { talk: 'echo second' } } };
  await using next = await startAgent({ config: { repo }, stateDir, home });
  proxy.lead(next.url);
  const text = await within(reading, 'the follower ends');
  assert.equal(text.match(/^begun$/gm)?.length, 1);
  // And the next agent's jobs are followed as well.
  const second = await run(client, 'talk');
  assert.match(await readAll(client.followOutput({ job: second })), /second\n$/);
});

test('who follows a repository gets the next job, also when it ran while the connection was gone', async () => {
  await using scene = await createScene({ commands: { one: 'echo first', two: 'echo other' } });
  await using proxy = await createBreakingProxy(scene.url);
  await using client = createGitAgentClient({ url: proxy.url });
  await using direct = createGitAgentClient({ url: scene.url });
  await readAll(direct.followOutput({ job: await run(direct, 'two') }));
  const following = readAll(client.followOutput({ repo: 'site' }));
  // The present state has come: 101 and an acknowledgement are 200 bytes, a state some more.
  await until(() => proxy.bytes() > 300, 'it watches');
  proxy.lead(null);
  proxy.cut();
  for (const command of ['one', 'two']) {
    await readAll(direct.followOutput({ job: await run(direct, command) }));
  }
  proxy.lead(scene.url);
  assert.match(await within(following, 'it ends'), /\nfirst\n$/);
});

test('who follows a repository where a job runs gets that one, from its beginning', async () => {
  await using scene = await createScene({ commands: { talk: `echo a; ${waitAt('g')}; echo b` } });
  await using client = createGitAgentClient({ url: scene.url });
  const job = await run(client, 'talk');
  const text = await readAll(client.followOutput({ repo: 'site' }), async (chunk) => {
    assert.equal(chunk.job.key, job);
    await scene.open('g');
  });
  assert.match(text, /\na\nb\n$/);
});

test('goes on behind a cursor, and refuses one that is none', async () => {
  await using scene = await createScene({ commands: { talk: 'echo a; sleep 0.1; echo b' } });
  await using client = createGitAgentClient({ url: scene.url });
  const job = await run(client, 'talk');
  const chunks = client.followOutput({ job });
  const first = await chunks.next();
  await chunks.return?.();
  assert.ok(first.value !== undefined);
  let rest = '';
  for await (const { text } of client.followOutput({ after: first.value.cursor })) rest += text;
  assert.equal(`${first.value.text}${rest}`.replace(/^.*\n/, ''), 'a\nb\n');
  const wrong = client.followOutput({ job, after: 'nonsense' });
  await assert.rejects(
    wrong.next(),
    (error) => error instanceof GitAgentError && error.code === 'BAD_USER_INPUT',
  );
});

test('a follower that stops reading keeps no more than a megabyte, and loses nothing', async () => {
  const pieces = 64;
  const bytes = pieces * 250_000;
  // Not all at once: the kernel would take much of it before the client has read what makes it leave.
  const piece = `head -c 250000 /dev/zero | tr '\\0' x; sleep 0.1`;
  await using scene = await createScene({
    commands: { flood: `for n in $(seq ${pieces}); do ${piece}; done` },
  });
  await using proxy = await createBreakingProxy(scene.url);
  await using client = createGitAgentClient({ url: proxy.url });
  const job = await run(client, 'flood');
  const chunks = client.followOutput({ job });
  const first = await within(chunks.next(), 'a chunk');
  assert.ok(first.value !== undefined);
  // Not a byte more comes while nobody asks: the socket was closed.
  await until(() => proxy.open() === 0, 'the socket is closed');
  const before = proxy.bytes();
  assert.ok(before < 8 * 1024 * 1024, `${before} bytes went to one who does not read`);
  let length = first.value.text.length;
  for await (const { text, offset } of chunks) {
    assert.equal(offset, length);
    length += text.length;
  }
  assert.ok(length > bytes, `${length}`);
});

test('who leaves while nothing comes is gone at once', async () => {
  await using scene = await createScene();
  await using proxy = await createBreakingProxy(scene.url);
  await using client = createGitAgentClient({ url: proxy.url });
  const following = client.followOutput({ repo: 'site' });
  const next = following.next();
  await until(() => proxy.bytes() > 300, 'it watches');
  await following.return?.();
  assert.equal((await within(next, 'who waits is told')).done, true);
  await until(() => proxy.open() === 0, 'the socket is closed');
});
