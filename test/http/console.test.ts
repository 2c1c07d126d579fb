import assert from 'node:assert/strict';
import { once } from 'node:events';
import { readdir } from 'node:fs/promises';
import { describe, test } from 'node:test';
import { createScene, getStatus, waitAt, type Scene } from '../agent/scene.ts';
import { until } from '../support/deadline.ts';
import { cloneRepository } from '../support/git-fixture.ts';
import {
  CLOSE,
  connectConsole,
  PING,
  PONG,
  TEXT,
  type PythonConsole,
} from '../support/python-client.ts';
import { openConnection, request, sendForm } from '../support/raw-http.ts';

async function exec(
  scene: Scene,
  console: PythonConsole,
  command: string,
  more: Readonly<Record<string, string>> = {},
): Promise<void> {
  const form = { command, console_id: console.id, block: '1', ...more };
  const { text } = await sendForm(scene.url, 'POST', '/repo/site/exec', form);
  assert.match(text, /"ret": "success"/);
}

/** Two sockets: the answer of the pull may be read before the last frame, though that was sent first. */
async function assertOutput(console: PythonConsole, expected: string | RegExp): Promise<void> {
  const isThere = (): boolean =>
    typeof expected === 'string'
      ? console.output().length >= expected.length
      : expected.test(console.output());
  await console.until(isThere);
  if (typeof expected === 'string') assert.equal(console.output(), expected);
}

const HANDSHAKE = {
  Connection: 'Upgrade',
  Upgrade: 'websocket',
  'Sec-WebSocket-Key': 'AAAAAAAAAAAAAAAAAAAAAA==',
  'Sec-WebSocket-Version': '13',
};

describe('the handshake', () => {
  test('chooses none of the sub-protocols, and nothing else either', async () => {
    await using scene = await createScene();
    using console = await connectConsole(scene.url);
    assert.match(console.handshake, /^HTTP\/1\.1 101 Switching Protocols\r\n/);
    assert.match(console.handshake, /\r\nUpgrade: websocket\r\n/);
    assert.match(console.handshake, /\r\nConnection: Upgrade\r\n/);
    assert.match(console.handshake, /\r\nSec-WebSocket-Accept: \S{28}\r\n/);
    assert.doesNotMatch(console.handshake, /Protocol:|Extensions:/i);
  });

  test('is followed by the greeting, byte for byte, and never in one read with it', async () => {
    await using scene = await createScene();
    const ids = new Set<string>();
    for (let i = 0; i < 30; i++) {
      // Throws when the greeting comes along with the 101, as ws4py does.
      using console = await connectConsole(scene.url);
      ids.add(console.id);
      assert.match(console.id, /^\d{20,39}$/);
    }
    assert.equal(ids.size, 30);
    using connection = await openConnection(scene.url);
    const lines = Object.entries(HANDSHAKE).map(([name, value]) => `${name}: ${value}`);
    connection.write(`GET /console HTTP/1.1\r\nHost: x.localhost\r\n${lines.join('\r\n')}\r\n\r\n`);
    await connection.peek((bytes) => bytes.includes('"}'));
    const text = connection.take().toString().split('\r\n\r\n')[1] ?? '';
    assert.match(
      text.slice(2),
      /^\{"type": "sys", "message": "Welcome to WebSocket", "id": "\d+"\}$/,
    );
  });

  test('that is none is refused in the original’s words', async () => {
    await using scene = await createScene();
    const { Connection: _, ...unconnected } = HANDSHAKE;
    const { 'Sec-WebSocket-Key': _key, ...keyless } = HANDSHAKE;
    const { 'Sec-WebSocket-Version': _version, ...versionless } = HANDSHAKE;
    const cases: [Readonly<Record<string, string>>, number, string][] = [
      [{}, 400, 'Can "Upgrade" only to "WebSocket".'],
      [{ ...HANDSHAKE, Upgrade: 'h2c' }, 400, 'Can "Upgrade" only to "WebSocket".'],
      [unconnected, 400, '"Connection" must be "Upgrade".'],
      [keyless, 400, 'Missing/Invalid WebSocket headers'],
      [{ ...HANDSHAKE, 'Sec-WebSocket-Key': 'x' }, 400, 'Missing/Invalid WebSocket headers'],
      [versionless, 426, 'Upgrade Required'],
      [{ ...HANDSHAKE, 'Sec-WebSocket-Version': '99' }, 426, 'Upgrade Required'],
    ];
    for (const [headers, status, text] of cases) {
      const answer = await request(scene.url, 'GET', '/console', headers);
      assert.deepEqual([answer.status, answer.text], [status, text]);
      assert.equal(answer.headers['content-type'], 'text/html; charset=UTF-8');
      if (status === 426) assert.equal(answer.headers['sec-websocket-version'], '7, 8, 13');
    }
  });

  test('may be one of the older drafts', async () => {
    await using scene = await createScene();
    for (const version of ['7', '8']) {
      const headers = { ...HANDSHAKE, 'Sec-WebSocket-Version': version };
      assert.equal((await request(scene.url, 'GET', '/console', headers)).status, 101);
    }
  });

  test('may come from the agent’s own page or from none, not from another', async () => {
    await using scene = await createScene({ config: { hosts: ['tools.example'] } });
    const { host } = new URL(scene.url);
    const status = async (origin: string) =>
      (await request(scene.url, 'GET', '/console', { Host: host, ...HANDSHAKE, Origin: origin }))
        .status;
    for (const origin of [`ws://${host}`, `http://${host}`, 'https://tools.example']) {
      assert.equal(await status(origin), 101, origin);
    }
    for (const origin of ['http://evil.example', 'null', `http://${host}.evil.example`]) {
      assert.equal(await status(origin), 403, origin);
    }
    const rebound = { ...HANDSHAKE, Host: 'evil.example' };
    assert.equal((await request(scene.url, 'GET', '/console', rebound)).status, 403);
  });
});

describe('a console', () => {
  test('gets the output of what names it, escaped as the original did', async () => {
    const printed = 'é 中 😀 </b> "q" \\ \u007f \u001b[31mred';
    await using scene = await createScene({ commands: { print: `printf '%s' '${printed}'` } });
    using console = await connectConsole(scene.url);
    await exec(scene, console, 'print');
    await assertOutput(console, `$ printf '%s' '${printed}'\n${printed}`);
    const all = console.frames.join('');
    assert.match(all, /^(\{"type": "output", "content": "[\u0020-\u007e]*"\})+$/);
    const escaped = String.raw`\u00e9 \u4e2d \ud83d\ude00 <\/b> \"q\" \\ \u007f \u001b[31mred`;
    assert.ok(all.includes(escaped), all);
  });

  test('gets git’s part of a pull too, several jobs in order, and nothing of others', async () => {
    await using scene = await createScene({
      commands: { one: 'echo one', two: 'echo two', other: 'echo other' },
    });
    await scene.commit();
    using console = await connectConsole(scene.url);
    using second = await connectConsole(scene.url);
    const form = { git_branch: 'main', command: 'one', console_id: console.id, block: '1' };
    await sendForm(scene.url, 'POST', '/repo/site/pull', form);
    await assertOutput(console, /^fetch origin\n[^]*fast-forward main to [^]*\$ echo one\none\n$/);
    await sendForm(scene.url, 'POST', '/repo/site/exec', { command: 'other', block: '1' });
    await exec(scene, console, 'two');
    await assertOutput(console, /\none\n\$ echo two\ntwo\n$/);
    assert.doesNotMatch(console.output(), /other/);
    assert.deepEqual(second.frames, []);
  });

  test('gets 200,000 lines completely, all of them before block=1 is answered', async () => {
    await using scene = await createScene({ commands: { seq: 'seq 1 200000' } });
    using console = await connectConsole(scene.url);
    await exec(scene, console, 'seq');
    const numbers = Array.from({ length: 200_000 }, (_, i) => `${i + 1}\n`).join('');
    await assertOutput(console, `$ seq 1 200000\n${numbers}`);
  });

  test('shows bytes that are not UTF-8 and never splits a character', async () => {
    const split = String.raw`printf '\377\376bad'; printf '\344'; sleep 0.1; printf '\270\255'`;
    await using scene = await createScene({ commands: { split } });
    using console = await connectConsole(scene.url);
    await exec(scene, console, 'split');
    await assertOutput(console, `$ ${split}\n\uFFFD\uFFFDbad中`);
  });

  test('that reads slowly holds nobody up, and gets everything in order', async () => {
    await using scene = await createScene({
      commands: { much: 'seq 1 1000000', little: 'echo little' },
    });
    using console = await connectConsole(scene.url);
    console.connection.socket.pause();
    const form = { command: 'much', console_id: console.id, block: '0' };
    await sendForm(scene.url, 'POST', '/repo/site/exec', form);
    await until(async () => (await getStatus(scene.url))['busy'] === false, 'the job ends');
    await sendForm(scene.url, 'POST', '/repo/site/exec', { ...form, command: 'little' });
    await until(async () => (await getStatus(scene.url))['busy'] === false, 'the job ends');
    console.connection.socket.resume();
    await console.until(() => console.frames.at(-1)?.includes('little') === true);
    const output = console.output();
    assert.match(
      output,
      /^\$ seq 1 1000000\n1\n2\n[^]*\n999999\n1000000\n\$ echo little\nlittle\n$/,
    );
    assert.equal(output.split('\n').length, 1_000_004);
  });

  test('that reads nothing does not keep block=1 from being answered for long', async () => {
    await using scene = await createScene({ commands: { much: 'seq 1 3000000' } });
    using console = await connectConsole(scene.url);
    console.connection.socket.pause();
    await exec(scene, console, 'much');
  });

  test('takes jobs of two repositories at the same time', async () => {
    await using scene = await createScene();
    const copy = await cloneRepository(scene.origin, scene.fixture.path('second'));
    const command = { slow: `echo slow; ${waitAt('gate')}`, fast: 'echo fast' };
    const repo = {
      site: { repo_path: scene.copy, command },
      second: { repo_path: copy, command },
    };
    const { dir } = scene.fixture;
    await using both = await createScene({ config: { repo }, env: { GATES: dir } });
    using console = await connectConsole(both.url);
    const form = { console_id: console.id, block: '1' };
    const slow = sendForm(both.url, 'POST', '/repo/site/exec', { ...form, command: 'slow' });
    await console.until(() => console.output().includes('\nslow\n'));
    await sendForm(both.url, 'POST', '/repo/second/exec', { ...form, command: 'fast' });
    await assertOutput(console, /\nfast\n$/);
    await scene.open('gate');
    await slow;
  });

  test('is not disturbed by what it is sent, answers pings, and closes when it is asked to', async () => {
    await using scene = await createScene({ commands: { hello: 'echo hello' } });
    using console = await connectConsole(scene.url);
    console.send(TEXT, Buffer.from('hello?'));
    console.send(2, Buffer.from([0xff]));
    console.send(PING, Buffer.from('are you there'));
    await console.until(() => console.controls.length > 0);
    assert.deepEqual(console.controls, [{ opcode: PONG, payload: Buffer.from('are you there') }]);
    await exec(scene, console, 'hello');
    await assertOutput(console, /hello\n$/);
    const closed = once(console.connection.socket, 'end');
    console.send(CLOSE, Buffer.from([0x03, 0xe8]));
    await closed;
    assert.deepEqual(console.controls.at(-1), {
      opcode: CLOSE,
      payload: Buffer.from([0x03, 0xe8]),
    });
  });

  test('that is silent is pinged, so that proxies keep it', async () => {
    await using scene = await createScene({ config: { timeouts: { heartbeat: 0.05 } } });
    using console = await connectConsole(scene.url);
    await console.until(() => console.controls.length > 2);
    assert.ok(console.controls.every(({ opcode }) => opcode === PING));
  });

  test('that has gone, or never was, keeps no pull from running', async () => {
    await using scene = await createScene({
      commands: { slow: `touch begun; ${waitAt('gate')}; echo more` },
    });
    let gone: string;
    {
      using console = await connectConsole(scene.url);
      gone = console.id;
      const form = { command: 'slow', console_id: console.id };
      await sendForm(scene.url, 'POST', '/repo/site/exec', form);
      await until(async () => (await readdir(scene.copy)).includes('begun'), 'the command runs');
      console.connection.socket.resetAndDestroy();
      await once(console.connection.socket, 'close');
    }
    await scene.open('gate');
    await until(async () => (await getStatus(scene.url))['busy'] === false, 'the job ends');
    for (const console_id of [gone, '1', '', '0', 'nonsense']) {
      const form = { git_branch: 'main', console_id, block: '1' };
      const { text } = await sendForm(scene.url, 'POST', '/repo/site/pull', form);
      assert.match(text, /"ret": "success"/);
    }
  });

  test('is told goodbye when the agent stops', async () => {
    await using scene = await createScene();
    using console = await connectConsole(scene.url);
    scene.agent.signal('SIGTERM');
    await console.until(() => console.controls.length > 0);
    const [{ opcode, payload }] = console.controls as [(typeof console.controls)[number]];
    assert.deepEqual([opcode, payload.readUInt16BE(0)], [CLOSE, 1001]);
  });
});

describe('with a password', () => {
  const config = { password: 'secret' };
  const commands = { hello: 'echo hello' };

  test('a console without credentials gets what a caller with them sends there, and nothing else', async () => {
    await using scene = await createScene({ config, commands });
    using console = await connectConsole(scene.url);
    const form = { command: 'hello', console_id: console.id, block: '1' };
    const refused = await sendForm(scene.url, 'POST', '/repo/site/exec', form);
    assert.equal(refused.status, 401);
    await exec(scene, console, 'hello', { password: 'secret' });
    await assertOutput(console, '$ echo hello\nhello\n');
  });

  test('a console with credentials is its caller’s alone', async () => {
    const anonymous = ['read', 'pull', 'run'];
    await using scene = await createScene({ config: { ...config, anonymous }, commands });
    for (const [target, headers] of [
      ['/console?password=secret', []],
      ['/console', ['Authorization: Bearer secret']],
    ] as const) {
      using console = await connectConsole(scene.url, target, headers);
      await exec(scene, console, 'hello');
      assert.deepEqual(console.frames, []);
      await exec(scene, console, 'hello', { password: 'secret' });
      await assertOutput(console, '$ echo hello\nhello\n');
    }
  });

  test('a console with wrong credentials is refused', async () => {
    await using scene = await createScene({ config });
    for (const query of ['password=wrong', 'time=1&sign=x', 'sign=']) {
      const answer = await request(scene.url, 'GET', `/console?${query}`, HANDSHAKE);
      assert.equal(answer.status, 401);
      assert.match(answer.headers['www-authenticate'] ?? '', /^Basic /);
      assert.equal(answer.headers['content-type'], 'application/problem+json');
    }
  });
});
