/**
 * Decodes percent-encoded UTF-8, as in a path; null when it is none. What is no encoded byte stays as it
 * is, and so do bytes that came unencoded, which curl sends.
 * @param text as node:http gives a request's line: a character for each byte
 */
export function decodePercent(text: string): string | null {
  const bytes = Buffer.from(
    text.replaceAll(/%([0-9a-f]{2})/gi, (_all, hex: string) =>
      String.fromCharCode(Number.parseInt(hex, 16)),
    ),
    'latin1',
  );
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch (error) {
    if (error instanceof TypeError) return null;
    throw error;
  }
}
