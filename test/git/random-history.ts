/**
 * A history as no two clocks and no two people agree upon: merges of any number of parents, several roots,
 * commits that are older than their parents or of the same second, empty commits, odd messages.
 */
import { runGit } from '../support/git-fixture.ts';

/** Whole numbers below a bound, the same ones for the same seed. */
export type Random = (below: number) => number;

export function createRandom(seed: number): Random {
  let state = (seed * 2_654_435_761) % 0x7fffffff || 1;
  return (below) => {
    state = (state * 48_271) % 0x7fffffff;
    return state % below;
  };
}

export interface RandomHistoryOptions {
  readonly commits: number;
  /**
   * How far a commit may be older than its parents, in seconds, and what moves on between two commits at
   * most: 0 gives many commits of one second.
   */
  readonly skew: number;
  readonly step: number;
  /** And at least. Default: 0, so that a commit may be of its parent's second, and shown after it. */
  readonly leastStep?: number;
  /** One commit in so many is dated 1970. 0: none. */
  readonly brokenClock?: number;
}

/** Names that only bytes can say stand beside others. */
export const PATHS: readonly Buffer[] = [
  'a',
  'b',
  'dir/a',
  'dir/sub/b',
  '-dash',
  ':(glob)*',
  'cafÃ©',
]
  .map((name) => Buffer.from(name, 'utf8'))
  .concat(Buffer.from('caf\xe9/\xff', 'latin1'));

export const AUTHORS = ['Ada <ada@example.com>', 'Zo\xeb <ZOE@example.com>', 'x <x.ample@y>'];

const MESSAGES = [
  'plain\n', 'no newline', '\n\nblank before\n', 'trailing  \nspaces \t\n', 'blank after\n\n\n', '',
  'Headline\n\nBody\n    indented\n\n    \n', 'caf\xe9 in Latin-1\n', 'crlf\r\nlines\r\n', '\n',
]; // prettier-ignore

/** Writes it as `refs/heads/main`, whose last commit reaches all. */
export async function writeRandomHistory(
  repository: string,
  random: Random,
  { commits, skew, step, leastStep = 0, brokenClock = 0 }: RandomHistoryOptions,
): Promise<void> {
  const parts: Buffer[] = [];
  const write = (text: string): void => void parts.push(Buffer.from(text, 'latin1'));
  const heads = new Set<number>();
  let clock = 1_700_000_000;
  for (let n = 1; n <= commits; n++) {
    clock += leastStep + random(step - leastStep + 1);
    const isBroken = brokenClock > 0 && random(brokenClock) === 0;
    const time = isBroken ? random(100) : clock - random(skew + 1);
    const parents = new Set<number>();
    if (n === commits) for (const head of heads) parents.add(head);
    else if (n > 1 && random(40) !== 0) {
      const wanted = [1, 1, 1, 1, 2, 2, 2, 3, 5][random(9)] ?? 1;
      // Mostly young ones, so that lines run side by side.
      for (let i = 0; i < wanted; i++)
        parents.add(Math.max(1, n - 1 - random(random(4) === 0 ? n : 8)));
    }
    const [from, ...merged] = [...parents].slice(0, 60);
    write(`reset refs/heads/main\ncommit refs/heads/main\nmark :${n}\n`);
    write(`author ${AUTHORS[random(AUTHORS.length)] ?? ''} ${time - 100} +0130\n`);
    write(`committer Charles <charles@example.com> ${time} -0230\n`);
    const message = `${n} ${MESSAGES[random(MESSAGES.length)] ?? ''}`;
    write(`data ${message.length}\n${message}\n`);
    if (from !== undefined) write(`from :${from}\n`);
    for (const parent of merged) write(`merge :${parent}\n`);
    for (const parent of parents) heads.delete(parent);
    heads.add(n);
    for (let i = random(3); i > 0; i--) {
      const path = PATHS[random(PATHS.length)] ?? Buffer.from('a');
      const quoted = [...path].map((byte) => `\\${byte.toString(8).padStart(3, '0')}`).join('');
      const content = String(random(4));
      write(`M 100644 inline "${quoted}"\ndata ${content.length}\n${content}\n`);
    }
    write('\n');
  }
  await runGit(repository, ['fast-import', '--quiet', '--force'], { input: Buffer.concat(parts) });
}
