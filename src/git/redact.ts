/**
 * `user:token@` in a URL, which git repeats in its error messages. All before the last `@` of the host
 * part, for a password may have one; or, where a password has a `/` in it, all before the last `@` of
 * the word. It looks no further than it must: what it reads may come from a hostile server.
 */
const URL_USERINFO = /(?<=:\/\/)(?:[^/\s]*@|[^/\s:]*:(?!\d*(?:[/\s]|$))\S{1,1000}@)/g;

/** Takes credentials out of URLs in text that git printed. */
export function redactUrls(text: string): string {
  return text.replace(URL_USERINFO, '***@');
}
