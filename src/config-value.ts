import { BlockList, isIP } from 'node:net';
import { z } from 'zod';

/** setTimeout() takes no more than 2^31 - 1 milliseconds. */
const longestSeconds = 2_147_483;

/** A time in seconds, to be followed by its own lower bound, default and description. */
export const seconds = z.number().max(longestSeconds);

/** git and the kernel end a text at its first NUL: what follows would be lost unseen. */
export const noNul = (text: string) => !text.includes('\0');
export const nulMessage = 'must not contain a NUL character; remove it';

/** Names stand in URLs, logs and terminals; anything a person can type is allowed. */
export const nameSchema = z
  .string()
  .min(1)
  .max(255)
  .refine((name) => !/\p{Cc}/u.test(name), 'must not contain control characters; remove them');

const loopback = new BlockList();
loopback.addSubnet('127.0.0.0', 8, 'ipv4');
loopback.addAddress('::1', 'ipv6');

/** Whether only this machine can reach an agent that listens on `bindIp`. */
export function isLoopback(bindIp: string): boolean {
  const version = isIP(bindIp);
  return version === 0
    ? /^(.+\.)?localhost$/i.test(bindIp)
    : loopback.check(bindIp, version === 4 ? 'ipv4' : 'ipv6');
}

/** An IP address or a host name, without scheme and port. */
export function isHost(text: string): boolean {
  if (isIP(text) !== 0) return true;
  // All digits and dots would be an address with a mistake in it.
  return /^(?!-)[a-z0-9_-]{1,63}(\.[a-z0-9_-]{1,63})*$/i.test(text) && !/^[\d.]+$/.test(text);
}

/** The rules of `git check-ref-format --branch`, so that the mistake is found before the first pull. */
export function isBranchName(name: string): boolean {
  return (
    !/[\p{Cc} ~^:?*[\\]|\.\.|@\{|\/\/|^[-/.]|\/\.|[/.]$|\.lock(\/|$)/u.test(name) &&
    name !== '@' &&
    name !== 'HEAD'
  );
}
