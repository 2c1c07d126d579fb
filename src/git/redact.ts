/** `user:token@` in a URL, which git repeats in its error messages. */
const URL_USERINFO = /([a-z][a-z0-9+.-]*:\/\/)[^/\s@]*@/gi;

/** Takes credentials out of URLs in text that git printed. */
export function redactUrls(text: string): string {
  return text.replace(URL_USERINFO, '$1***@');
}
