import { AppError } from '../error.ts';
import type { Signature } from './signature.ts';

/** Remembers the signatures of requests that change something, for as long as they are valid. */
export interface ReplayGuard {
  /**
   * Takes note of a signature. false when it was here before: the request is the same one again.
   * @throws AppError LIMIT_EXCEEDED
   */
  spend(signature: Signature): boolean;
}

/** A signature lives two minutes at most, so this is 80 changes a second. */
const MAX_SIGNATURES = 10_000;

/** Only right signatures come here, so nobody without the password can fill it. */
export function createReplayGuard(now: () => number = Date.now): ReplayGuard {
  const spent = new Map<string, number>();
  return {
    spend({ sign, expiresAt }) {
      if (spent.has(sign)) return false;
      for (const [old, oldExpiry] of spent) {
        if (oldExpiry <= now()) spent.delete(old);
        // They come nearly in order, and one that is passed over now goes later.
        else if (spent.size < MAX_SIGNATURES) break;
      }
      if (spent.size >= MAX_SIGNATURES) {
        throw new AppError(
          'LIMIT_EXCEEDED',
          'too many signed requests within two minutes: wait, or send the password itself',
        );
      }
      spent.set(sign, expiresAt);
      return true;
    },
  };
}
