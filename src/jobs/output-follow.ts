import { follow, type Following, type Look } from './follow.ts';
import type { OutputChunk, OutputLog } from './output-log.ts';

/** What an output has from `offset` on, and what comes, until it ends. */
export function followLog(output: OutputLog, offset: number): Following<OutputChunk> {
  let position = offset;
  const look = (): Look<OutputChunk> | Promise<Look<OutputChunk>> => {
    // Looked at before reading: what is appended meanwhile is then seen next time, not missed.
    const { size, isEnded } = output;
    const judge = (chunk: OutputChunk | null): ReturnType<typeof look> => {
      if (chunk !== null) {
        position = chunk.end;
        return { value: chunk };
      }
      if (isEnded) return { ended: true };
      return output.size === size && !output.isEnded ? { wait: output.changed } : look();
    };
    const chunk = position < size ? output.read(position) : null;
    return chunk instanceof Promise ? chunk.then(judge) : judge(chunk);
  };
  return follow(look);
}
