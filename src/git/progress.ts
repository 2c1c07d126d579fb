/** How far a git command has come, from its own progress lines. */
export interface Progress {
  /** git's words, such as `Receiving objects` or `Updating files`; `remote: ` stands before what the server does. */
  readonly phase: string;
  readonly current: number;
  readonly total: number;
  /** 0 to 100. */
  readonly percent: number;
}

/** progress.c: `TITLE: PERCENT% (CURRENT/TOTAL)`, padded; the title is fixed English under LC_ALL=C. */
const PROGRESS = /^((?:remote: )?[A-Z][\w ]*): +(\d+)% \((\d+)\/(\d+)\)/;

/** sequencer.c: a rebase counts its commits and says no percentage. */
const REBASING = /^(Rebasing) \((\d+)\/(\d+)\)/;

/** Reads one line of `git --progress`, null when it is not a progress line. */
export function parseProgress(line: string): Progress | null {
  const [, phase, percent, current, total] = PROGRESS.exec(line) ?? [];
  if (phase !== undefined) {
    return { phase, percent: Number(percent), current: Number(current), total: Number(total) };
  }
  const [, rebasing, done, all] = REBASING.exec(line) ?? [];
  if (rebasing === undefined || Number(all) === 0) return null;
  const counted = { current: Number(done), total: Number(all) };
  return {
    phase: rebasing,
    ...counted,
    percent: Math.floor((counted.current * 100) / counted.total),
  };
}

/** A line that never ends is passed on in pieces of this size. */
const MAX_LINE_BYTES = 64 * 1024;

/**
 * Cuts a byte stream into lines that keep their ending, `\n`, `\r\n` or the bare `\r` of a progress
 * display. After a `\r` it does not wait for what comes next, so a `\n` that arrives later is a line of
 * its own. `flush` gives what is left without an ending.
 */
export function createLineSplitter(onLine: (line: Buffer) => void): {
  readonly write: (bytes: Buffer) => void;
  readonly flush: () => void;
} {
  let rest: Buffer = Buffer.alloc(0);
  return {
    write(bytes) {
      let pending = rest.length === 0 ? bytes : Buffer.concat([rest, bytes]);
      for (let end = lineEnd(pending); end !== 0; end = lineEnd(pending)) {
        onLine(pending.subarray(0, end));
        pending = pending.subarray(end);
      }
      rest = Buffer.from(pending);
    },
    flush() {
      if (rest.length > 0) onLine(rest);
      rest = Buffer.alloc(0);
    },
  };
}

/** Length of the first whole line, 0 when there is none yet. */
function lineEnd(bytes: Buffer): number {
  const newline = bytes.indexOf(0x0a) + 1;
  const end = bytes.subarray(0, newline === 0 ? bytes.length : newline).indexOf(0x0d) + 1;
  // `\r\n` is one ending.
  if (end !== 0 && end + 1 === newline) return newline;
  if (end !== 0) return end;
  if (newline !== 0) return newline;
  return bytes.length >= MAX_LINE_BYTES ? MAX_LINE_BYTES : 0;
}
