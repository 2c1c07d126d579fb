/** A repository with one of everything that git can hold, for what reads objects and refs. */
import { createObjectReader, type ObjectReader } from '../../src/git/object-reader.ts';
import type { Git } from '../../src/git/git.ts';
import type { Oid } from '../../src/git/oid.ts';
import { openRepository, type Repository } from '../../src/git/repository.ts';
import { putGitFirst } from '../support/fake-git.ts';
import { openDoor } from '../support/git-door.ts';
import {
  createFixture,
  git,
  initRepository,
  runGit,
  type Fixture,
} from '../support/git-fixture.ts';

export interface ObjectScene extends AsyncDisposable {
  readonly fixture: Fixture;
  readonly dir: string;
  readonly git: Git;
  readonly repository: Repository;
  readonly objects: ObjectReader;
}

export interface ObjectSceneOptions {
  readonly objectFormat?: 'sha1' | 'sha256';
  readonly maxChildren?: number;
  readonly cacheBytes?: number;
  readonly idleMs?: number;
  /** Shell code that is run instead of each `git cat-file`. */
  readonly readerDoes?: string;
  /** Fills the repository before it is opened. */
  readonly fill?: (dir: string) => Promise<unknown>;
}

export async function createObjectScene(options: ObjectSceneOptions = {}): Promise<ObjectScene> {
  await using stack = new AsyncDisposableStack();
  const fixture = stack.use(await createFixture());
  const dir = await initRepository(fixture.path('objects.git'), {
    bare: true,
    objectFormat: options.objectFormat ?? 'sha1',
  });
  await options.fill?.(dir);
  const { readerDoes } = options;
  const host =
    readerDoes === undefined
      ? {}
      : {
          PATH: await putGitFirst(
            fixture.path('bin'),
            `case " $* " in *' cat-file '*) ${readerDoes};; esac`,
            'exec "$REAL_GIT" "$@"',
          ),
        };
  const door = await openDoor(fixture, { host });
  const objects = stack.use(
    createObjectReader({
      git: door.git,
      maxChildren: options.maxChildren ?? 2,
      cacheBytes: options.cacheBytes ?? 0,
      ...(options.idleMs === undefined ? {} : { idleMs: options.idleMs }),
    }),
  );
  const kept = stack.move();
  return {
    fixture,
    dir,
    git: door.git,
    repository: await openRepository(dir),
    objects,
    [Symbol.asyncDispose]: async () => {
      await kept.disposeAsync();
    },
  };
}

/** A generator of the same numbers for the same seed (mulberry32), from 0 up to but not 1. */
export function createRandom(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** Branches, merges of two and of three, reverts, changed modes and types, links, submodules, odd names. */
export async function writeRandomHistory(
  dir: string,
  random: () => number,
  count: number,
): Promise<Oid[]> {
  const pick = <T>(list: readonly T[]): T => {
    const found = list[Math.floor(random() * list.length)];
    if (found === undefined) throw new Error('nothing to pick from');
    return found;
  };
  const foreign = '1'.repeat((await git(dir, 'hash-object', '--stdin')).length);
  const stream: string[] = [];
  for (let n = 1; n <= count; n++) {
    const parents = new Set<number>();
    for (let k = n === 1 ? 0 : pick([1, 1, 1, 1, 2, 2, 3]); k > 0; k--) {
      parents.add(Math.max(1, n - 1 - Math.floor(random() * 6)));
    }
    // Clocks that go wrong now and then: a child that is older than its parent.
    const date = 1_700_000_000 + n * 60 - (random() < 0.15 ? 7200 : 0);
    const [first, ...others] = parents;
    stream.push(
      `commit refs/heads/c${n}`,
      `mark :${n}`,
      `committer Ada <ada@example.com> ${date} +0100`,
      `data ${`commit ${n}`.length}\ncommit ${n}`,
      ...(first === undefined ? [] : [`from :${first}`]),
      ...others.map((parent) => `merge :${parent}`),
    );
    const names =
      n === 1 ? NAMES : Array.from({ length: pick([0, 1, 1, 2, 3]) }, () => pick(NAMES));
    for (const name of names) {
      // Few contents, so that branches come to the same one, and go back to an earlier one.
      const content = n === 1 ? 'one' : pick(['one', 'two', 'three']);
      const mode =
        n === 1 ? '100644' : pick(['100644', '100644', '100755', '120000', '160000', 'D']);
      if (mode === 'D') stream.push(`D "${name}"`);
      else if (mode === '160000') stream.push(`M 160000 ${foreign} "${name}"`);
      else stream.push(`M ${mode} inline "${name}"`, `data ${content.length}\n${content}`);
    }
  }
  for (let n = 1; n <= count; n++) stream.push(`get-mark :${n}`);
  const printed = await runGit(dir, ['fast-import', '--quiet'], {
    input: `${stream.join('\n')}\n`,
  });
  return printed.toString().trim().split('\n') as Oid[];
}

/** In C quotes, as git-fast-import(1) has them: a name in UTF-8, two that are not, one with a newline. */
const NAMES = [
  'a',
  'b',
  'lib/a',
  'lib/b',
  'lib/deep/a',
  'lib/deep/b',
  'other/x',
  'lib/\\303\\274',
  'lib/\\012',
  'lib/\\377',
  'lib/\\376/x',
];

/** Writes a tag object, right or wrong, and gives its id. */
export async function writeObject(
  dir: string,
  type: 'tag' | 'tree' | 'blob' | 'commit',
  body: string | Buffer,
): Promise<Oid> {
  const args = ['hash-object', '-t', type, '-w', '--stdin', '--literally'];
  return (await runGit(dir, args, { input: body })).toString().trim() as Oid;
}

/** All objects, with type and size, as git lists them. */
export async function listObjects(
  dir: string,
): Promise<{ oid: Oid; type: string; size: number }[]> {
  const printed = await git(dir, 'cat-file', '--batch-all-objects', '--batch-check');
  return printed.split('\n').map((line) => {
    const [oid = '', type = '', size = ''] = line.split(' ');
    return { oid: oid as Oid, type, size: Number(size) };
  });
}
