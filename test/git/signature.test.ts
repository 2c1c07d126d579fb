import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { test } from 'node:test';
import type { Git } from '../../src/git/git.ts';
import { createObjectReader, type ObjectReader } from '../../src/git/object-reader.ts';
import { oid, type Oid } from '../../src/git/oid.ts';
import { openRepository } from '../../src/git/repository.ts';
import { readSignature, type Signature } from '../../src/git/signature.ts';
import { writeScript } from '../support/fake-git.ts';
import { openDoor, untilDone } from '../support/git-door.ts';
import {
  createFixture,
  exists,
  git,
  initRepository,
  runGit,
  runProgram,
  writeCommit,
  type Fixture,
} from '../support/git-fixture.ts';

const has = (program: string): boolean => spawnSync(program, ['--version']).error === undefined;

/** What reads one small commit needs no child of its own. */
const reading = (door: Git): { git: Git; objects: ObjectReader } => ({
  git: door,
  objects: createObjectReader({ git: door, maxChildren: 1, cacheBytes: 0 }),
});

interface Signed {
  readonly dir: string;
  readonly key: string;
  readonly id: Oid;
  readonly read: (id?: Oid) => Promise<Signature | null>;
  /** The same commit with its object changed. */
  readonly forge: (change: (body: string) => string) => Promise<Oid>;
}

/** A repository whose `main` is a commit signed with ssh. */
async function signWithSsh(fixture: Fixture, objectFormat: 'sha1' | 'sha256'): Promise<Signed> {
  const { git: door } = await openDoor(fixture);
  const dir = await initRepository(fixture.path('r.git'), { bare: true, objectFormat });
  const key = fixture.path('key');
  await runProgram('ssh-keygen', '-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', key);
  const tree = await git(dir, 'mktree', '--missing');
  const options = ['-c', 'gpg.format=ssh', '-c', `user.signingkey=${key}`];
  const id = oid(await git(dir, ...options, 'commit-tree', '-S', '-m', 'signed', tree));
  const repository = await openRepository(dir);
  return {
    dir,
    key,
    id,
    read: async (which = id) => await readSignature(reading(door), repository, which, untilDone),
    forge: async (change) => {
      const body = (await runGit(dir, ['cat-file', 'commit', id])).toString('latin1');
      const input = Buffer.from(change(body), 'latin1');
      return oid((await runGit(dir, ['hash-object', '-t', 'commit', '-w', '--stdin'], { input })).toString().trim()); // prettier-ignore
    },
  };
}

for (const objectFormat of ['sha1', 'sha256'] as const) {
  test(
    `a ${objectFormat} commit signed with ssh is as good as the allowed signers say`,
    { skip: !has('ssh-keygen') },
    async () => {
      // prettier-ignore
      await using fixture = await createFixture();
      const { dir, key, id, read, forge } = await signWithSsh(fixture, objectFormat);
      const state = async (which?: Oid): Promise<unknown> => (await read(which))?.state;
      assert.equal(await state(), 'UNVERIFIED');
      const allowed = fixture.path('allowed');
      await writeFile(allowed, '');
      await git(dir, 'config', 'gpg.ssh.allowedSignersFile', allowed);
      assert.equal(await state(), 'UNTRUSTED');
      await writeFile(allowed, `ada@example.com ${await readFile(`${key}.pub`, 'utf8')}`);
      const signature = await read();
      assert.equal(signature?.state, 'VALID');
      assert.equal(signature.kind, 'SSH');
      assert.equal(signature.signer, 'ada@example.com');
      assert.match(signature.fingerprint ?? '', /^SHA256:/);
      assert.match(signature.signature.toString(), /^-----BEGIN SSH SIGNATURE-----\n.*\n-----END SSH SIGNATURE-----\n?$/s); // prettier-ignore
      // What was signed is what ssh-keygen itself finds good.
      const file = fixture.path('signature');
      await writeFile(file, signature.signature);
      const check = spawnSync('ssh-keygen', ['-Y', 'verify', '-n', 'git', '-f', allowed, '-I', 'ada@example.com', '-s', file], { input: signature.payload }); // prettier-ignore
      assert.equal(check.status, 0, check.stderr.toString());

      assert.equal(await state(await forge((body) => body.replace(/signed\n$/, 'other\n'))), 'INVALID'); // prettier-ignore
      assert.equal(await state(await forge((body) => body.replace('U1NIU0lH', 'AAAAAAAA'))), 'INVALID'); // prettier-ignore
      const unknown = await forge((body) => body.replaceAll('SSH SIGNATURE', 'OTHER SIGNATURE'));
      assert.equal(await state(unknown), 'UNKNOWN_SIG_TYPE');
      assert.equal(await state(await writeCommit(dir)), undefined);
      assert.notEqual(id, unknown);
    },
  );
}

test(
  'a program that is not there is not taken for a bad signature',
  { skip: !has('ssh-keygen') },
  async () => {
    // prettier-ignore
    await using fixture = await createFixture();
    const { dir, id } = await signWithSsh(fixture, 'sha1');
    const real = (await runProgram('sh', '-c', 'command -v git')).trim();
    await writeScript(fixture.path('bin/git'), `exec '${real}' "$@"`);
    const { git: door } = await openDoor(fixture, { host: { PATH: fixture.path('bin') } });
    const signature = await readSignature(reading(door), await openRepository(dir), id, untilDone);
    assert.equal(signature?.state, 'GPGVERIFY_UNAVAILABLE');
  },
);

test(
  'a repository that names its own programs for signatures does not get them run',
  { skip: !has('ssh-keygen') },
  async () => {
    // prettier-ignore
    await using fixture = await createFixture();
    const { dir, key, id, read, forge } = await signWithSsh(fixture, 'sha1');
    const ran = fixture.path('ran');
    const trap = await writeScript(fixture.path('trap'), `touch '${ran}'`, `echo 'Good "git" signature for a@b with ED25519 key SHA256:x'`); // prettier-ignore
    const allowed = fixture.path('allowed');
    await writeFile(allowed, `ada@example.com ${await readFile(`${key}.pub`, 'utf8')}`);
    await git(dir, 'config', 'gpg.ssh.allowedSignersFile', allowed);
    for (const name of [
      'gpg.program',
      'gpg.openpgp.program',
      'gpg.x509.program',
      'gpg.ssh.program',
      'gpg.ssh.defaultKeyCommand',
      'core.pager',
    ]) {
      // prettier-ignore
      await git(dir, 'config', name, trap);
    }
    assert.equal((await read())?.state, 'VALID');
    const pgp = await forge((body) => body.replaceAll('SSH SIGNATURE', 'PGP SIGNATURE'));
    const x509 = await forge((body) => body.replaceAll('SSH SIGNATURE', 'SIGNED MESSAGE'));
    for (const forged of [pgp, x509]) assert.notEqual((await read(forged))?.state, 'VALID');
    assert.equal(await exists(ran), false);
    await runGit(dir, ['verify-commit', id], { exitCodes: [1] });
    assert.equal(await exists(ran), true, 'git alone does run it');
  },
);

test(
  'a commit signed with OpenPGP is checked with the keyring of the agent’s user',
  { skip: !has('gpg') },
  async () => {
    // prettier-ignore
    await using fixture = await createFixture();
    const { git: door, host } = await openDoor(fixture);
    const home = host['HOME'] ?? '';
    await mkdir(`${home}/.gnupg`, { mode: 0o700 });
    const gpg = (...args: string[]): string => {
      const { status, stdout, stderr } = spawnSync('gpg', ['--batch', '--quiet', ...args], { env: { ...host } }); // prettier-ignore
      assert.equal(status, 0, stderr.toString());
      return stdout.toString();
    };
    try {
      gpg('--passphrase', '', '--quick-generate-key', 'Ada <ada@example.com>', 'ed25519', 'sign', 'never'); // prettier-ignore
      const fingerprint = /^fpr:+([0-9A-F]+)/m.exec(gpg('--list-keys', '--with-colons'))?.[1] ?? '';
      const dir = await initRepository(fixture.path('r.git'), { bare: true });
      const tree = await git(dir, 'mktree', '--missing');
      const args = ['-c', `user.signingkey=${fingerprint}`, 'commit-tree', '-S', '-m', 'm', tree];
      const id = oid((await runGit(dir, args, { env: { HOME: home } })).toString().trim());
      const repository = await openRepository(dir);
      const signature = await readSignature(reading(door), repository, id, untilDone);
      assert.equal(signature?.state, 'VALID');
      assert.equal(signature.signer, 'Ada <ada@example.com>');
      assert.equal(signature.fingerprint, fingerprint);
      assert.equal(signature.kind, 'OPENPGP');
      const stranger = await openDoor(fixture, { host: { HOME: fixture.path('nobody') } });
      await mkdir(fixture.path('nobody'));
      const unknown = await readSignature(reading(stranger.git), repository, id, untilDone);
      assert.equal(unknown?.state, 'UNKNOWN_KEY');
    } finally {
      spawnSync('gpgconf', ['--kill', 'all'], { env: { ...host } });
    }
  },
);
