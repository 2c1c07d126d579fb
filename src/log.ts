import { pino, type DestinationStream, type Logger } from 'pino';

export type Log = Logger;

/**
 * The agent's log: one JSON object a line, or on a terminal one line of text.
 * @param stream standard error; standard output is for what the person asked
 */
export function createLog(stream: NodeJS.WritableStream & { readonly isTTY?: boolean }): Log {
  const destination: DestinationStream =
    stream.isTTY === true
      ? { write: (line) => stream.write(formatForTerminal(line)) }
      : { write: (line) => stream.write(line) };
  return pino(
    {
      base: null,
      timestamp: () => `,"time":"${new Date().toISOString()}"`,
      formatters: { level: (level) => ({ level }) },
    },
    destination,
  );
}

function formatForTerminal(line: string): string {
  const { time, level, msg, err, ...facts } = JSON.parse(line) as Record<string, unknown>;
  const clock = String(time).slice(11, 19);
  const values = Object.entries(facts).map(
    ([key, value]) => ` ${key}=${typeof value === 'string' ? value : JSON.stringify(value)}`,
  );
  const stack =
    typeof err === 'object' && err !== null && 'stack' in err ? `\n${String(err.stack)}` : '';
  return `${clock} ${String(level)} ${String(msg)}${values.join('')}${stack}\n`;
}
