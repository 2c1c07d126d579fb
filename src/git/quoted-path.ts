const ESCAPES: Readonly<Record<string, number>> = {
  a: 0x07, b: 0x08, t: 0x09, n: 0x0a, v: 0x0b, f: 0x0c, r: 0x0d, '"': 0x22, '\\': 0x5c,
}; // prettier-ignore

/**
 * Reads a path as git prints it without `-z`: as it is, or between double quotes in C style when it has
 * control characters, quotes or (by `core.quotePath`) bytes above 127.
 * @param text a character for each byte
 */
export function parseQuotedPath(text: string): Buffer {
  if (!text.startsWith('"')) return Buffer.from(text, 'latin1');
  const bytes = text
    .slice(1, -1)
    .replaceAll(/\\([0-7]{3}|[abtnvfr"\\])/g, (_all, escape: string) =>
      String.fromCharCode(ESCAPES[escape] ?? Number.parseInt(escape, 8)),
    );
  return Buffer.from(bytes, 'latin1');
}
