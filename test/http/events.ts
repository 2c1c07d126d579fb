/** Server-sent events as https://html.spec.whatwg.org/multipage/server-sent-events.html has them. */

export interface Event {
  readonly event: string;
  readonly id: string;
  /** Its data, which are JSON here. */
  readonly data: Readonly<Record<string, unknown>>;
}

/** The whole events in a text; one that is not finished is none. */
export function parseEvents(text: string): Event[] {
  const events: Event[] = [];
  let id = '';
  for (const block of text.split(/\r\n\r\n|\n\n|\r\r/).slice(0, -1)) {
    let event = 'message';
    const data: string[] = [];
    for (const line of block.split(/\r\n|\n|\r/)) {
      const [, name, value = ''] = /^([^:]*)(?:: ?(.*))?$/s.exec(line) ?? [];
      if (name === 'event') event = value;
      if (name === 'id') id = value;
      if (name === 'data') data.push(value);
    }
    if (data.length === 0) continue;
    events.push({ event, id, data: JSON.parse(data.join('\n')) as Record<string, unknown> });
  }
  return events;
}
