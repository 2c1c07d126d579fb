/**
 * Who wrote or committed something, and when, as a commit or tag says it. Mailmaps are not applied.
 */
export interface GitActor {
  /** May be empty. */
  readonly name: string;
  /** May be empty, and need not be an address. */
  readonly email: string;
  /**
   * Null when there is no date, or none that git reads (a negative one), or one past the year
   * 275760.
   */
  readonly date: Date | null;
  /**
   * The offset from UTC where it was written, sign and four digits; `+0000` when there is none, it
   * has another form, or it is `-0000`.
   */
  readonly timezone: string;
}

/** What follows the last `>`. */
const DATE = /^[ \t\r]*([0-9]+)[ \t\r]*([+-][0-9]+)/;

/** The end of a line that has no brackets. */
const DATE_AT_END = / ([0-9]{1,20}) ([+-][0-9]{1,9})$/;

/**
 * Parses `Name <email> seconds +zone`, as git's split_ident_line does (ident.c): the address is
 * between the first `<` and the next `>`, the date after the last `>`. Where git gives up, on a
 * line without the brackets, all the text before the date is the name.
 */
export function parseActor(line: string): GitActor {
  const open = line.indexOf('<');
  const close = line.indexOf('>', open + 1);
  if (open === -1 || close === -1) {
    const date = DATE_AT_END.exec(line);
    return { name: line.slice(0, date?.index).trim(), email: '', ...parseDate(date) };
  }
  return {
    name: line.slice(0, open).trimEnd(),
    email: line.slice(open + 1, close),
    ...parseDate(DATE.exec(line.slice(line.lastIndexOf('>') + 1))),
  };
}

function parseDate(match: RegExpExecArray | null): Pick<GitActor, 'date' | 'timezone'> {
  const [, seconds, zone] = match ?? [];
  const date = new Date(Number(seconds) * 1000);
  return {
    date: Number.isNaN(date.getTime()) ? null : date,
    timezone:
      zone !== undefined && zone !== '-0000' && /^[+-][0-9]{4}$/.test(zone) ? zone : '+0000',
  };
}
