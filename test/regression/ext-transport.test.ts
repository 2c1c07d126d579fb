/**
 * The attack: `ext::sh -c ...` as the URL of a remote runs a program on fetch. git forbids it unless
 * protocol.ext.allow says otherwise, which a repository's own .git/config can (CVE-2022-25912 and its
 * successors; PostHog PR #78078); `insteadOf`, `remote.NAME.vcs` and a branch's remote lead there too.
 *
 * A fetch fails before it starts a program.
 */
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { openRepository } from '../../src/git/repository.ts';
import { openWorkingCopy } from '../../src/git/working-copy.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import { createFixture, exists, git, initRepository, runGit } from '../support/git-fixture.ts';

for (const [title, remote, config] of [
  ['as the URL', 'origin', { 'remote.origin.url': 'EXT' }],
  ['as fd::', 'origin', { 'remote.origin.url': 'fd::0' }],
  ['through insteadOf', 'origin', { 'remote.origin.url': 'x:y', 'url.EXT.insteadOf': 'x:y' }],
  ['through remote.vcs', 'origin', { 'remote.origin.url': 'COMMAND', 'remote.origin.vcs': 'ext' }],
  ['as the name of a remote', 'EXT', {}],
] as const) {
  test(`a fetch does not run ext:: ${title}, although the repository allows it`, async () => {
    await using fixture = await createFixture();
    const marker = fixture.path('marker');
    const command = `touch ${marker}`;
    const fill = (text: string): string =>
      text.replace('EXT', `ext::${command}`).replace('COMMAND', command);
    const dir = await initRepository(fixture.path('copy'));
    await git(dir, 'config', 'protocol.allow', 'always');
    await git(dir, 'config', 'protocol.ext.allow', 'always');
    for (const [key, value] of Object.entries(config))
      await git(dir, 'config', fill(key), fill(value));
    const { git: door } = await openDoor(fixture, {
      config: '[protocol "ext"]\n\tallow = always\n',
    });
    const options = { signal: untilDone, onOutput: () => undefined };
    const workingCopy = openWorkingCopy(door, await openRepository(dir), options);
    await assert.rejects(workingCopy.fetch(fill(remote)), {
      name: 'GitCommandError',
      exitCode: 128,
    });
    assert.equal(await exists(marker), false);
    if (title === 'as fd::') return;
    // That it was no empty threat: git alone does run it.
    await runGit(dir, ['fetch', '--quiet', fill(remote)], { exitCodes: [128] });
    assert.equal(await exists(marker), true);
  });
}
