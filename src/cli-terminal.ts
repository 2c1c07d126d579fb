/** What may be written to somebody's terminal, and how. */

/** Where text goes: a terminal, or a file or pipe that gets it as it is. */
export interface Terminal {
  readonly isTerminal: boolean;
  /** Never where NO_COLOR is set (https://no-color.org), whatever it says. */
  readonly hasColour: boolean;
}

export function terminalOf(
  stream: { readonly isTTY?: boolean },
  env: Readonly<Record<string, string | undefined>>,
): Terminal {
  const isTerminal = stream.isTTY === true && env['TERM'] !== 'dumb';
  return { isTerminal, hasColour: isTerminal && !env['NO_COLOR'] };
}

const COLOURS = { red: 31, green: 32, yellow: 33, cyan: 36, dim: 2 } as const;
export type Colour = keyof typeof COLOURS;
const ESC = '\u001B';
const BEL = '\u0007';

export function paint({ hasColour }: Terminal, colour: Colour, text: string): string {
  return hasColour ? `${ESC}[${COLOURS[colour]}m${text}${ESC}[0m` : text;
}

/** A name or message from a repository on one line: what would move the cursor, or turn the text around, is spelt out. */
export function visible(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Bidi_Control}]/gu, (char) => {
    const code = char.codePointAt(0) ?? 0;
    return code < 256 ? `\\x${hex(code, 2)}` : `\\u${hex(code, 4)}`;
  });
}

/** JSON that is safe to look at, for `JSON.stringify` leaves the second set of control characters as it is. */
export function formatJson(value: unknown, indent = 2): string {
  return JSON.stringify(value, null, indent).replaceAll(
    /[^\P{Cc}\n]/gu,
    (char) => `\\u${hex(char.codePointAt(0) ?? 0, 4)}`,
  );
}

function hex(code: number, digits: number): string {
  return code.toString(16).padStart(digits, '0');
}

const FIRST_CONTROL = /[^\P{Cc}\t\n\r\b]/u;
/** A sequence with more parameters is dropped. */
const MAX_PARAMETERS = 64;

/**
 * Lets through of a command's output what colours it, and nothing else that a terminal would obey, such
 * as setting its title, answering back or clearing it. Give it one chunk after the other: a sequence
 * may begin in one and end in the next.
 */
export function createOutputFilter({ hasColour }: Terminal): (chunk: string) => string {
  let state: 'text' | 'escape' | 'parameters' | 'string' = 'text';
  let parameters = '';
  return (chunk) => {
    if (state === 'text' && !FIRST_CONTROL.test(chunk)) return chunk;
    let shown = '';
    for (const char of chunk) {
      if (char === ESC) {
        // Also the end of a string, which is `ESC \`.
        state = 'escape';
      } else if (state === 'text') {
        if (!FIRST_CONTROL.test(char)) shown += char;
      } else if (state === 'escape') {
        parameters = '';
        if (char === '[') state = 'parameters';
        else if (']PX^_'.includes(char)) state = 'string';
        else if (char < ' ' || char > '/') state = 'text';
      } else if (state === 'parameters') {
        if (char >= ' ' && char <= '?' && parameters.length < MAX_PARAMETERS) parameters += char;
        else {
          if (hasColour && char === 'm' && /^[\d;:]*$/.test(parameters)) {
            shown += `${ESC}[${parameters}m`;
          }
          if (char === '\n') shown += char;
          state = 'text';
        }
      } else if (char === BEL || char === '\n') {
        // A terminal would wait for ever for the end of one that is not ended.
        if (char === '\n') shown += char;
        state = 'text';
      }
    }
    return shown;
  };
}

/** Columns as wide as their widest cell; the last one is not filled up. */
export function formatTable(rows: readonly (readonly Cell[])[], terminal: Terminal): string {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [index, { text }] of row.entries()) {
      widths[index] = Math.max(widths[index] ?? 0, text.length);
    }
  }
  return rows
    .map((row) => {
      const cells = row.map(({ text, colour }, index) => {
        const shown = colour === undefined ? text : paint(terminal, colour, text);
        const width = index === row.length - 1 ? 0 : (widths[index] ?? 0);
        return shown + ' '.repeat(Math.max(0, width - text.length));
      });
      return `${cells.join('  ').trimEnd()}\n`;
    })
    .join('');
}

export interface Cell {
  /** Made visible. */
  readonly text: string;
  readonly colour?: Colour | undefined;
}

export interface ProgressBar {
  show(progress: { readonly phase: string; readonly percent: number }): void;
  hide(): void;
}

const BAR = 30;

/** On a terminal, on the line that the cursor stands on; elsewhere nothing. */
export function createProgressBar(
  stream: NodeJS.WriteStream,
  { isTerminal }: Terminal,
): ProgressBar {
  let isShown = false;
  return {
    show({ phase, percent }) {
      if (!isTerminal) return;
      const done = Math.round((BAR * percent) / 100);
      const bar = '#'.repeat(done) + '.'.repeat(BAR - done);
      const line = `${visible(phase)} [${bar}] ${percent}%`.slice(0, (stream.columns || 80) - 1);
      stream.write(`\r${line}${ESC}[K`);
      isShown = true;
    },
    hide() {
      if (isShown) stream.write(`\r${ESC}[K`);
      isShown = false;
    },
  };
}
