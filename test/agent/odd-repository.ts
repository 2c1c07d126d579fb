/**
 * A repository with all that is odd in git, and a copy of it to ask git about: the copy follows neither
 * replacements nor grafts, so that git's plain answers there are what the agent must say of the other one.
 */
import { appendFile, mkdir, readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import {
  cloneRepository,
  git,
  initRepository,
  runProgram,
  type Fixture,
} from '../support/git-fixture.ts';
import type { Random } from '../git/random-history.ts';
import { listPaths, raw, text } from './git-answer.ts';
import { lines, printed, printedEach } from './git-batch.ts';
import { writeOddHistory } from './odd-history.ts';
import { writeOddCommits, writeSignedCommits, writeTags, type Keys, type RefsToWrite } from './odd-objects.ts'; // prettier-ignore

export interface OddRepository {
  /** The agent's name for it. */
  readonly name: string;
  /** What the agent serves. */
  readonly dir: string;
  /** Where git is asked. */
  readonly oracle: string;
  readonly isShallow: boolean;
  /** Commits that each do another thing: all that can be done, nothing, begin anew, end a shallow history. */
  readonly landmarks: readonly string[];
  /** All that can be done to files, a commit without parents, and a merge of three; null in a shallow repository. */
  readonly busy: string | null;
  readonly root: string | null;
  readonly octopus: string | null;
  readonly signed: readonly string[];
  /** Other objects that a sample must have: what was replaced, grafted, or written by hand. */
  readonly odd: readonly string[];
}

export async function createKeys(fixture: Fixture): Promise<Keys> {
  const [known, unknown] = [fixture.path('known'), fixture.path('unknown')];
  for (const key of [known, unknown]) {
    await runProgram('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key);
  }
  const allowed = fixture.path('allowed');
  await writeFile(allowed, `ada@example.com ${await readFile(`${known}.pub`, 'utf8')}`);
  return { allowed, known, unknown };
}

/** Makes the repository and its copy, and a clone of it that is shallow, bare and has a detached HEAD. */
export async function writeOddRepositories(
  fixture: Fixture,
  objectFormat: 'sha1' | 'sha256',
  random: Random,
  keys: Keys,
): Promise<OddRepository[]> {
  const dir = await initRepository(fixture.path(objectFormat), { objectFormat });
  const history = await writeOddHistory(dir, random, 40);
  const { first, second, busy, empty, octopus, root } = history;
  await git(dir, 'config', 'gpg.ssh.allowedSignersFile', keys.allowed);
  const signed = await writeSignedCommits(dir, keys);
  const written = await writeOddCommits(dir, first);
  await writeRefs(dir, { ...signed, ...written, ...(await writeTags(dir, first, keys)) });
  await leaveWorkUndone(dir);

  // A commit, a tree and a blob are replaced, a root is grafted onto another commit, and a merge loses its parents.
  const pairs = [
    `${first}:bad.txt`,
    `${first}:big`,
    'main^{tree}',
    `${second}^{tree}`,
    'refs/heads/written/modes^{tree}',
  ];
  const ids = await lines(dir, ['rev-parse', ...pairs]);
  const [blob = '', otherBlob = '', tree = '', otherTree = '', oddTree = ''] = ids;
  const replaced = {
    [`refs/replace/${empty}`]: first,
    [`refs/replace/${blob}`]: otherBlob,
    [`refs/replace/${tree}`]: otherTree,
  };
  await printed(dir, ['update-ref', '--stdin'], updates(replaced));
  const oracle = fixture.path(`${objectFormat}-oracle`);
  await runProgram('cp', '-a', dir, oracle);
  await git(oracle, 'config', 'core.useReplaceRefs', 'false');
  await mkdir(join(dir, '.git/info'), { recursive: true });
  await writeFile(join(dir, '.git/info/grafts'), `${root} ${second}\n${octopus}\n`);

  const shallow = fixture.path(`${objectFormat}-shallow`);
  await cloneRepository(`file://${oracle}`, shallow, '--bare', '--no-single-branch', '--depth=3');
  await printedEach(shallow, [
    ['config', 'gpg.ssh.allowedSignersFile', keys.allowed],
    ['update-ref', '--no-deref', 'HEAD', 'refs/heads/main~1'],
  ]);
  const boundary = (await readFile(join(shallow, 'shallow'), 'latin1')).trim().split('\n');
  const all = {
    signed: Object.values(signed),
    odd: [...Object.values(written), blob, tree, oddTree],
  };
  // prettier-ignore
  return [
    { ...all, name: objectFormat, dir, oracle, isShallow: false, landmarks: [busy, empty, root, octopus], busy, root, octopus },
    { ...all, name: `${objectFormat}-shallow`, dir: shallow, oracle: shallow, isShallow: true, landmarks: boundary.slice(0, 1), busy: null, root: null, octopus: null },
  ];
}

/** Adds symbolic refs, some in no folder that git knows, some not packed, and one whose name is not UTF-8. */
async function writeRefs(dir: string, refs: RefsToWrite): Promise<void> {
  await git(dir, 'symbolic-ref', 'refs/heads/alias', 'refs/heads/main');
  const ids = await lines(dir, ['rev-parse', 'main', 'main~1', 'main~2', 'main~3']);
  const [main = '', one = '', two = '', three = ''] = ids;
  const update = ['update-ref', '--stdin'];
  const all = { ...refs, 'refs/top': two, 'refs/na\xc3\xafve/deep/er': three };
  const loose = { 'refs/heads/a/b': one, 'refs/tags/light': two };
  await printedEach(dir, [update, ['pack-refs', '--all'], update], [updates(all), '', updates(loose)]); // prettier-ignore
  // No command takes such a name, and not every file system either.
  const packed = join(dir, '.git/packed-refs');
  const content = await readFile(packed, 'latin1');
  const line = `${main} refs/heads/caf\xe9\n`;
  await writeFile(packed, content.replace(/^(?=\S+ refs\/heads\/main$)/m, line), 'latin1');
}

/** The input of `update-ref --stdin`. */
function updates(refs: RefsToWrite): string {
  return Object.entries(refs).map(([name, id]) => `update ${name} ${id}\n`).join(''); // prettier-ignore
}

/** Changes files in the index, in the working tree, and in both. */
async function leaveWorkUndone(dir: string): Promise<void> {
  await printed(dir, ['reset', '--hard', '--quiet']);
  const files = (await listPaths(dir, 'main')).flatMap(({ mode, path }) =>
    mode.startsWith('100') && raw(path) === null ? [text(path)] : [],
  );
  const [edited = 'a', gone = 'b', run = 'c', moved = 'd'] = files;
  await appendFile(join(dir, edited), 'edited\n');
  await rm(join(dir, gone), { force: true });
  await writeFile(join(dir, 'staged.txt'), 'staged\n');
  await printedEach(dir, [
    ['add', '--', 'staged.txt'],
    ...(files.includes(run) ? [['update-index', '--chmod=+x', '--', latin1(run)]] : []),
    ...(files.includes(moved) ? [['mv', '--', latin1(moved), 'moved-by-hand']] : []),
  ]);
  await appendFile(join(dir, 'staged.txt'), 'and edited\n');
}

/** As bytes, a character for each. */
function latin1(path: string): string {
  return Buffer.from(path).toString('latin1');
}
