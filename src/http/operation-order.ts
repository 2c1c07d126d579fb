/** What has been asked for under an id. */
interface Running {
  /** Never rejects. */
  readonly ended: Promise<void>;
  /** The client has said that it wants no more of it. */
  isCompleted: boolean;
}

/**
 * Keeps what a client says of an operation back until the one that had the same id before, and that it has
 * completed, has sent its last message. graphql-ws frees an id at once; when the old operation then ends, which a
 * slow reader delays, it would tell the client that the new one has completed, and forget that that one runs.
 * @param answer answers a message; of a `subscribe` it resolves when the operation has ended. Never rejects
 * @param reading paused while a message is kept back, so that they do not pile up
 */
export function keepOrder(
  answer: (message: string) => Promise<void>,
  reading: { pause(): void; resume(): void },
): (message: string) => Promise<void> {
  const running = new Map<string, Running>();

  return async function take(message) {
    const { type, id } = readHead(message);
    const last = id === undefined ? undefined : running.get(id);
    if (last?.isCompleted === true) {
      reading.pause();
      await last.ended;
      reading.resume();
      await take(message);
      return;
    }
    const answered = answer(message);
    if (type === 'complete' && last !== undefined) last.isCompleted = true;
    if (type === 'subscribe' && id !== undefined && last === undefined) {
      // Before those who were kept back go on.
      const ended = answered.then(() => void running.delete(id));
      running.set(id, { ended, isCompleted: false });
    }
    await answered;
  };
}

/** What the message is about; nothing of one that is none, for graphql-ws closes the socket for it. */
function readHead(message: string): { type?: unknown; id?: string } {
  try {
    const { type, id } = JSON.parse(message) as { type?: unknown; id?: unknown };
    return typeof id === 'string' ? { type, id } : { type };
  } catch {
    return {};
  }
}
