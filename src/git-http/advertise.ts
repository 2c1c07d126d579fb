import { FLUSH_PKT, formatPktLine } from './pkt-line.ts';
import { versionOf } from './protocol-version.ts';
import { finish, sendOutput, spawnService, type ServiceCall } from './service.ts';

/** Answers `info/refs?service=`: what there is, and what the service can do. */
export async function advertise(call: ServiceCall): Promise<void> {
  const { service, gitProtocol } = call;
  const child = await spawnService(call, '--http-backend-info-refs');
  child.stdin.end();
  const contentType = `application/x-${service}-advertisement`;
  // Version 2 has no such line; receive-pack knows no version 2, whatever it is asked for.
  const isBare = service === 'git-upload-pack' && versionOf(gitProtocol) === 2;
  const prelude = [formatPktLine(`# service=${service}\n`), FLUSH_PKT];
  const opening = isBare ? { contentType } : { contentType, prelude: Buffer.concat(prelude) };
  finish(call, await sendOutput(child, call.response, opening), opening);
}
