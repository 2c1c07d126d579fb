import { findConnection, sendDirectly } from './direct-answer.ts';
import type { FetchRequest } from './fetch-request.ts';
import { feed, finish, sendOutput, spawnService, type ServiceCall } from './service.ts';

const OPENING = { contentType: 'application/x-git-upload-pack-result' };

/** Answers a fetch: one round of its negotiation, or the pack, which git writes itself where it can. */
export async function uploadPack(call: ServiceCall, request: FetchRequest): Promise<void> {
  const connection = request.asksForPack ? await findConnection(call) : null;
  if (connection === null) await sendThrough(call, request);
  else await sendDirectly(call, connection, request.pieces, OPENING);
}

async function sendThrough(call: ServiceCall, request: FetchRequest): Promise<void> {
  const ended = new AbortController();
  const signal = AbortSignal.any([call.signal, ended.signal]);
  const child = await spawnService(call, '--stateless-rpc', { signal });
  for (const piece of request.pieces) child.stdin.write(piece);
  const feeding = feed(request.body, child).then((error) => {
    if (error !== null) ended.abort();
    return error;
  });
  let last: Buffer = Buffer.alloc(0);
  const outcome = await sendOutput(child, call.response, OPENING, (chunk) => {
    last = Buffer.from(chunk.subarray(-MAX_ERROR_BYTES));
  });
  const error = await feeding;
  if (error !== null && !call.response.headersSent) throw error;
  // Such an answer is whole, and what was wrong is the client's to know (`not our ref`).
  const hasSaidWhy = endsWithError(last) && outcome.exitCode === 128;
  finish(call, hasSaidWhy ? { ...outcome, exitCode: 0 } : outcome, OPENING, !request.isWhole());
}

/** More than git says in an `ERR` packet. */
const MAX_ERROR_BYTES = 2_048;

/** Whether the last line is an `ERR` packet (gitprotocol-pack(5)), which git writes in one piece. */
function endsWithError(bytes: Buffer): boolean {
  const at = bytes.lastIndexOf('ERR ') - 4;
  const length = bytes.toString('latin1', at, at + 4);
  return at >= 0 && length === (bytes.length - at).toString(16).padStart(4, '0');
}
