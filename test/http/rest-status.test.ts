/** `GET /repo/NAME` on real working copies, with git's own diff for comparison. */
import assert from 'node:assert/strict';
import { mkdir, rename, rm, symlink, writeFile, chmod } from 'node:fs/promises';
import { test } from 'node:test';
import { createScene, type Scene } from '../agent/scene.ts';
import {
  git,
  cloneRepository,
  createFixture,
  initRepository,
  runGit,
  writeCommit,
} from '../support/git-fixture.ts';
import { startAgent } from '../support/agent-process.ts';
import { request } from '../support/raw-http.ts';

interface RepoStatus {
  readonly author: string | null;
  readonly branch: string | null;
  readonly busy: boolean;
  readonly changed_files: Record<'A' | 'D' | 'M' | 'R', string[]>;
  readonly dirty: boolean;
  readonly hash: string | null;
  readonly message: string | null;
  readonly untracked_files: string[];
}

async function readStatus(url: string, name = 'site'): Promise<RepoStatus> {
  const { status, text } = await request(url, 'GET', `/repo/${name}`);
  assert.equal(status, 200, text);
  return JSON.parse(text) as RepoStatus;
}

const NONE = { A: [], D: [], M: [], R: [] };

/** What the original asked git, and how it read it. */
async function changedFilesByGit(copy: string): Promise<RepoStatus['changed_files']> {
  const diff = ['diff', '--abbrev=40', '--full-index', '-M', '--raw', '-z', '--no-color'];
  const fields = (await runGit(copy, diff)).toString().split('\0');
  const files = { A: [], D: [], M: [], R: [] } as RepoStatus['changed_files'] &
    Record<string, string[]>;
  for (let i = 0; i < fields.length - 1; i += 2) {
    const letter = fields[i]?.split(' ')[4]?.[0] ?? '';
    const path = fields[i + 1] ?? '';
    if (letter === 'R') i += 1; // the old name, then the new one
    if (files[letter]?.includes(path) === false) files[letter].push(path);
  }
  return files;
}

test('the body is the original’s, byte for byte', async () => {
  await using scene = await createScene();
  await writeCommit(scene.origin, {
    author: 'Zoë 周 <zoe@example.com>',
    message: 'títle "quoted" \\ / </b>\n\n\tbody\u007f\n',
    files: { 'gone.txt': 'g\n', 'README.md': 'r\n' },
  });
  await git(scene.copy, 'pull', '--quiet');
  await rm(`${scene.copy}/gone.txt`);
  await scene.write('README.md', 'changed\n');
  await mkdir(`${scene.copy}/newdir/sub`, { recursive: true });
  await scene.write('newdir/b', '');
  await scene.write('newdir/sub/a', '');
  await scene.write('brand-new.txt', '');
  const hash = await git(scene.copy, 'rev-parse', 'HEAD');
  const { body, headers } = await request(scene.url, 'GET', '/repo/site');
  const expected = `{
    "author": "Zoë 周",
    "branch": "main",
    "busy": false,
    "changed_files": {
        "A": [],
        "D": [
            "gone.txt"
        ],
        "M": [
            "README.md"
        ],
        "R": []
    },
    "dirty": true,
    "hash": "${hash}",
    "message": "títle \\"quoted\\" \\\\ / </b>\\n\\n\\tbody\u007f\\n",
    "untracked_files": [
        "brand-new.txt",
        "newdir/b",
        "newdir/sub/a"
    ]
}`;
  assert.equal(body.toString(), expected);
  assert.equal(headers['content-length'], String(Buffer.byteLength(expected)));
});

type Copy = Pick<Scene, 'copy' | 'fixture' | 'write'>;

/** Each brings a working copy into a state; what is listed must be what git's diff says. */
const STATES: Record<string, (scene: Copy) => Promise<unknown>> = {
  'clean': async () => {},
  'staged only': async (scene) => {
    await scene.write('a', 'staged\n');
    await git(scene.copy, 'add', 'a');
  },
  'staged, and changed again': async (scene) => {
    await scene.write('a', 'staged\n');
    await git(scene.copy, 'add', 'a');
    await scene.write('a', 'again\n');
  },
  'announced with add -N': async (scene) => {
    await scene.write('new', 'new\n');
    await git(scene.copy, 'add', '-N', 'new');
  },
  'renamed, the new name announced': async ({ copy }) => {
    await rename(`${copy}/a`, `${copy}/z`);
    await git(copy, 'add', '-N', 'z');
  },
  'renamed by mv alone': async ({ copy }) => {
    await rename(`${copy}/a`, `${copy}/z`);
  },
  'another mode': async ({ copy }) => {
    await chmod(`${copy}/a`, 0o755);
  },
  'a link instead of a file': async ({ copy }) => {
    await rm(`${copy}/a`);
    await symlink('b', `${copy}/a`);
  },
  'removed from the index': async ({ copy }) => {
    await git(copy, 'rm', '--quiet', '--cached', 'a');
  },
  'a conflict in one file, changed on both sides': async (scene) => {
    await conflict(scene, { a: 'ours\n' }, { a: 'theirs\n' });
  },
  'a conflict, added on both sides': async (scene) => {
    await conflict(scene, { n: 'ours\n' }, { n: 'theirs\n' });
  },
  'a conflict, deleted by us': async (scene) => {
    await conflict(scene, { a: null }, { a: 'theirs\n' });
  },
  'a conflict, deleted by them': async (scene) => {
    await conflict(scene, { a: 'ours\n' }, { a: null });
  },
  'a submodule with another commit': async (scene) => {
    await addSubmodule(scene);
    await git(`${scene.copy}/sub`, 'checkout', '--quiet', 'HEAD~1');
  },
}; // prettier-ignore

async function conflict(
  { copy }: Copy,
  ours: Record<string, string | null>,
  theirs: Record<string, string | null>,
): Promise<void> {
  await writeCommit(copy, { branch: 'theirs', parents: ['main'], files: theirs });
  await writeCommit(copy, { files: ours });
  await git(copy, 'reset', '--quiet', '--hard');
  await runGit(copy, ['merge', '--quiet', 'theirs'], { exitCodes: [1] });
}

async function addSubmodule({ copy, fixture }: Copy): Promise<void> {
  const other = await initRepository(fixture.path('other'));
  await writeCommit(other, { files: { s: '1' } });
  await writeCommit(other, { files: { s: '2' } });
  await git(copy, '-c', 'protocol.file.allow=always', 'submodule', '--quiet', 'add', other, 'sub');
  await git(copy, 'commit', '--quiet', '-m', 'with a submodule');
}

test('the changed files of a working copy', async (t) => {
  await using fixture = await createFixture();
  const repo: Record<string, { repo_path: string }> = {};
  for (const [title, prepare] of Object.entries(STATES)) {
    const copy = await initRepository(fixture.path(title));
    await writeCommit(copy, { files: { a: 'one\n' }, message: 'first\n' });
    await git(copy, 'reset', '--quiet', '--hard');
    const write = async (name: string, content: string): Promise<void> => {
      await writeFile(`${copy}/${name}`, content);
    };
    await prepare({ copy, fixture, write });
    repo[title] = { repo_path: copy };
  }
  await using agent = await startAgent({ config: { repo } });
  for (const [title, { repo_path: copy }] of Object.entries(repo)) {
    await t.test(title, async () => {
      const { changed_files, dirty } = await readStatus(agent.url, encodeURIComponent(title));
      assert.deepEqual(changed_files, await changedFilesByGit(copy));
      const porcelain = await git(copy, 'status', '--porcelain', '--untracked-files=no');
      assert.equal(dirty, porcelain !== '');
      if (title === 'staged only') assert.deepEqual([changed_files, dirty], [NONE, true]);
    });
  }
});

test('a submodule with an untracked file in it makes the tree dirty, and is listed as git status lists it', async () => {
  await using scene = await createScene();
  await addSubmodule(scene);
  await scene.write('sub/untracked', '');
  const { changed_files, dirty } = await readStatus(scene.url);
  assert.deepEqual([changed_files, dirty], [{ ...NONE, M: ['sub'] }, true]);
});

test('untracked files have their real names, whatever is in them, and bytes that are none are shown', async () => {
  await using scene = await createScene();
  const names = ['tab\there', 'line\nbreak', '"quoted"', 'back\\slash', '中文', '😀', 'sp ace'];
  for (const name of names) await scene.write(name, '');
  await writeFile(Buffer.concat([Buffer.from(`${scene.copy}/`), Buffer.from([0xff, 0x66])]), '');
  await scene.write('.gitignore', 'ignored\n');
  await scene.write('ignored', '');
  const { untracked_files, dirty, changed_files } = await readStatus(scene.url);
  const inGitsOrder = [...names, '.gitignore'].toSorted((a, b) =>
    Buffer.compare(Buffer.from(a), Buffer.from(b)),
  );
  assert.deepEqual(untracked_files, [...inGitsOrder, '\uFFFDf']);
  assert.deepEqual([dirty, changed_files], [false, NONE]);
});

test('a detached HEAD has no branch; a branch may have a slash in it', async () => {
  await using scene = await createScene();
  await git(scene.copy, 'checkout', '--quiet', '-b', 'feature/slash');
  assert.equal((await readStatus(scene.url)).branch, 'feature/slash');
  await git(scene.copy, 'checkout', '--quiet', '--detach');
  assert.equal((await readStatus(scene.url)).branch, null);
});

test('a message in Latin-1 that says so is read as that', async () => {
  await using scene = await createScene();
  const { copy } = scene;
  const message = Buffer.from('caf\xe9\n', 'latin1');
  await runGit(copy, ['-c', 'i18n.commitEncoding=latin1', 'commit', '--quiet', '--allow-empty', '-F', '-'], { input: message }); // prettier-ignore
  assert.equal((await readStatus(scene.url)).message, 'café\n');
});

test('bare, unborn and SHA-256 repositories answer, with null for what there is not', async () => {
  await using fixture = await createFixture();
  const bare = await initRepository(fixture.path('bare.git'), { bare: true });
  const hash = await writeCommit(bare, { files: { a: '1' }, message: 'in bare\n' });
  const emptyBare = await initRepository(fixture.path('empty.git'), { bare: true });
  const unborn = await initRepository(fixture.path('unborn'), { branch: 'master' });
  await writeFile(`${unborn}/a`, '');
  await writeFile(`${unborn}/b`, '');
  await git(unborn, 'add', 'a');
  const sha256 = await initRepository(fixture.path('sha256'), { objectFormat: 'sha256' });
  const long = await writeCommit(sha256, { files: { a: '1' } });
  await git(sha256, 'reset', '--quiet', '--hard');
  const worktree = fixture.path('worktree');
  await git(sha256, 'worktree', 'add', '--quiet', '-b', 'second', worktree);
  const shallow = await cloneRepository(`file://${bare}`, fixture.path('shallow'), '--depth=1');
  const paths = { bare, emptyBare, unborn, sha256, worktree, shallow };
  const repo = Object.fromEntries(
    Object.entries(paths).map(([name, path]) => [name, { repo_path: path }]),
  );
  await using agent = await startAgent({ config: { repo } });
  const nothing = { author: null, hash: null, message: null };
  const still = { busy: false, dirty: false, changed_files: NONE, untracked_files: [] };
  const inBare = { author: 'Ada', branch: 'main', hash, message: 'in bare\n' };
  const inSha256 = { author: 'Ada', hash: long, message: 'a commit\n' };
  assert.equal(long.length, 64);
  for (const [name, expected] of Object.entries({
    bare: { ...still, ...inBare },
    emptyBare: { ...still, ...nothing, branch: 'main' },
    unborn: { ...still, ...nothing, branch: 'master', dirty: true, untracked_files: ['b'] },
    sha256: { ...still, ...inSha256, branch: 'main' },
    worktree: { ...still, ...inSha256, branch: 'second' },
    shallow: { ...still, ...inBare },
  })) {
    assert.deepEqual(await readStatus(agent.url, name), expected, name);
  }
});

test('a lock left in the repository keeps no status from being read', async () => {
  await using scene = await createScene();
  await scene.write('.git/index.lock', '');
  assert.equal((await readStatus(scene.url)).branch, 'main');
});
