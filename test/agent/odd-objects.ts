/** Objects that few people write: signed, forged, tags of tags, and what git reads but would not write itself. */
import { writeObject } from '../git/object-scene.ts';
import { lines, printed, printedEach } from './git-batch.ts';

/** Two keys of ssh; only the first one is among the allowed signers. */
export interface Keys {
  readonly allowed: string;
  readonly known: string;
  readonly unknown: string;
}

/** Object ids by the refs that are to name them. */
export type RefsToWrite = Record<string, string>;

/** One by a known key, one by an unknown one, and one that somebody changed afterwards. */
export async function writeSignedCommits(
  dir: string,
  { known, unknown }: Keys,
): Promise<RefsToWrite> {
  const sign = (key: string): string[] =>
    ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${key}`, 'commit-tree', '-S', '-p', 'main', '-m', 'signed caf\xc3\xa9', 'main^{tree}']; // prettier-ignore
  const ids = await printedEach(dir, [sign(known), sign(unknown)]);
  const [good = '', other = ''] = ids.map((id) => id.trim());
  const body = await printed(dir, ['cat-file', 'commit', good]);
  return {
    'refs/heads/signed/good': good,
    'refs/heads/signed/unknown': other,
    ...(await writeBodies(dir, 'commit', { 'refs/heads/signed/forged': `${body}forged\n` })),
  };
}

/** Trees with modes of the first gits, and commits of people and at times that make little sense. */
export async function writeOddCommits(dir: string, first: string): Promise<RefsToWrite> {
  const [main = '', top = '', blob = ''] = await lines(dir, ['rev-parse', 'main', 'main:', `${first}:a.txt`]); // prettier-ignore
  const tree = await writeObject(
    dir,
    'tree',
    Buffer.concat([
      Buffer.from('100664 old\0'),
      Buffer.from(blob, 'hex'),
      Buffer.from('100755 run\0'),
      Buffer.from(blob, 'hex'),
      Buffer.from('40000 sub.dir\0'),
      Buffer.from(top, 'hex'),
    ]),
  );
  const by = 'author A <a@b> 1700000000 +0100\ncommitter C <c@d> 1700000100 -0000\n';
  return await writeBodies(dir, 'commit', {
    'refs/heads/written/modes': `tree ${tree}\nparent ${main}\n${by}\nold modes\n`,
    'refs/heads/written/nobody': `tree ${tree}\nauthor  <> 1700000000 +0000\ncommitter C <not an address> 1700000000 -0930\n\nnobody\n`,
    'refs/heads/written/dateless': `tree ${tree}\nparent ${main}\nauthor A <a@b>\ncommitter C <c@d> 1 +0000\n\nno date\n`,
    'refs/heads/written/headers': `tree ${tree}\n${by}mergetag object ${main}\n type commit\n tag v\n \n text\nx-more 1\n\nmore headers\n`,
    'refs/heads/written/silent': `tree ${tree}\n${by}`,
    'refs/heads/written/encoding': `tree ${tree}\n${by}encoding nonsense\n\ncaf\xe9\n`,
  });
}

/** Tags of commits, of tags of tags, of other objects, signed, without a tagger, and in Latin-1. */
export async function writeTags(dir: string, first: string, { known }: Keys): Promise<RefsToWrite> {
  const options = ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${known}`, 'tag'];
  const tags = [
    ['v1', 'main~1', '-a'],
    ['v1-again', 'v1', '-a'],
    ['v1-and-again', 'v1-again', '-a'],
    ['signed', 'main', '-s'],
    ['of-a-tree', 'main^{tree}', '-a'],
  ].map(([name = '', target = '', how = '']) => [...options, how, '-m', `${name}\n\nbody`, name, target]); // prettier-ignore
  const printed = await printedEach(dir, [['rev-parse', 'main', `${first}:big`], ...tags]);
  const [main = '', blob = ''] = printed[0]?.split('\n') ?? [];
  return {
    'refs/tags/light': main,
    'refs/tags/light-blob': blob,
    ...(await writeBodies(dir, 'tag', {
      'refs/tags/of-a-blob': `object ${blob}\ntype blob\ntag of-a-blob\ntagger A <a@b> 1700000000 +0000\n\nbig\n`,
      'refs/tags/no-tagger': `object ${main}\ntype commit\ntag no-tagger\n\nold\n`,
      'refs/tags/latin': `object ${main}\ntype commit\ntag other\ntagger Zo\xeb <z@x> 1700000000 -0430\n\ncaf\xe9\n`,
    })),
  };
}

/** Writes objects as they are, right or wrong. */
async function writeBodies(
  dir: string,
  type: 'commit' | 'tag',
  bodies: Readonly<Record<string, string>>,
): Promise<RefsToWrite> {
  const names = Object.keys(bodies);
  const command = ['hash-object', '-t', type, '-w', '--stdin', '--literally'];
  const ids = await printedEach(
    dir,
    names.map(() => command),
    Object.values(bodies),
  );
  return Object.fromEntries(names.map((name, n) => [name, ids[n]?.trim() ?? '']));
}
