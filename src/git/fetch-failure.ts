import { GitCommandError } from './git-command-error.ts';

/**
 * What git, curl and ssh print when the network failed them and the same fetch may work in a moment.
 *
 * This is the one place that reads git's English, which STYLE 12 forbids: git ends with 128 whether a host is
 * down or a password is wrong, has no porcelain for it, and passes on what curl and ssh said. It runs with
 * LC_ALL=C, the texts are from the sources named, and test/git/fetch-failure.test.ts makes a real git say
 * them. What is not known here is not tried again, so a text that changes costs a retry and nothing else.
 */
const TRANSIENT: readonly RegExp[] = [
  // http.c: `unable to access 'URL': ` and curl's message, or its status.
  /^fatal: unable to access '.*': .*The requested URL returned error: (?:408|425|429|5\d\d)\b/,
  /^fatal: unable to access '.*': .*(?:Could not resolve (?:host|proxy)|Failed to connect to|Couldn't connect to|Connection (?:refused|reset|timed out)|Empty reply from server|timed out|transfer closed with|Operation too slow|(?:Recv|Send) failure|TLS connection was non-properly terminated|unexpected eof while reading|SSL_ERROR_SYSCALL|was not closed cleanly|GOAWAY)/i,
  // http.c and remote-curl.c: the same in the middle of a pack.
  /^error: RPC failed; (?:HTTP (?:408|425|429|5\d\d)\b|curl (?:5|6|7|16|18|28|35|52|55|56|92|95) )/,
  // connect.c: git://
  /^fatal: unable to look up .*\((?:Name or service not known|Temporary failure in name resolution|nodename nor servname)/,
  /errno=(?:Connection (?:refused|reset by peer|timed out)|No route to host|Network is unreachable|Host is (?:down|unreachable))/,
  // pkt-line.c: git:// and ssh, while asking or being answered.
  /^fatal: (?:read error|write error|(?:flush )?packet write (?:with format )?failed|unable to write (?:flush|delim|stateless separator) packet): (?:Connection (?:reset by peer|timed out)|Broken pipe)/,
  // ssh's own.
  /^ssh: Could not resolve hostname .*: (?:Name or service not known|Temporary failure in name resolution|nodename nor servname)/,
  /^ssh: connect to host .* port \d+: (?:Connection (?:refused|timed out|reset by peer)|No route to host|Network is unreachable|Host is down|Operation timed out)/,
  /^(?:kex_exchange_identification|ssh_exchange_identification|banner exchange)\b.*(?:reset|closed|timed out|timeout)/i,
  /^(?:Connection (?:reset|closed|timed out)|client_loop: send disconnect|Timeout, server .* not responding)/,
  // fetch-pack.c, pkt-line.c, index-pack.c: the other side stopped in the middle.
  /^fatal: (?:early EOF|the remote end hung up unexpectedly|unexpected disconnect while reading sideband packet)/,
  /^error: \d+ bytes of body are still expected/,
];

/** What stands beside such a line and says that trying again will not help. */
const FINAL: readonly RegExp[] = [
  /^fatal: (?:could not read (?:Username|Password)|Authentication failed|repository '.*' not found|remote error: |protocol |transport |couldn't find remote ref)/,
  /does not appear to be a git repository/,
  /^(?:Host key verification failed|.*: Permission denied \()/,
  /^fatal: .*certificate|SSL certificate problem|server certificate verification failed/i,
];

/**
 * Whether a fetch failed for a reason that may be gone in a moment: a host that cannot be resolved or
 * reached, a connection that broke, a server that is overloaded. Never for a refusal, a cancelled fetch, or
 * one that was ended from outside.
 */
export function isTransientFetchFailure(error: unknown): error is GitCommandError {
  if (!(error instanceof GitCommandError)) return false;
  if (error.isCanceled || error.exitCode === null) return false;
  // `remote: ` is the server's own talk, which may say anything.
  const lines = error.stderr.split(/[\r\n]+/).filter((line) => !line.startsWith('remote: '));
  const says = (patterns: readonly RegExp[]): boolean =>
    lines.some((line) => patterns.some((pattern) => pattern.test(line)));
  return says(TRANSIENT) && !says(FINAL);
}

/** The line of what git printed that says what happened, without `fatal: `; for people. */
export function fetchFailureReason(error: GitCommandError): string {
  const lines = error.stderr.split(/[\r\n]+/).filter((line) => line !== '');
  const known = lines.find((line) => TRANSIENT.some((pattern) => pattern.test(line)));
  return (known ?? lines.at(-1) ?? error.message).replace(/^(?:fatal|error): /, '').slice(0, 300);
}
