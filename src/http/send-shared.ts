import type { ExecutionResult } from 'graphql';
import type { SharedAnswers } from '../schema/subscribe.ts';

/**
 * Sends each answer to a subscriber as a `next` message of graphql-ws's protocol. To graphql-ws itself, which
 * would make a message of its own for each subscriber, this is a subscription without events that ends when
 * the last has been sent.
 * @param id the subscriber's name for his subscription
 * @param send calls `sent` later, when the next message may be made
 * @param mask what a subscriber may see of an error
 */
export function sendShared(
  { chunks, toJson }: SharedAnswers,
  id: string,
  send: (message: string, sent: () => void) => void,
  mask: (error: unknown) => Error,
): AsyncIterableIterator<ExecutionResult, undefined> {
  const head = `{"id":${JSON.stringify(id)},"type":"next","payload":`;
  const done = { done: true, value: undefined } as const;
  return {
    [Symbol.asyncIterator]() {
      return this;
    },
    async next() {
      return await new Promise((resolve, reject) => {
        const fail = (error: unknown): void => {
          reject(mask(error));
        };
        chunks.each(
          (chunk, sent) => {
            try {
              send(`${head}${toJson(chunk)}}`, sent);
            } catch (error) {
              fail(error);
              void chunks.return();
            }
          },
          (error) => {
            if (error === undefined) resolve(done);
            else fail(error);
          },
        );
      });
    },
    async return() {
      await chunks.return();
      return done;
    },
  };
}
