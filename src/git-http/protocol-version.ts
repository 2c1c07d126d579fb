/**
 * What a `Git-Protocol` header may be before it becomes `GIT_PROTOCOL`: keys and values between colons,
 * as gitprotocol-v2(5) has them. Another one counts as none, and the client gets version 0.
 */
const GIT_PROTOCOL = /^[a-z0-9][a-z0-9=:._-]{0,255}$/;

/** @returns null when the header is missing or odd */
export function parseGitProtocol(header: string | string[] | undefined): string | null {
  return typeof header === 'string' && GIT_PROTOCOL.test(header) ? header : null;
}

/** The version that git chooses for it: the highest it knows of those that are offered. */
export function versionOf(gitProtocol: string | null): 0 | 1 | 2 {
  const offered = gitProtocol?.split(':') ?? [];
  if (offered.includes('version=2')) return 2;
  return offered.includes('version=1') ? 1 : 0;
}
