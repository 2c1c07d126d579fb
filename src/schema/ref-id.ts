/** Ids of refs, for `node`: a ref's name has neither a colon nor a backslash (git-check-ref-format(1)). */
import type { GitPath } from '../git/git-path.ts';

export interface RefIdentity {
  readonly repo: string;
  readonly name: GitPath;
}

/** Bytes of a name that is not UTF-8 stand as `\xe9`. */
export function formatRefId({ repo, name }: RefIdentity): string {
  const { text, raw } = name;
  const written = raw
    ?.toString('latin1')
    .replace(/[\u0080-\u00ff]/g, (byte) => `\\x${byte.charCodeAt(0).toString(16)}`);
  return `${written ?? text}:${repo}`;
}

/** What `formatRefId` made; of anything else, something that no ref is called. */
export function parseRefId(id: string): RefIdentity {
  const colon = id.indexOf(':');
  const repo = id.slice(colon + 1);
  const text = id.slice(0, Math.max(0, colon));
  if (!text.includes('\\')) return { repo, name: { text } };
  const bytes = text.replace(/\\x([0-9a-f]{2})/g, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  const raw = Buffer.from(bytes, 'latin1');
  return { repo, name: { text: raw.toString(), raw } };
}
