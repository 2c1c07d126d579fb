import type { Readable } from 'node:stream';
import { createPktLineSplitter, type PktLine } from './pkt-line.ts';
import { feed, finish, sendOutput, spawnService, type ServiceCall } from './service.ts';

/** Answers a fetch: one round of its negotiation, or the pack. */
export async function uploadPack(call: ServiceCall, body: Readable): Promise<void> {
  const ended = new AbortController();
  const signal = AbortSignal.any([call.signal, ended.signal]);
  const child = await spawnService(call, '--stateless-rpc', { signal });
  const watch = watchRequest(body);
  const feeding = feed(body, child).then((error) => {
    if (error !== null) ended.abort();
    return error;
  });
  const opening = { contentType: 'application/x-git-upload-pack-result' };
  let last: Buffer = Buffer.alloc(0);
  const outcome = await sendOutput(child, call.response, opening, (chunk) => {
    last = chunk;
  });
  const error = await feeding;
  if (error !== null && !call.response.headersSent) throw error;
  // Such an answer is whole, and what was wrong is the client's to know (`not our ref`).
  const hasSaidWhy = endsWithError(last) && outcome.exitCode === 128;
  finish(call, hasSaidWhy ? { ...outcome, exitCode: 0 } : outcome, opening, !watch.isWhole());
}

/** Whether the last line is an `ERR` packet (gitprotocol-pack(5)), which git writes in one piece. */
function endsWithError(bytes: Buffer): boolean {
  const at = bytes.lastIndexOf('ERR ') - 4;
  const length = bytes.toString('latin1', at, at + 4);
  return at >= 0 && length === (bytes.length - at).toString(16).padStart(4, '0');
}

/** Reads along, to know whether a request that git cannot answer was cut short. */
function watchRequest(body: Readable): { isWhole(): boolean } {
  const splitter = createPktLineSplitter();
  let last: PktLine | null = null;
  let isOdd = false;
  body.on('data', (piece: Buffer) => {
    if (isOdd) return;
    try {
      for (const line of splitter.split(piece)) last = line;
    } catch {
      isOdd = true;
    }
  });
  return {
    // A request ends with a mark, or in version 0 with `done`.
    isWhole: () =>
      !isOdd &&
      splitter.isBetweenLines() &&
      (last === 'flush' || (Buffer.isBuffer(last) && /^done\n?$/.test(last.toString('latin1')))),
  };
}
