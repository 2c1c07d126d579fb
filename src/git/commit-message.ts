/**
 * The first paragraph of a message as one line: git's `%s`. Empty for an empty message.
 */
export function messageHeadline(message: string): string {
  return splitMessage(message).headline.map(trimLineEnd).join(' ');
}

/**
 * What follows the first paragraph, without the empty lines around it: git's `%b` as GitHub shows
 * it. Empty when there is nothing more.
 */
export function messageBody(message: string): string {
  return trimLineEnd(splitMessage(message).body.join('\n'));
}

function splitMessage(message: string): { headline: string[]; body: string[] } {
  const lines = message.split('\n');
  const start = findLine(lines, 0, (line) => !isBlank(line));
  const end = findLine(lines, start, isBlank);
  const bodyStart = findLine(lines, end, (line) => !isBlank(line));
  return { headline: lines.slice(start, end), body: lines.slice(bodyStart) };
}

function findLine(lines: string[], from: number, test: (line: string) => boolean): number {
  let at = from;
  for (let line = lines[at]; line !== undefined && !test(line); line = lines[++at]);
  return at;
}

function isBlank(line: string): boolean {
  return trimLineEnd(line) === '';
}

/**
 * Trims only what git calls a space: a no-break space is text. A loop, as `/\s+$/` takes quadratic
 * time.
 */
function trimLineEnd(text: string): string {
  let end = text.length;
  while (end > 0 && ' \t\r\n'.includes(text.charAt(end - 1))) end--;
  return text.slice(0, end);
}
