/** A random walk: changes a working copy in every way that people, editors and git do, one step at a time. */
import { execFileSync } from 'node:child_process';
import {
  appendFileSync,
  chmodSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import {
  cloneRepository,
  git,
  GIT_ENVIRONMENT,
  initRepository,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';
import { createRandom } from '../jobs/support.ts';

export interface Walk {
  readonly copy: string;
  /** Changes something and says what. Returns in the moment the change is made. */
  step(): string;
}

/** Folders of the tree, some ignored, some with tracked files nevertheless, one with a name that is not UTF-8. */
const FOLDERS = [
  '',
  'a',
  'a/b',
  'a/b/c',
  'build',
  'build/x',
  'logs',
  'lib',
  'n\xefve',
  'lib/build',
];
const FILES = ['f', 'g.o', 'h.log', 'keep.o', 'k', 'b', 'c'];
const PATTERNS = [
  '*.o',
  'build/',
  '!keep.o',
  '*.log',
  '/a/b',
  'lib',
  '!lib',
  'logs/*',
  '!logs/k',
  '**/c',
  '',
];

export async function createWalk(fixture: Fixture, seed: number): Promise<Walk> {
  const random = createRandom(seed);
  const origin = await initRepository(fixture.path('origin.git'), { bare: true });
  await writeCommit(origin, {
    files: {
      '.gitignore': '*.o\nbuild/\n',
      f: 'one\n',
      'a/f': 'one\n',
      'a/b/k': 'one\n',
      'build/keep.o': 'tracked though ignored\n',
      'lib/f': 'one\n',
    },
  });
  const copy = await cloneRepository(origin, fixture.path('copy'));
  const inner = await initRepository(fixture.path('inner.git'), { bare: true });
  await writeCommit(inner, { files: { s: 'one\n', '.gitignore': '*.o\n' } });
  await git(
    copy,
    '-c',
    'protocol.file.allow=always',
    'submodule',
    'add',
    '--quiet',
    inner,
    'module',
  );
  await git(copy, 'commit', '--quiet', '-m', 'with a submodule');
  const home = fixture.path('home');
  mkdirSync(`${home}/.config/git`, { recursive: true });

  const env = { ...GIT_ENVIRONMENT, HOME: home };
  const run = (...args: string[]): void => {
    execFileSync('git', args, { cwd: copy, env, stdio: 'ignore' });
  };
  const pick = <T>(list: readonly [T, ...T[]] | readonly T[]): T => {
    const found = list[random(list.length)];
    if (found === undefined) throw new Error('there is nothing to pick from');
    return found;
  };
  /** Below the working copy, as bytes. */
  const at = (path: string): Buffer => Buffer.from(`${copy}/${path}`, 'latin1');
  const join = (folder: string, name: string): string =>
    folder === '' ? name : `${folder}/${name}`;
  const file = (): string => join(pick(FOLDERS), pick(FILES));
  const folder = (): string => pick(FOLDERS.slice(1));
  const write = (path: string, text: string): void => {
    const slash = path.lastIndexOf('/');
    if (slash > 0) mkdirSync(at(path.slice(0, slash)), { recursive: true });
    writeFileSync(at(path), text);
  };
  const text = (): string => `${pick(['one', 'two', 'six'])}\n`;
  const branch = (): string => pick(['main', 'side', 'other/one']);

  const steps: Readonly<Record<string, () => void>> = {
    write: () => write(file(), text()),
    'write several': () => {
      for (let n = random(20); n >= 0; n--) write(file(), text());
    },
    'write the same size in the same moment': () => {
      const path = file();
      write(path, 'one\n');
      run('add', '--force', '--', '.');
      write(path, 'two\n');
    },
    append: () => appendFileSync(at(file()), 'more\n'),
    touch: () => {
      const path = at(file());
      utimesSync(path, 1_700_000_000 + random(1000), 1_700_000_000);
    },
    chmod: () => chmodSync(at(file()), pick([0o644, 0o755])),
    'chmod a folder': () => chmodSync(at(folder()), pick([0o755, 0o700])),
    delete: () => rmSync(at(file()), { recursive: true }),
    'delete a folder': () => rmSync(at(folder()), { recursive: true }),
    rename: () => renameSync(at(file()), at(file())),
    'rename a folder': () => renameSync(at(folder()), at(folder())),
    'swap two folders': () => {
      const [one, two] = [folder(), folder()];
      renameSync(at(one), at('swap'));
      renameSync(at(two), at(one));
      renameSync(at('swap'), at(two));
    },
    'make a folder': () => mkdirSync(at(folder()), { recursive: true }),
    'make a deep folder': () => write(`deep/${random(3)}/${random(3)}/f`, text()),
    'delete the deep folders': () => rmSync(at('deep'), { recursive: true }),
    'move a tree in': () => {
      const outside = fixture.path(`outside-${random(1e9)}`);
      mkdirSync(`${outside}/x/y`, { recursive: true });
      writeFileSync(`${outside}/x/y/f`, text());
      renameSync(outside, at(`moved-${random(3)}`));
    },
    'move a tree out and back, changed': () => {
      const [path, outside] = [at(folder()), fixture.path(`away-${random(1e9)}`)];
      renameSync(path, outside);
      writeFileSync(`${outside}/k`, text());
      renameSync(outside, path);
    },
    'write where a tree was moved to': () => writeFileSync(at(`moved-${random(3)}/x/y/k`), text()),
    symlink: () => {
      const path = at(file());
      rmSync(path, { recursive: true, force: true });
      symlinkSync(pick(['f', 'a', 'nowhere']), path);
    },
    'symlink a folder': () => {
      const path = at(folder());
      rmSync(path, { recursive: true, force: true });
      symlinkSync(pick(['a', 'lib', '..']), path);
    },
    'edit .gitignore': () => {
      const lines = Array.from({ length: random(4) }, () => `${pick(PATTERNS)}\n`);
      write(join(pick(FOLDERS), '.gitignore'), lines.join(''));
    },
    'delete .gitignore': () => rmSync(at(join(pick(FOLDERS), '.gitignore'))),
    'edit info/exclude': () => {
      mkdirSync(at('.git/info'), { recursive: true });
      writeFileSync(at('.git/info/exclude'), `${pick(PATTERNS)}\n`);
    },
    'edit attributes': () =>
      write('.gitattributes', pick(['* text\n', '*.o binary\n', '* -text\n'])),
    'edit the excludes of the user': () => {
      writeFileSync(`${home}/.config/git/ignore`, `${pick(PATTERNS)}\n`);
    },
    'edit the configuration of the user': () => {
      const lines = pick(['', '[core]\n\texcludesFile = ~/x\n', '[include]\n\tpath = y\n']);
      writeFileSync(`${home}/.gitconfig`, `[user]\n\tname = G\n\temail = g@g\n${lines}`);
    },
    'edit a file that the configuration names': () => {
      writeFileSync(`${home}/x`, `${pick(PATTERNS)}\n`);
      writeFileSync(`${home}/y`, `[core]\n\texcludesFile = ~/${pick(['x', 'z'])}\n`);
      writeFileSync(`${home}/z`, `${pick(PATTERNS)}\n`);
    },
    'git config': () => run('config', 'status.renames', pick(['true', 'false', 'copies'])),
    'git config core.fileMode': () => run('config', 'core.fileMode', pick(['true', 'false'])),
    'git config core.excludesFile': () => run('config', 'core.excludesFile', `${home}/z`),
    'git config --unset core.excludesFile': () => run('config', '--unset', 'core.excludesFile'),
    'git add': () => run('add', '--', pick(['.', 'a', 'lib'])),
    'git add --force': () => run('add', '--force', '--', Buffer.from(file(), 'latin1').toString()),
    'git add --intent-to-add': () => run('add', '--intent-to-add', '--', pick(['.', 'a'])),
    'git rm': () => run('rm', '-r', '--quiet', '--force', '--', pick(['a', 'lib', 'f', 'build'])),
    'git rm --cached': () =>
      run('rm', '-r', '--quiet', '--cached', '--', pick(['a', 'lib', 'build'])),
    'git mv': () =>
      run('mv', '--force', pick(['f', 'a', 'lib']), pick(['moved', 'f2', 'a', 'lib'])),
    'git commit': () => run('commit', '--quiet', '-a', '-m', 'c', '--allow-empty'),
    'git commit --amend': () => run('commit', '--quiet', '--amend', '-m', 'amended'),
    'git reset': () =>
      run('reset', '--quiet', pick(['--hard', '--mixed', '--soft']), pick(['HEAD', 'HEAD~1'])),
    'git checkout': () => run('checkout', '--quiet', '--force', branch()),
    'git checkout -B': () => run('checkout', '--quiet', '-B', branch()),
    'git checkout --detach': () => run('checkout', '--quiet', '--force', '--detach'),
    'git branch -m': () => run('branch', '-M', pick(['side', 'renamed', 'other/two'])),
    'git branch -f': () => run('branch', '--force', branch(), 'HEAD'),
    'git branch -D': () => run('branch', '-D', branch()),
    'git branch -u': () =>
      run('branch', '--set-upstream-to', pick(['origin/main', 'side', 'main'])),
    'git pack-refs': () => run('pack-refs', '--all'),
    'git gc': () => run('gc', '--quiet'),
    'git stash': () => run('stash', '--quiet', ...pick([[], ['-u'], ['--all']])),
    'git stash pop': () => run('stash', 'pop', '--quiet'),
    'git merge': () => run('merge', '--quiet', branch()),
    'git rebase': () => run('rebase', '--quiet', branch()),
    'git cherry-pick': () => run('cherry-pick', branch()),
    'git operation --abort': () => run(pick(['merge', 'rebase', 'cherry-pick']), '--abort'),
    'git clean': () => run('clean', '-fdq', ...pick([[], ['-x']])),
    'git update-index --refresh': () => run('update-index', '--refresh'),
    'git update-index --assume-unchanged': () =>
      run('update-index', pick(['--assume-unchanged', '--no-assume-unchanged']), 'f'),
    'git update-index --skip-worktree': () =>
      run('update-index', pick(['--skip-worktree', '--no-skip-worktree']), 'a/f'),
    'git status that writes the index': () => run('status'),
    'git tag': () => run('tag', '--force', pick(['v1', 'origin/main', 'main'])),
    'git tag -d': () => run('tag', '--delete', pick(['v1', 'origin/main', 'main'])),
    'git fetch': () => run('fetch', '--quiet'),
    'commit to the origin, and fetch': () => {
      const options = { cwd: origin, env, stdio: 'pipe' } as const;
      const tree = execFileSync('git', ['rev-parse', 'main^{tree}'], options).toString().trim();
      const args = ['commit-tree', '-p', 'main', '-m', 'theirs', tree];
      const made = execFileSync('git', args, options).toString().trim();
      execFileSync('git', ['update-ref', 'refs/heads/main', made], options);
      run('fetch', '--quiet');
    },
    'replace the index': () => {
      writeFileSync(at('.git/index.copy'), readFileSync(at('.git/index')));
      renameSync(at('.git/index.copy'), at('.git/index'));
    },
    'delete the index': () => rmSync(at('.git/index')),
    'write in the submodule': () =>
      write(`module/${pick(['s', 't', 'u.o', 'd/e', '.gitignore'])}`, text()),
    'commit in the submodule': () =>
      run('-C', 'module', 'commit', '--quiet', '-a', '-m', 'c', '--allow-empty'),
    'reset the submodule': () =>
      run('-C', 'module', 'reset', '--quiet', '--hard', pick(['HEAD', 'HEAD~1'])),
    'exclude in the submodule': () => {
      mkdirSync(at('.git/modules/module/info'), { recursive: true });
      writeFileSync(at('.git/modules/module/info/exclude'), `${pick(['t', 'd', ''])}\n`);
    },
    'git submodule update': () =>
      run(
        '-c',
        'protocol.file.allow=always',
        'submodule',
        'update',
        '--init',
        '--force',
        '--quiet',
      ),
    'git submodule deinit': () => run('submodule', 'deinit', '--force', '--quiet', 'module'),
    'git init within': () => run('init', '--quiet', pick(['foreign', 'lib', 'a/b'])),
    'write in the foreign repository': () => write(`foreign/${pick(['f', 'x/y'])}`, text()),
    'commit in the foreign repository': () => {
      if (lstatSync(at('foreign/.git')).isDirectory()) {
        run('-C', 'foreign', 'commit', '--quiet', '--allow-empty', '-m', 'c');
      }
    },
    'no foreign repository any more': () => {
      const path = at(pick(['foreign/.git', 'lib/.git', 'a/b/.git', 'foreign']));
      // Behind a link it may be our own.
      if (realpathSync(path) !== realpathSync(at('.git'))) rmSync(path, { recursive: true });
    },
    'add the foreign repository': () => run('add', '--', 'foreign'),
    'a burst': () => {
      const dir = `burst-${random(4)}`;
      mkdirSync(at(dir), { recursive: true });
      for (let n = 0; n < 1000; n++) writeFileSync(at(`${dir}/${random(50)}`), String(n));
    },
    'no burst any more': () => rmSync(at(`burst-${random(4)}`), { recursive: true }),
    'delete and make anew': () => {
      for (const name of ['a', 'lib', 'build']) {
        rmSync(at(name), { recursive: true, force: true });
        write(`${name}/f`, text());
      }
    },
    'start over': () => {
      rmSync(at('.git/index.lock'), { force: true });
      run('reset', '--quiet', '--hard', 'origin/main');
      run('clean', '-ffdxq');
    },
  };
  const names = Object.keys(steps);
  return {
    copy,
    step() {
      const name = pick(names);
      try {
        steps[name]?.();
        return name;
      } catch {
        // What there is nothing for, git or the system refuses; it may have changed something all the same.
        return `${name} (refused)`;
      }
    },
  };
}
