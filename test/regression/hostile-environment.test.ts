/**
 * The attack: who starts the agent, or a program that does (a hook, a CI runner, a shell within a
 * `git rebase --exec`), leaves variables that make git act on another repository (GIT_DIR,
 * GIT_INDEX_FILE, GIT_OBJECT_DIRECTORY), obey other configuration (GIT_CONFIG_*), run other programs
 * (GIT_EXEC_PATH, GIT_EXTERNAL_DIFF, GIT_SSH_COMMAND for a read, LD_PRELOAD, BASH_ENV) or write files
 * (GIT_TRACE). soft-serve CVE-2024-41956 passed LD_PRELOAD on; Gogs CVE-2024-39930 the like.
 *
 * Only the names on the allow list reach git, whatever the agent's own environment has.
 */
import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { createGit } from '../../src/git/git.ts';
import { gitEnvironment, type GitIntent } from '../../src/git/environment.ts';
import { readHead } from '../../src/git/head.ts';
import { openRepository } from '../../src/git/repository.ts';
import { readStatus } from '../../src/git/status.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { putGitFirst } from '../support/fake-git.ts';
import { untilDone } from '../support/git-door.ts';
import {
  createFixture,
  exists,
  git,
  GIT_ENVIRONMENT,
  initRepository,
  writeCommit,
} from '../support/git-fixture.ts';

const HOSTILE_NAMES = [
  'GIT_DIR', 'GIT_WORK_TREE', 'GIT_COMMON_DIR', 'GIT_INDEX_FILE', 'GIT_OBJECT_DIRECTORY',
  'GIT_ALTERNATE_OBJECT_DIRECTORIES', 'GIT_NAMESPACE', 'GIT_PREFIX', 'GIT_DISCOVERY_ACROSS_FILESYSTEM',
  'GIT_CONFIG', 'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_SYSTEM', 'GIT_CONFIG_PARAMETERS', 'GIT_CONFIG_NOSYSTEM',
  'GIT_CONFIG_COUNT', 'GIT_CONFIG_KEY_0', 'GIT_CONFIG_VALUE_0', 'GIT_CONFIG_KEY_99', 'GIT_CONFIG_VALUE_99',
  'GIT_EXEC_PATH', 'GIT_TEMPLATE_DIR', 'GIT_EXTERNAL_DIFF', 'GIT_DIFF_OPTS', 'GIT_PAGER', 'PAGER', 'LESSOPEN',
  'GIT_EDITOR', 'GIT_SEQUENCE_EDITOR', 'EDITOR', 'VISUAL', 'GIT_ASKPASS', 'SSH_ASKPASS', 'SSH_ASKPASS_REQUIRE',
  'GIT_PROXY_COMMAND', 'GIT_ALLOW_PROTOCOL', 'GIT_PROTOCOL_FROM_USER', 'GIT_PROTOCOL', 'GIT_TERMINAL_PROMPT',
  'GIT_TRACE', 'GIT_TRACE2', 'GIT_TRACE_PACKET', 'GIT_TRACE_CURL', 'GIT_REDIRECT_STDOUT', 'GIT_REPLACE_REF_BASE',
  'GIT_ATTR_SOURCE', 'GIT_GLOB_PATHSPECS', 'GIT_LITERAL_PATHSPECS', 'GIT_CEILING_DIRECTORIES',
  'GIT_AUTHOR_NAME', 'GIT_COMMITTER_NAME', 'GIT_OPTIONAL_LOCKS', 'GIT_GRAFT_FILE', 'GIT_NO_LAZY_FETCH', 'GIT_SHALLOW_FILE',
  'GIT_QUARANTINE_PATH', 'GIT_REFLOG_ACTION', 'GIT_CURL_VERBOSE', 'GIT_SSL_NO_VERIFY', 'GIT_FLUSH',
  'LD_PRELOAD', 'LD_LIBRARY_PATH', 'LD_AUDIT', 'DYLD_INSERT_LIBRARIES', 'NODE_OPTIONS', 'BASH_ENV', 'ENV',
  'PERL5OPT', 'PYTHONSTARTUP', 'IFS', 'LC_ALL', 'LANGUAGE', 'GITAGENT_PASSWORD', 'GITHUB_TOKEN',
]; // prettier-ignore

/** On the allow list for operations, for the user's own connections depend on them; not for reads. */
const FOR_OPERATIONS = [
  'GIT_SSH_COMMAND',
  'GIT_SSH',
  'GIT_SSL_CAINFO',
  'https_proxy',
  'SSH_AUTH_SOCK',
];

test('of a hostile environment nothing reaches git, neither in a read nor in an operation', async () => {
  await using fixture = await createFixture();
  const dump = fixture.path('dump');
  const PATH = await putGitFirst(fixture.path('bin'), `env >> '${dump}'`, 'exec "$REAL_GIT" "$@"');
  const names = [...HOSTILE_NAMES, ...FOR_OPERATIONS];
  const hostile = Object.fromEntries(names.map((name) => [name, 'hostile']));
  const host = { ...hostile, PATH, HOME: fixture.dir };
  // The agent's own environment counts no more than what it was told to take.
  const own = { ...process.env };
  Object.assign(process.env, hostile);
  try {
    const dir = await initRepository(fixture.path('copy'));
    await writeCommit(dir, { files: { a: '1' } });
    await git(dir, 'reset', '--quiet', '--hard');
    const repository = await openRepository(dir);
    const door = createGit({ host, maxChildren: 1 });
    const read = async (): Promise<string> => {
      const text = await readFile(dump, 'utf8');
      await writeFile(dump, '');
      return text;
    };

    assert.equal((await readHead(door, repository, untilDone)).branch, 'main');
    assert.deepEqual((await readStatus(door, repository, untilDone)).entries, []);
    assert.doesNotMatch(await read(), /hostile/);

    const head = await readHead(door, repository, untilDone);
    assert.ok(head.oid !== null);
    await read();
    const options = { signal: untilDone, onOutput: () => undefined };
    await openWorkingCopy(door, repository, options).detach(head.oid);
    const seen = (await read()).split('\n').filter((line) => line.includes('hostile'));
    assert.deepEqual(seen.toSorted(), FOR_OPERATIONS.map((name) => `${name}=hostile`).toSorted());
  } finally {
    for (const name of Object.keys(process.env)) if (!(name in own)) delete process.env[name];
    Object.assign(process.env, own);
  }
});

test('the repository that GIT_DIR, GIT_INDEX_FILE and their like name stays as it was', async () => {
  await using fixture = await createFixture();
  const victim = await initRepository(fixture.path('victim'));
  await writeCommit(victim, { files: { a: 'victim' } });
  await git(victim, 'reset', '--quiet', '--hard');
  const dir = await initRepository(fixture.path('copy'));
  const first = await writeCommit(dir, { files: { b: '1' } });
  await git(dir, 'reset', '--quiet', '--hard');
  const host = {
    PATH: GIT_ENVIRONMENT['PATH'],
    HOME: fixture.dir,
    GIT_DIR: join(victim, '.git'),
    GIT_WORK_TREE: victim,
    GIT_INDEX_FILE: join(victim, '.git/index'),
    GIT_OBJECT_DIRECTORY: join(victim, '.git/objects'),
    GIT_TRACE: fixture.path('trace'),
    GIT_CONFIG_COUNT: '1',
    GIT_CONFIG_KEY_0: 'core.worktree',
    GIT_CONFIG_VALUE_0: victim,
  };
  const door = createGit({ host, maxChildren: 1 });
  const repository = await openRepository(dir);
  const status = await readStatus(door, repository, untilDone);
  assert.equal(status.head, first);
  assert.deepEqual(status.entries, []);
  const before = await readFile(join(victim, '.git/index'));
  await openWorkingCopy(door, repository, { signal: untilDone, onOutput: () => undefined }).reset(
    first,
  );
  assert.deepEqual(await readFile(join(victim, '.git/index')), before);
  assert.equal(await readFile(join(victim, 'a'), 'utf8'), 'victim');
  assert.equal(await exists(fixture.path('trace')), false);
});

test('each intent gets exactly the names that are written down here', async () => {
  await using fixture = await createFixture();
  const repository = await openRepository(await initRepository(fixture.path('copy')));
  const host = Object.fromEntries([...HOSTILE_NAMES, ...FOR_OPERATIONS].map((name) => [name, 'x']));
  const namesFor = (intent: GitIntent): string[] =>
    Object.keys(gitEnvironment({ ...host, PATH: '/bin', HOME: '/h' }, repository, intent))
      .filter((name) => !/^GIT_CONFIG_(?:KEY|VALUE)_\d+$/.test(name))
      .toSorted();
  const always = [
    'GIT_ALLOW_PROTOCOL',
    'GIT_CEILING_DIRECTORIES',
    'GIT_CONFIG_COUNT',
    'GIT_TERMINAL_PROMPT',
    'HOME',
    'LC_ALL',
    'PATH',
  ];
  const reading = [
    'GIT_AUTHOR_EMAIL', 'GIT_AUTHOR_NAME', 'GIT_COMMITTER_EMAIL', 'GIT_COMMITTER_NAME', 'GIT_DIR', 'GIT_LITERAL_PATHSPECS',
    'GIT_GRAFT_FILE', 'GIT_NO_LAZY_FETCH', 'GIT_NO_REPLACE_OBJECTS', 'GIT_OPTIONAL_LOCKS', 'GIT_WORK_TREE',
  ]; // prettier-ignore
  assert.deepEqual(namesFor('status'), [...always, ...reading].toSorted());
  assert.deepEqual(
    namesFor('read'),
    [...always, ...reading, 'GIT_CONFIG_GLOBAL', 'GIT_CONFIG_NOSYSTEM'].toSorted(),
  );
  assert.deepEqual(namesFor('receive'), [...always, 'GIT_NO_LAZY_FETCH'].toSorted());
  assert.deepEqual(
    namesFor('operate'),
    [...always, ...FOR_OPERATIONS, 'GIT_EDITOR', 'SSH_ASKPASS', 'SSH_ASKPASS_REQUIRE'].toSorted(),
  );
});
