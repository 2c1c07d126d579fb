import { readSignature, type Signature, type SignatureKind, type SignatureState } from '../git/signature.ts'; // prettier-ignore
import { builder } from './builder.ts';
import { CommitType } from './commit.ts';
import { getReadable } from './context.ts';

const STATE_DESCRIPTIONS = {
  VALID: { description: 'It is good, and the key is trusted to be the signer’s.' },
  UNTRUSTED: {
    description:
      'It is good, but nothing says whose key it is: the keyring does not trust it, or the file of allowed signers does not have it.',
  },
  EXPIRED_SIGNATURE: { description: 'It is good, and has expired.' },
  EXPIRED_KEY: { description: 'It is good, and its key has expired.' },
  REVOKED_KEY: { description: 'It is good, and its key was revoked.' },
  INVALID: { description: 'It does not fit what it is said to sign, or is no signature.' },
  UNKNOWN_KEY: { description: 'It cannot be checked: the key is not in the keyring.' },
  UNVERIFIED: {
    description:
      'It was not checked: for SSH, the repository’s configuration names no `gpg.ssh.allowedSignersFile`.',
  },
  UNKNOWN_SIG_TYPE: { description: 'It is of a kind that git does not know.' },
  GPGVERIFY_UNAVAILABLE: {
    description: 'The program that checks it (gpg, gpgsm or ssh-keygen) is not on this machine.',
  },
} as const satisfies Record<SignatureState, unknown>;

const KIND_DESCRIPTIONS = {
  OPENPGP: { description: 'OpenPGP, checked with gpg.' },
  X509: { description: 'S/MIME, checked with gpgsm.' },
  SSH: { description: 'SSH, checked with ssh-keygen.' },
  UNKNOWN: { description: 'Something else.' },
} as const satisfies Record<SignatureKind, unknown>;

const GitSignatureState = builder.enumType('GitSignatureState', {
  description: 'What became of checking a signature; names are GitHub’s where it has the thing.',
  values: STATE_DESCRIPTIONS,
});

const GitSignatureKind = builder.enumType('GitSignatureKind', {
  description: 'What a signature was made with.',
  values: KIND_DESCRIPTIONS,
});

const GitSignatureType = builder.objectRef<Signature>('GitSignature').implement({
  description:
    "A commit's signature, checked by git with the host's own programs, the keyring of the agent's user, and the allowed signers that the repository's configuration names.",
  fields: (t) => ({
    kind: t.expose('kind', { type: GitSignatureKind, description: 'What it was made with.' }),
    state: t.expose('state', { type: GitSignatureState, description: 'What became of the check.' }),
    isValid: t.boolean({
      description: 'Whether it is good and the key is trusted: the state is `VALID`.',
      resolve: ({ state }) => state === 'VALID',
    }),
    signer: t.exposeString('signer', {
      nullable: true,
      description:
        'Whose key it is, as the keyring or the file of allowed signers says; null when they do not.',
    }),
    email: t.string({
      nullable: true,
      description: 'The address in `signer`; null when it has none.',
      resolve: ({ signer }) => /<([^<>]+)>$/.exec(signer ?? '')?.[1] ?? (signer?.includes('@') === true ? signer : null), // prettier-ignore
    }),
    keyId: t.exposeString('keyId', {
      nullable: true,
      description: "The key's id; null when the signature does not tell or was not checked.",
    }),
    fingerprint: t.exposeString('fingerprint', {
      nullable: true,
      description: "The key's fingerprint; null when it is not known.",
    }),
    signature: t.string({
      description: 'The signature itself, in its armour.',
      resolve: ({ signature }) => signature.toString('utf8'),
    }),
    payload: t.string({
      description: 'What was signed; U+FFFD stands where it is not UTF-8.',
      resolve: ({ payload }) => payload.toString('utf8'),
    }),
    payloadRaw: t.field({
      type: 'Base64',
      description: 'What was signed, as bytes.',
      resolve: ({ payload }) => payload,
    }),
  }),
});

builder.objectFields(CommitType, (t) => ({
  signature: t.field({
    type: GitSignatureType,
    nullable: true,
    description: 'Its signature; null when it is not signed. Costs one git child when it is.',
    resolve: async ({ repo, oid }, _args, context) => {
      const { repository } = getReadable(context, repo);
      return await readSignature(context, repository, oid, context.signal);
    },
  }),
}));
