import type { GitConfig } from './environment.ts';
import type { Git } from './git.ts';
import type { ObjectReader } from './object-reader.ts';
import type { Oid } from './oid.ts';
import type { Repository } from './repository.ts';

export type SignatureKind = 'OPENPGP' | 'X509' | 'SSH' | 'UNKNOWN';

/** What became of checking a signature; git's `%G?`, and why there was nothing to check with. */
export type SignatureState =
  | 'VALID'
  | 'UNTRUSTED'
  | 'EXPIRED_SIGNATURE'
  | 'EXPIRED_KEY'
  | 'REVOKED_KEY'
  | 'INVALID'
  | 'UNKNOWN_KEY'
  | 'UNVERIFIED'
  | 'UNKNOWN_SIG_TYPE'
  | 'GPGVERIFY_UNAVAILABLE';

export interface Signature {
  readonly kind: SignatureKind;
  readonly state: SignatureState;
  /** The signature as the commit has it. */
  readonly signature: Buffer;
  /** What was signed: the commit without its signatures. */
  readonly payload: Buffer;
  /** Who signed it, as the keyring or the file of allowed signers has it. */
  readonly signer: string | null;
  readonly keyId: string | null;
  readonly fingerprint: string | null;
}

/**
 * A repository's configuration can name the programs that check signatures, and would have them run: at
 * command scope these are the host's own, found by PATH. Where keys are looked up may be said by it.
 */
export const HOST_SIGNATURE_PROGRAMS: GitConfig = [
  ['gpg.program', 'gpg'],
  ['gpg.openpgp.program', 'gpg'],
  ['gpg.x509.program', 'gpgsm'],
  ['gpg.ssh.program', 'ssh-keygen'],
];

const PROGRAMS: Readonly<Record<Exclude<SignatureKind, 'UNKNOWN'>, string>> = {
  OPENPGP: 'gpg',
  X509: 'gpgsm',
  SSH: 'ssh-keygen',
};

const STATES: Readonly<Record<string, SignatureState>> = {
  G: 'VALID',
  U: 'UNTRUSTED',
  X: 'EXPIRED_SIGNATURE',
  Y: 'EXPIRED_KEY',
  R: 'REVOKED_KEY',
  B: 'INVALID',
  E: 'UNKNOWN_KEY',
  N: 'UNVERIFIED',
};

/**
 * Checks a commit's signature with git, against the keyring of the agent's user and what the repository's
 * configuration says (`gpg.ssh.allowedSignersFile`). One git child when it is signed.
 * @returns null when it is not signed
 * @throws AppError NOT_FOUND; GitCommandError
 */
export async function readSignature(
  { git, objects }: { readonly git: Git; readonly objects: ObjectReader },
  repository: Repository,
  commit: Oid,
  signal: AbortSignal,
): Promise<Signature | null> {
  const { body } = await objects.read(repository, commit, signal);
  const signed = parseSignedCommit(body);
  if (signed === null) return null;
  const kind = kindOf(signed.signature);
  const unchecked = { ...signed, kind, signer: null, keyId: null, fingerprint: null };
  if (kind === 'UNKNOWN') return { ...unchecked, state: 'UNKNOWN_SIG_TYPE' };
  // git would say that the signature is bad.
  if (!git.hasProgram(PROGRAMS[kind])) return { ...unchecked, state: 'GPGVERIFY_UNAVAILABLE' };
  const { stdout } = await git.run(
    repository,
    [
      'log',
      '--no-walk',
      '--no-show-signature',
      '--no-mailmap',
      '--encoding=UTF-8',
      '--format=%G?%x00%GS%x00%GK%x00%GF',
      '--end-of-options',
      commit,
      '--',
    ],
    { intent: 'read', signal, config: HOST_SIGNATURE_PROGRAMS },
  );
  const [letter = '', signer = '', keyId = '', fingerprint = ''] = stdout.toString('utf8').replace(/\n$/, '').split('\0'); // prettier-ignore
  return {
    ...unchecked,
    state: STATES[letter] ?? 'UNVERIFIED',
    signer: signer || null,
    keyId: keyId || null,
    fingerprint: fingerprint || null,
  };
}

function kindOf(signature: Buffer): SignatureKind {
  const [line = ''] = signature.toString('latin1').split('\n', 1);
  if (/^-----BEGIN PGP (?:SIGNATURE|MESSAGE)-----/.test(line)) return 'OPENPGP';
  if (line.startsWith('-----BEGIN SIGNED MESSAGE-----')) return 'X509';
  return line.startsWith('-----BEGIN SSH SIGNATURE-----') ? 'SSH' : 'UNKNOWN';
}

/**
 * Takes a commit's object apart into its signature and what was signed (gitformat-signature(5)): the headers
 * `gpgsig` and `gpgsig-sha256` are not part of it. null when it has neither.
 */
export function parseSignedCommit(body: Buffer): Pick<Signature, 'signature' | 'payload'> | null {
  const text = body.toString('latin1');
  const end = text.indexOf('\n\n');
  const headers = (end === -1 ? text : text.slice(0, end + 1)).split(/(?<=\n)(?! )/);
  const isSignature = (header: string): boolean => /^gpgsig(?:-sha256)? /.test(header);
  const found = headers.find(isSignature);
  if (found === undefined) return null;
  const value = found.slice(found.indexOf(' ') + 1).replaceAll('\n ', '\n');
  const kept = headers.filter((header) => !isSignature(header)).join('');
  return {
    signature: Buffer.from(value, 'latin1'),
    payload: Buffer.from(kept + (end === -1 ? '' : text.slice(end + 1)), 'latin1'),
  };
}
