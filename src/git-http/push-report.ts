import { createPktLineSplitter, BAND, FLUSH_PKT, formatBand, formatPktLine } from './pkt-line.ts';
import type { RefUpdate } from './push.ts';

/** How the answer to a push is framed, as its capabilities ask for. */
interface Framing {
  readonly hasReport: boolean;
  /** Bytes of content in one line of the side band; 0 without one. */
  readonly bandBytes: number;
}

function framingOf(capabilities: ReadonlySet<string>): Framing {
  return {
    hasReport: capabilities.has('report-status') || capabilities.has('report-status-v2'),
    bandBytes: capabilities.has('side-band-64k') ? 65_515 : capabilities.has('side-band') ? 995 : 0,
  };
}

/** Formats the answer to a push of which nothing lands, as receive-pack does when its hook declines. */
export function formatRefusal(
  updates: readonly RefUpdate[],
  capabilities: ReadonlySet<string>,
  message: string,
): Buffer {
  const { hasReport, bandBytes } = framingOf(capabilities);
  const [reason = '', ...more] = message.trim().split('\n');
  // oxlint-disable-next-line no-control-regex -- the user's terminal gets what stands here
  const shown = reason.replaceAll(/[\u0000-\u001f\u007f]+/g, ' ').slice(0, 400);
  const report = Buffer.concat([
    formatPktLine('unpack ok\n'),
    ...updates.map(({ name }) => formatPktLine(`ng ${name} ${shown}\n`)),
    FLUSH_PKT,
  ]);
  if (bandBytes === 0) return hasReport ? report : Buffer.alloc(0);
  // The reason stands behind each ref; what is longer than a line is said once, above them.
  const isLong = more.length > 0 || reason.length > shown.length || !hasReport;
  const text = isLong ? Buffer.from(`${message.trim()}\n`) : Buffer.alloc(0);
  return Buffer.concat([
    formatBand(BAND.progress, text, bandBytes),
    hasReport ? formatBand(BAND.data, report, bandBytes) : Buffer.alloc(0),
    FLUSH_PKT,
  ]);
}

/** Reads along what receive-pack answers, to know what has landed. */
export interface ReportReader {
  /** Takes what git prints, in whatever pieces. */
  read(piece: Buffer): void;
  /** The names of refs that git says it moved; null when it reports nothing, for it was not asked to. */
  landed(): ReadonlySet<string> | null;
}

/** @param onOutput told of what the side band shows the user */
export function createReportReader(
  capabilities: ReadonlySet<string>,
  onOutput?: (bytes: Buffer) => void,
): ReportReader {
  const { hasReport, bandBytes } = framingOf(capabilities);
  const landed = new Set<string>();
  const outer = createPktLineSplitter();
  const inner = createPktLineSplitter();
  const readReport = (piece: Buffer): void => {
    if (!hasReport) return;
    for (const line of inner.split(piece)) {
      const name = typeof line === 'string' ? null : /^ok (.+?)\n?$/s.exec(line.toString('utf8'));
      if (name?.[1] !== undefined) landed.add(name[1]);
    }
  };
  const readBands = (piece: Buffer): void => {
    for (const line of outer.split(piece)) {
      if (typeof line === 'string') continue;
      if (line[0] === BAND.data) readReport(line.subarray(1));
      else onOutput?.(Buffer.from(line.subarray(1))); // Theirs to keep.
    }
  };
  return {
    read: bandBytes === 0 ? readReport : readBands,
    landed: () => (hasReport ? landed : null),
  };
}
