import type { Readable } from 'node:stream';
import { isNullOid, isOid } from '../git/oid.ts';
import { createPktLineSplitter, type PktLine } from './pkt-line.ts';
import type { RefUpdate } from './push.ts';
import { Refusal } from './refusal.ts';

/** What stands before the pack in the body of a push (gitprotocol-pack(5), "Reference Update Request"). */
export interface PushHead {
  readonly updates: readonly RefUpdate[];
  readonly capabilities: ReadonlySet<string>;
  readonly options: readonly string[];
  /** false when the body ended before the commands did. */
  readonly isWhole: boolean;
  /** All that was read, the beginning of the pack perhaps included: git gets it first. */
  readonly pieces: readonly Buffer[];
}

/**
 * Reads the commands of a push and leaves the rest of the stream alone.
 * @throws Refusal; PktLineError; whatever the stream fails with
 */
export async function readPushHead(body: Readable, maxBytes: number): Promise<PushHead> {
  const reader = createHeadReader();
  const splitter = createPktLineSplitter();
  const pieces: Buffer[] = [];
  let size = 0;
  const { updates, capabilities, options } = reader;
  const head = (isWhole: boolean) => ({ updates, capabilities, options, isWhole, pieces });
  for await (const chunk of body.iterator({ destroyOnReturn: false })) {
    const piece = chunk as Buffer;
    pieces.push(piece);
    for (const line of splitter.split(piece)) if (reader.read(line) === 'end') return head(true);
    size += piece.length;
    if (size > maxBytes) {
      throw new Refusal(413, `the push has more than ${maxBytes} bytes of commands`);
    }
  }
  return head(false);
}

interface HeadReader {
  readonly updates: readonly RefUpdate[];
  readonly capabilities: ReadonlySet<string>;
  readonly options: readonly string[];
  read(line: PktLine): 'more' | 'end';
}

type Section = 'commands' | 'certificate' | 'options';

function createHeadReader(): HeadReader {
  const updates: RefUpdate[] = [];
  const capabilities = new Set<string>();
  const options: string[] = [];
  let section: Section = 'commands';
  let certificate = '';

  function readText(text: string): void {
    if (section === 'options') options.push(text);
    else if (section === 'certificate' && text !== 'push-cert-end') certificate += `${text}\n`;
    else if (section === 'certificate') {
      updates.push(...parseCertificate(certificate));
      section = 'commands';
    } else if (text === 'push-cert') section = 'certificate';
    else if (!text.startsWith('shallow ')) updates.push(parseCommand(text));
  }

  return {
    updates,
    capabilities,
    options,
    read(line) {
      if (line === 'flush') {
        const hasOptions = capabilities.has('push-options') && updates.length > 0;
        if (section === 'options' || !hasOptions) return 'end';
        section = 'options';
        return 'more';
      }
      if (typeof line === 'string') throw notAPush();
      const nul = line.indexOf(0);
      const text = line.toString('utf8', 0, nul === -1 ? line.length : nul);
      if (nul !== -1 && section === 'commands') {
        for (const each of line
          .toString('utf8', nul + 1)
          .trim()
          .split(' '))
          capabilities.add(each);
      }
      readText(text.replace(/\n$/, ''));
      return 'more';
    },
  };
}

const COMMAND = /^([0-9a-f]+) ([0-9a-f]+) (.+)$/s;

function parseCommand(text: string): RefUpdate {
  const [, before = '', after = '', name = ''] = COMMAND.exec(text) ?? [];
  if (!isOid(before) || !isOid(after)) throw notAPush();
  return {
    name,
    beforeOid: isNullOid(before) ? null : before,
    afterOid: isNullOid(after) ? null : after,
  };
}

/**
 * A signed push: its commands stand between the certificate's header and its signature. Whatever looks
 * like one counts, wherever it stands, so that git finds none there that we did not.
 */
function parseCertificate(text: string): RefUpdate[] {
  return text
    .split('\n')
    .filter((line) => /^[0-9a-f]{40,64} [0-9a-f]{40,64} ./.test(line))
    .map(parseCommand);
}

function notAPush(): Refusal {
  return new Refusal(400, 'not a push: expected an old and a new object id and a ref');
}
