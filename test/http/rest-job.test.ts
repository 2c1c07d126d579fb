import assert from 'node:assert/strict';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { createScene, getStatus, waitAt, type Scene } from '../agent/scene.ts';
import { processesOf } from '../support/agent-process.ts';
import { until } from '../support/deadline.ts';
import { formatRequest, openConnection, request, sendForm } from '../support/raw-http.ts';

async function exec(scene: Scene, command: string, block = '1'): Promise<string> {
  const form = { command, block };
  const { headers } = await sendForm(scene.url, 'POST', '/repo/site/exec', form);
  return (headers['location'] ?? '').slice('/jobs/'.length);
}

async function get(scene: Scene, path: string): Promise<Record<string, unknown>> {
  const { status, text } = await request(scene.url, 'GET', path);
  assert.equal(status, 200, text);
  return JSON.parse(text) as Record<string, unknown>;
}

describe('a job', () => {
  test('is told with what was asked for, what came of it, and when', async () => {
    await using scene = await createScene({ commands: { fail: 'echo out; exit 3' } });
    const second = await scene.commit();
    const form = { git_branch: 'main', command: 'fail', block: '1' };
    const { headers } = await sendForm(scene.url, 'POST', '/repo/site/pull', form);
    const path = headers['location'] ?? '';
    const { queued_at, started_at, finished_at, ...job } = await get(scene, path);
    assert.deepEqual(job, {
      after: second,
      before: scene.first,
      branch: 'main',
      caller: 'anonymous',
      command: 'fail',
      err_code: 'COMMAND_FAILED',
      err_detail: { exitCode: 3, signal: null },
      err_msg: 'command "fail" ended with exit code 3',
      exit_code: 3,
      git_hash: null,
      id: path.slice('/jobs/'.length),
      kind: 'PULL',
      progress: null,
      repo: 'site',
      ret: 'failed',
      sequence: 1,
      signal: null,
      state: 'FAILED',
      strategy: 'ff-only',
      trigger: 'rest',
    });
    const times = [queued_at, started_at, finished_at].map((time) => Date.parse(String(time)));
    assert.deepEqual(
      times,
      times.toSorted((a, b) => a - b),
    );
    assert.ok(Date.now() - (times[0] ?? 0) < 60_000);
  });

  test('that runs has no outcome yet', async () => {
    await using scene = await createScene({ commands: { slow: waitAt('gate') } });
    const id = await exec(scene, 'slow', '0');
    const { ret, err_msg, state, finished_at } = await get(scene, `/jobs/${id}`);
    assert.deepEqual([ret, err_msg, state, finished_at], [null, null, 'RUNNING', null]);
    await scene.open('gate');
  });

  test('stands in its repository’s history, newest first, a page at a time', async () => {
    await using scene = await createScene({ commands: { true: 'true' } });
    const ids: string[] = [];
    for (let i = 0; i < 4; i++) ids.unshift(await exec(scene, 'true'));
    const list = async (query = '') => {
      const { text } = await request(scene.url, 'GET', `/repo/site/jobs${query}`);
      return JSON.parse(text) as { id: string; sequence: number }[];
    };
    const all = await list();
    assert.deepEqual(all.map(({ id }) => id), ids); // prettier-ignore
    const [, second] = all;
    assert.deepEqual(second, await get(scene, `/jobs/${ids[1]}`));
    assert.deepEqual(await list('?first=2'), all.slice(0, 2));
    assert.deepEqual(await list(`?first=1&before=${second?.sequence}`), all.slice(2, 3));
    for (const query of ['?first=x', '?before=-1', '?first=']) {
      assert.equal((await request(scene.url, 'GET', `/repo/site/jobs${query}`)).status, 400);
    }
  });

  test('is there when the agent has been started again, with its output', async () => {
    await using scene = await createScene({ commands: { hello: 'echo hello' } });
    const id = await exec(scene, 'hello');
    const before = await get(scene, `/jobs/${id}`);
    await scene.agent.stop();
    const { stateDir } = scene.agent;
    const repo = { site: { repo_path: scene.copy } };
    await using again = await createScene({ stateDir, config: { repo } });
    assert.deepEqual(await get(again, `/jobs/${id}`), before);
    const { text } = await request(again.url, 'GET', `/jobs/${id}/output`);
    assert.equal(text, '$ echo hello\nhello\n');
  });
});

describe('output', () => {
  test('is read by so many at once, and who leaves makes room', async () => {
    await using scene = await createScene({
      commands: { slow: waitAt('gate') },
      config: { limits: { output_readers: 2 } },
    });
    const path = `/jobs/${await exec(scene, 'slow', '0')}/output?follow=1`;
    const follow = async (accept: string): Promise<[number, AbortController]> => {
      const controller = new AbortController();
      const { status } = await fetch(`${scene.url}${path}`, {
        headers: { accept },
        signal: controller.signal,
      });
      return [status, controller];
    };
    const [text, reader] = await follow('text/plain');
    const [events] = await follow('text/event-stream');
    assert.deepEqual([text, events], [200, 200]);
    const refused = await request(scene.url, 'GET', path);
    assert.equal(refused.status, 429);
    assert.match(refused.text, /2 requests read outputs already \(limits\.output_readers\)/);
    reader.abort();
    await until(async () => (await follow('text/plain'))[0] === 200, 'there is room again');
    await scene.open('gate');
  });

  test('of 200,000 lines is complete, while it runs and afterwards', async () => {
    await using scene = await createScene({ commands: { seq: 'seq 1 200000' } });
    const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
    for (let run = 0; run < 3; run++) {
      const id = await exec(scene, 'seq', '0');
      const followed = await request(scene.url, 'GET', `/jobs/${id}/output?follow=1`);
      assert.equal(followed.text, `$ seq 1 200000\n${numbers}`);
      const whole = await request(scene.url, 'GET', `/jobs/${id}/output`);
      assert.ok(whole.body.equals(followed.body));
      assert.equal(whole.headers['content-length'], String(whole.body.length));
      await until(async () => (await getStatus(scene.url))['busy'] === false, 'the job ends');
    }
  });

  test('is byte for byte what was printed: what is not UTF-8, and characters in two writes', async () => {
    const split = String.raw`printf '\377\376bad'; printf '\344'; sleep 0.1; printf '\270\255'; printf '\360\237'`;
    await using scene = await createScene({ commands: { split } });
    const id = await exec(scene, 'split');
    const { body, headers } = await request(scene.url, 'GET', `/jobs/${id}/output`);
    const printed = Buffer.concat([
      Buffer.from([0xff, 0xfe]),
      Buffer.from('bad中'),
      Buffer.from([0xf0, 0x9f]),
    ]);
    assert.deepEqual(body, Buffer.concat([Buffer.from(`$ ${split}\n`), printed]));
    assert.equal(headers['content-type'], 'text/plain; charset=utf-8');
    const job = await get(scene, `/jobs/${id}`);
    assert.equal(job['ret'], 'success');
  });

  test('goes on behind an offset or a cursor', async () => {
    await using scene = await createScene({ commands: { hello: 'echo hello' } });
    const id = await exec(scene, 'hello');
    const read = async (query: string) =>
      await request(scene.url, 'GET', `/jobs/${id}/output?${query}`);
    assert.equal((await read('after=13')).text, 'hello\n');
    assert.equal((await read(`after=${id}:15`)).text, 'llo\n');
    assert.equal((await read('after=13&follow=1')).text, 'hello\n');
    assert.equal((await read('after=19')).text, '');
    assert.equal((await read('after=19&follow=1')).text, '');
    for (const after of ['20', '-1', 'x', '', `x${id.slice(1)}:3`, `${id}:`, '1e1']) {
      assert.equal((await read(`after=${after}`)).status, 400, after);
    }
    assert.equal((await read('follow=0')).text, '$ echo hello\nhello\n');
  });

  test('is followed from a cut connection on until the job ends', async () => {
    await using scene = await createScene({
      commands: { talk: `echo first; ${waitAt('gate')}; echo last` },
    });
    const id = await exec(scene, 'talk', '0');
    let seen = '';
    {
      using connection = await openConnection(scene.url);
      connection.write(formatRequest('GET', `/jobs/${id}/output?follow=1`));
      seen = (await connection.peek((bytes) => bytes.includes('first\n'))).toString();
      // As it comes: the head and the first bytes are here long before the job ends.
      assert.equal((await get(scene, `/jobs/${id}`))['state'], 'RUNNING');
    }
    assert.match(seen, /x-accel-buffering: no/i);
    const snapshot = await request(scene.url, 'GET', `/jobs/${id}/output`);
    const rest = request(
      scene.url,
      'GET',
      `/jobs/${id}/output?follow=1&after=${snapshot.body.length}`,
    );
    await scene.open('gate');
    assert.equal((await rest).text, 'last\n');
  });

  test('that nobody reads costs nothing: the job ends, and the rest is there later', async () => {
    await using scene = await createScene({
      commands: { much: 'head -c 20000000 /dev/zero | tr "\\0" x' },
    });
    const id = await exec(scene, 'much', '0');
    using connection = await openConnection(scene.url);
    connection.socket.pause();
    connection.write(formatRequest('GET', `/jobs/${id}/output?follow=1`));
    await until(async () => (await get(scene, `/jobs/${id}`))['state'] === 'SUCCEEDED', 'it ends');
    connection.socket.resume();
    const { body } = await connection.read();
    assert.equal(body.length, 20_000_000 + '$ head -c 20000000 /dev/zero | tr "\\0" x\n'.length);
  });

  test('is left by who goes away', async () => {
    await using scene = await createScene({ commands: { slow: waitAt('gate') } });
    const id = await exec(scene, 'slow', '0');
    using connection = await openConnection(scene.url);
    connection.write(formatRequest('GET', `/jobs/${id}/output?follow=1`));
    await connection.peek((bytes) => bytes.includes('$ while'));
    connection.socket.resetAndDestroy();
    await once(connection.socket, 'close');
    assert.equal((await get(scene, `/jobs/${id}`))['state'], 'RUNNING');
    await scene.open('gate');
  });

  test('is announced by HEAD with its length, once it is known', async () => {
    await using scene = await createScene({ commands: { hello: 'echo hello' } });
    const id = await exec(scene, 'hello');
    const { status, headers } = await request(scene.url, 'HEAD', `/jobs/${id}/output?after=13`);
    assert.deepEqual([status, headers['content-length']], [200, '6']);
  });
});

describe('DELETE', () => {
  test('ends a job with all its processes, and with block=1 answers when they are gone', async () => {
    await using scene = await createScene({ commands: { slow: 'sleep 1004 & sleep 1004' } });
    const id = await exec(scene, 'slow', '0');
    const sleepers = () =>
      processesOf(scene.agent.home).filter(({ command }) => command === 'sleep 1004').length;
    await until(() => sleepers() === 2, 'the command runs');
    const { status, text } = await sendForm(scene.url, 'DELETE', `/jobs/${id}`, 'block=1');
    assert.equal(status, 200);
    const { state, ret, err_code } = JSON.parse(text) as Record<string, unknown>;
    assert.deepEqual([state, ret, err_code], ['CANCELLED', 'failed', 'CANCELLED']);
    assert.equal(sleepers(), 0);
    assert.equal((await getStatus(scene.url))['busy'], false);
  });

  test('changes nothing about a job that has ended', async () => {
    await using scene = await createScene({ commands: { true: 'true' } });
    const id = await exec(scene, 'true');
    const before = await get(scene, `/jobs/${id}`);
    const { status, text } = await request(scene.url, 'DELETE', `/jobs/${id}`);
    assert.deepEqual([status, JSON.parse(text)], [200, before]);
  });

  test('answers who waits for the job', async () => {
    await using scene = await createScene({ commands: { slow: 'sleep 1005' } });
    const form = { command: 'slow', block: '1' };
    const waiting = sendForm(scene.url, 'POST', '/repo/site/exec', form);
    await until(async () => (await getStatus(scene.url))['busy'] === true, 'it runs');
    const { text } = await request(scene.url, 'GET', '/repo/site/jobs');
    const [{ id }] = JSON.parse(text) as [{ id: string }];
    await request(scene.url, 'DELETE', `/jobs/${id}`);
    assert.equal(
      (await waiting).text,
      '{\n    "err_msg": "cancelled on request",\n    "ret": "failed"\n}',
    );
  });
});
