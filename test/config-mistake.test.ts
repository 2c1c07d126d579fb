import assert from 'node:assert/strict';
import { chmod, mkdir, symlink } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createConfigFolder } from './support/config-folder.ts';

/** The text of a config with one repository `a`, and `lines` after it. */
const around = (...lines: string[]) =>
  ['{', '  "repo": {"a": {"repo_path": "a"}},', ...lines.map((line) => `  ${line}`), '}'].join(
    '\n',
  );

interface Case {
  readonly title: string;
  readonly text: string;
  readonly expected: readonly string[];
  readonly file?: string;
}

const cases: readonly Case[] = [
  {
    title: 'an unknown key names the nearest known one, and is not missing as well',
    text: '{\n  "repo": {\n    "a": {"reop_path": "a"}\n  }\n}',
    expected: ['config.json:3:11: repo.a: unknown key "reop_path"; did you mean "repo_path"?'],
  },
  {
    title: 'an unknown key at the top names the nearest known one',
    text: around('"prot": 1'),
    expected: ['config.json:3:3: unknown key "prot"; did you mean "port"?'],
  },
  {
    title: 'an unknown key that resembles none lists what is known',
    text: around('"limits": {"qqqqqqqqqqqq": 1}'),
    expected: [
      'config.json:3:14: limits: unknown key "qqqqqqqqqqqq"; known keys are git_children, queue, output_chunk, output_bytes, sockets, client_sockets, socket_operations, output_readers, fetch_retries, watched_folders, watched_folders_total, object_readers, object_cache',
    ],
  },
  {
    title: 'an unknown key inside a command is found',
    text: '{"repo": {"a": {"repo_path": "a", "command": {"c": {"run": "x", "timout": 5}}}}}',
    expected: ['config.json:1:65: repo.a.command.c: unknown key "timout"; did you mean "timeout"?'],
  },
  {
    title: 'a missing repo_path is found at the name of the repository',
    text: '{\n  "repo": {\n    "x/y": {}\n  }\n}',
    expected: [
      'config.json:3:5: repo["x/y"].repo_path: is missing; give the path of the repository',
    ],
  },
  {
    title: 'a file without repositories is refused',
    text: '{\n}',
    expected: [
      'config.json:1:1: repo: is missing; list the repositories like "repo": {"NAME": {"repo_path": "PATH"}}',
    ],
  },
  {
    title: 'a repo_path that does not exist is refused',
    text: '{"repo": {"a": {"repo_path": "gone"}}}',
    expected: [
      'config.json:1:30: repo.a.repo_path: there is no folder "TOP/gone"; correct the path, or clone the repository to it',
    ],
  },
  {
    title: 'a repo_path that is a file is refused',
    text: '{"repo": {"a": {"repo_path": "config.json"}}}',
    expected: [
      'config.json:1:30: repo.a.repo_path: "TOP/config.json" is a file; give the folder of a repository',
    ],
  },
  {
    title: 'a folder that is no repository is refused',
    text: '{"repo": {"a": {"repo_path": "plain"}}}',
    expected: [
      'config.json:1:30: repo.a.repo_path: "TOP/plain" is not a git repository; correct the path, or run "git init" in it',
    ],
  },
  {
    title: 'a folder inside a repository names the repository',
    text: '{"repo": {"a": {"repo_path": "a/sub"}}}',
    expected: [
      'config.json:1:30: repo.a.repo_path: "TOP/a/sub" is a folder inside the repository "TOP/a"; use that',
    ],
  },
  {
    title: 'a working tree whose .git file leads nowhere says where it leads',
    text: '{"repo": {"a": {"repo_path": "lost"}}}',
    expected: [
      'config.json:1:30: repo.a.repo_path: "TOP/lost" has a .git file that names "TOP/moved", which is no repository; run "git worktree repair" in the main repository, or correct the file',
    ],
  },
  {
    title: 'a misspelt strategy names the one that was meant',
    text: '{"repo": {"a": {"repo_path": "a",\n"strategy": "rebsae"}}}',
    expected: [
      'config.json:2:13: repo.a.strategy: must be one of ff-only, merge, rebase, reset, not "rebsae"; did you mean "rebase"?',
    ],
  },
  {
    title: 'a branch that git would refuse is refused',
    text: '{"repo": {"a": {"repo_path": "a", "branch": "--upload-pack=x"}}}',
    expected: [
      'config.json:1:45: repo.a.branch: is not a name git allows for a branch; see "man git-check-ref-format"',
    ],
  },
  {
    title: 'a null password is refused',
    text: around('"password": null'),
    expected: [
      'config.json:3:15: password: must be text that is not empty, or everybody would be let in; give a password or remove the key',
    ],
  },
  {
    title: 'an empty password is refused',
    text: around('"password": ""'),
    expected: [
      'config.json:3:15: password: must not be empty, or everybody would be let in; give a password or remove the key',
    ],
  },
  {
    title: 'a numeric password is refused and not shown',
    text: around('"password": 123456'),
    expected: [
      'config.json:3:15: password: must be text, not a number; put it between double quotes',
    ],
  },
  {
    title: 'a numeric password in YAML is refused',
    file: 'c.yaml',
    text: 'repo:\n  a: {repo_path: a}\npassword: 0123\n',
    expected: ['c.yaml:3:11: password: must be text, not a number; put it between double quotes'],
  },
  {
    title: 'a password key with nothing behind it in YAML is refused',
    file: 'c.yaml',
    text: 'repo:\n  a: {repo_path: a}\npassword:\n',
    expected: [
      'c.yaml:3:10: password: must be text that is not empty, or everybody would be let in; give a password or remove the key',
    ],
  },
  {
    title: 'a port in quotes is refused',
    text: around('"port": "10000"'),
    expected: ['config.json:3:11: port: must be a number, not text; write it without quotes'],
  },
  {
    title: 'a port out of range is refused',
    text: around('"port": 70000'),
    expected: ['config.json:3:11: port: must be at most 65535'],
  },
  {
    title: 'a fraction for a port is refused',
    text: around('"port": 80.5'),
    expected: ['config.json:3:11: port: must be a whole number, not a fraction'],
  },
  {
    title: 'a repo list where an object belongs is refused',
    text: '{"repo": ["a"]}',
    expected: ['config.json:1:10: repo: must be an object, not a list'],
  },
  {
    title: 'a file that is not an object is refused',
    text: '[]',
    expected: ['config.json:1:1: must be an object, not a list'],
  },
  {
    title: 'a command of the wrong type is refused',
    text: '{"repo": {"a": {"repo_path": "a", "command": {"c": 5, "d": [], "e": {"run": 1}, "f": ["x", 1]}}}}',
    expected: [
      'config.json:1:52: repo.a.command.c: must be a shell line, a list of arguments, or an object with "run"',
      'config.json:1:60: repo.a.command.d: must not be empty',
      'config.json:1:77: repo.a.command.e.run: must be a shell line or a list of arguments',
      'config.json:1:92: repo.a.command.f[1]: must be text, not a number; put it between double quotes',
    ],
  },
  {
    title: 'an unknown scope names the one that was meant',
    text: around('"anonymous": ["read", "pul"]'),
    expected: [
      'config.json:3:25: anonymous[1]: must be one of read, pull, run, push, admin, not "pul"; did you mean "pull"?',
    ],
  },
  {
    title: 'a host with a scheme is refused',
    text: around('"hosts": ["https://x.example"]'),
    expected: [
      'config.json:3:13: hosts[0]: is not a host name; write only the name, like git.example.com, without scheme or port',
    ],
  },
  {
    title: 'an empty bind_ip is refused, for it would be every address',
    text: around('"bind_ip": ""'),
    expected: [
      'config.json:3:14: bind_ip: is not an address to listen on; write 127.0.0.1 for this machine only, or 0.0.0.0 for every address',
    ],
  },
  {
    title: 'a name that is empty, too long or has a control character is refused',
    text: `{"repo": {\n"": {"repo_path": "a"},\n"${'n'.repeat(256)}": {"repo_path": "a"},\n"x\\ny": {"repo_path": "a"}}}`,
    expected: [
      'config.json:2:1: repo[""]: this name must not be empty',
      `config.json:3:1: repo.${'n'.repeat(256)}: this name must not be longer than 255 characters`,
      'config.json:4:1: repo["x\\ny"]: this name must not contain control characters; remove them',
    ],
  },
  {
    title: 'a repository called __proto__ is refused, not lost',
    text: '{"repo": {"__proto__": {"repo_path": "a"}}}',
    expected: ['config.json:1:11: repo.__proto__: this name cannot be used; choose another'],
  },
  {
    title: 'a key that is given twice is refused in JSON',
    text: '{\n  "repo": {\n    "a": {"repo_path": "a"},\n    "a": {"repo_path": "b"}\n  }\n}',
    expected: ['config.json:4:5: repo.a: the key is given twice, first on line 3; keep one'],
  },
  {
    title: 'a key that is given twice is refused in YAML, also as number and text',
    file: 'c.yml',
    text: 'repo:\n  10: {repo_path: a}\n  "10": {repo_path: b}\n',
    expected: ['c.yml:3:3: repo.10: the key is given twice, first on line 2; keep one'],
  },
  {
    title: 'a truncated file names the bracket that is not closed',
    text: '{\n  "repo": {\n    "a": {\n      "repo_path": "a"\n',
    expected: [
      'config.json:4:23: repo.a.repo_path: the file ends here, but the "{" of line 3 is not closed; is it complete?',
    ],
  },
  {
    title: 'a file that ends inside a text is called truncated',
    text: '{\n  "repo": {\n    "a": {"repo_path": "/srv/rep',
    expected: [
      'config.json:3:33: repo.a.repo_path: the file ends here, but the "{" of line 3 is not closed; is it complete?',
    ],
  },
  {
    title: 'a truncated YAML file is called truncated',
    file: 'c.yaml',
    text: 'repo:\n  a: {repo_path: a\n',
    expected: ['c.yaml:3:1: the file ends in the middle of a value; is it complete?'],
  },
  {
    title: 'a missing comma is found where it is missing',
    text: '{\n  "port": 1\n  "repo": {}\n}',
    expected: ['config.json:3:3: repo: a "," is missing before this; add it'],
  },
  {
    title: 'single quotes are refused with the remedy',
    text: "{\n  'port': 1\n}",
    expected: ['config.json:2:3: this is not JSON; text needs double quotes around it'],
  },
  {
    title: 'an empty file is refused',
    text: '\n',
    expected: ['config.json:1:1: the file is empty; "gitagent write" makes one to start from'],
  },
  {
    title: 'an empty YAML file is refused',
    file: 'c.yaml',
    text: '# nothing\n',
    expected: ['c.yaml:1:1: the file is empty; list repositories under "repo"'],
  },
  {
    title: 'a YAML alias that leads nowhere is refused without repeating it',
    file: 'c.yaml',
    text: 'repo:\n  a: {repo_path: a}\npassword: *hunter2\n',
    expected: [
      'c.yaml:3:11: password: this "*" points to nothing, or to itself; put text that begins with "*" between quotes',
    ],
  },
  {
    title: 'a YAML alias to what is around it is refused',
    file: 'c.yaml',
    text: 'repo: &r\n  a: *r\n',
    expected: [
      'c.yaml:2:6: repo.a: this "*" points to nothing, or to itself; put text that begins with "*" between quotes',
    ],
  },
  {
    title: 'listening beyond loopback without a password is refused',
    text: around('"bind_ip": "0.0.0.0"'),
    expected: [
      'config.json:3:14: bind_ip: without a password everybody who reaches "0.0.0.0" could change the repositories and run their commands; set "password" or "accessfile", or listen on 127.0.0.1, or accept it with --insecure',
    ],
  },
  {
    title: 'a retired key that would be mistaken for a protection is refused',
    text: '{"repo": {"a": {"repo_path": "a", "allow_pull": false}}}',
    expected: [
      'config.json:1:49: repo.a.allow_pull: never had an effect and has none here; remove it, and say in "anonymous" who may pull',
    ],
  },
  {
    title: 'all mistakes are told at once, in the order of the file',
    text: '{\n  "port": "x",\n  "repo": {\n    "a": {"repo_path": "gone"},\n    "b": {"repo_path": "a", "strategy": "force"}\n  },\n  "password": "",\n  "bnid_ip": "1"\n}',
    expected: [
      'config.json:2:11: port: must be a number, not text',
      'config.json:4:24: repo.a.repo_path: there is no folder "TOP/gone"; correct the path, or clone the repository to it',
      'config.json:5:41: repo.b.strategy: must be one of ff-only, merge, rebase, reset, not "force"',
      'config.json:7:15: password: must not be empty, or everybody would be let in; give a password or remove the key',
      'config.json:8:3: unknown key "bnid_ip"; did you mean "bind_ip"?',
    ],
  },
];

for (const { title, text, expected, file = 'config.json' } of cases) {
  test(title, async () => {
    await using folder = await createConfigFolder();
    folder.init('a');
    await mkdir(join(folder.path, 'a', 'sub'));
    await mkdir(join(folder.path, 'plain'));
    await folder.write('lost/.git', 'gitdir: ../moved\n');
    await folder.write(file, text);
    const lines = await folder.mistakes({ file });
    assert.deepEqual(
      lines.map((line) => line.replaceAll(folder.path, 'TOP')),
      expected,
    );
  });
}

test('a file that is not there is refused with the way to make it', async () => {
  await using folder = await createConfigFolder();
  assert.deepEqual(await folder.mistakes({ file: 'no/such.json' }), [
    'no/such.json: there is no such file; correct the path, or make one with "gitagent write -c no/such.json"',
  ]);
});

test('a folder instead of a file is refused', async () => {
  await using folder = await createConfigFolder();
  await mkdir(join(folder.path, 'x.json'));
  assert.deepEqual(await folder.mistakes({ file: 'x.json' }), [
    'x.json: this is a folder; name the file in it',
  ]);
});

test('a file that cannot be read is refused', async () => {
  await using folder = await createConfigFolder();
  // A link to itself cannot be read by root either.
  await symlink('loop.json', join(folder.path, 'loop.json'));
  assert.deepEqual(await folder.mistakes({ file: 'loop.json' }), [
    'loop.json: the file cannot be read (ELOOP); check its permissions',
  ]);
});

test(
  'a file without read permission is refused',
  { skip: process.getuid?.() === 0 && 'root reads everything' },
  async () => {
    await using folder = await createConfigFolder();
    await chmod(await folder.write('config.json', '{}'), 0);
    assert.deepEqual(await folder.mistakes(), [
      'config.json: the file cannot be read (EACCES); check its permissions',
    ]);
  },
);

test('a file that is not UTF-8 is refused', async () => {
  await using folder = await createConfigFolder();
  await folder.write('config.json', Buffer.from('\uFEFF{}', 'utf16le'));
  assert.deepEqual(await folder.mistakes(), [
    'config.json: the file is not UTF-8 text; save it as UTF-8',
  ]);
});

test('no mistake repeats the password', async () => {
  const secret = 'hunter2-\\"-hunter2';
  const texts = [
    around(`"password": "${secret}",`, '"port": "x", "bind_ip": 5, "hosts": 1'),
    around(`"password": ["${secret}"]`),
    around(`"password": {"x": "${secret}"}`),
    around(`"password": "${secret}`),
    around(`"password": "${secret}" "port"`),
    around(`"password": '${secret}'`),
  ];
  const yamls = [
    'password: *hunter2',
    'password: "hunter2',
    "password: 'a' hunter2",
    'password: !hunter2 x: y',
    'password: @hunter2',
    'password: [hunter2',
    'password: hunter2: hunter2',
    'password: | hunter2',
  ];
  await using folder = await createConfigFolder();
  folder.init('a');
  for (const [name, text] of [
    ...texts.map((text) => ['c.json', text] as const),
    ...yamls.map(
      (text) => ['c.yaml', `repo:\n  a: {repo_path: a, strategy: x}\n${text}\n`] as const,
    ),
  ]) {
    await folder.write(name, text);
    const lines = await folder.mistakes({ file: name });
    assert.doesNotMatch(lines.join('\n'), /hunter2/, text);
  }
});
