import assert from 'node:assert/strict';
import { test } from 'node:test';
import { readBlame } from '../../src/git/blame.ts';
import { oid } from '../../src/git/oid.ts';
import { openRepository } from '../../src/git/repository.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, git, initRepository, writeCommit } from '../support/git-fixture.ts';
import { createRandom } from './random-history.ts';

const SEED = Number(process.env['SEED'] ?? Math.floor(Math.random() * 1_000_000));

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(`each line is blamed on the commit that git blame names (${objectFormat}, seed ${SEED})`, async () => {
    await using fixture = await createFixture();
    const { git: door } = await openDoor(fixture);
    const random = createRandom(SEED);
    const dir = await initRepository(fixture.path('bare.git'), { bare: true, objectFormat });
    const lines = Array.from({ length: 40 }, (_, n) => `line ${n}`);
    const names = ['a b', 'caf\u00e9 "quoted"'];
    for (let n = 0; n < 12; n++) {
      const at = random(lines.length);
      lines.splice(at, random(3), `new ${n}`, `newer ${n}`);
      const name = names[n < 6 ? 0 : 1] ?? '';
      await writeCommit(dir, {
        files: { [names[0] ?? '']: null, [name]: `${lines.join('\n')}\n` },
        author: 'filename x <a@b>',
        message: `filename forged\n`,
      });
    }
    const head = oid(await git(dir, 'rev-parse', 'main'));
    const name = names[1] ?? '';
    const repository = await openRepository(dir);
    const ranges = await readBlame(door, repository, head, Buffer.from(name), untilDone);
    const printed = await git(dir, 'blame', '--line-porcelain', head, '--', name);
    const expected = Array.from(printed.matchAll(/^([0-9a-f]{40,64}) \d+ (\d+)/gm), ([, id, line]) => `${line} ${id}`); // prettier-ignore
    const found = ranges.flatMap(
      ({ startingLine, endingLine, commit }) =>
      Array.from({ length: endingLine - startingLine + 1 }, (_, n) => `${startingLine + n} ${commit}`), // prettier-ignore
    );
    assert.deepEqual(found, expected);
    assert.deepEqual(
      [...new Set(ranges.map((range) => range.originalPath.toString()))].toSorted(),
      names.toSorted(),
    );
  });
}

test('what cannot be blamed is refused with the reason', async () => {
  await using fixture = await createFixture();
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('bare.git'), { bare: true });
  const head = await writeCommit(dir, {
    files: { 'dir/a': '1\n', empty: '', big: 'x\n'.repeat(4_200_000) },
  });
  const repository = await openRepository(dir);
  const blame = async (path: string): Promise<unknown> =>
    await readBlame(door, repository, head, Buffer.from(path, 'latin1'), untilDone).catch(
      (error: unknown) => (error as { code?: string }).code,
    );
  assert.equal(await blame('dir'), 'BAD_USER_INPUT');
  assert.equal(await blame('caf\xe9'), 'BAD_USER_INPUT');
  assert.equal(await blame('nowhere'), 'NOT_FOUND');
  assert.equal(await blame('--contents=/etc/passwd'), 'NOT_FOUND');
  assert.equal(await blame('*'), 'NOT_FOUND');
  assert.equal(await blame('big'), 'LIMIT_EXCEEDED');
  assert.deepEqual(await blame('empty'), []);
});
