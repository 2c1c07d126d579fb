import { readFetchedBranches } from './fetch-head.ts';
import type { Oid } from './oid.ts';
import type { RefLookup } from './ref.ts';
import type { Repository } from './repository.ts';

/** What a fetch has brought. */
export interface Fetched {
  /** The ref in which it has put what an ordinary fetch puts into `trackingRef`. */
  place(trackingRef: string): string;
  /**
   * The commit of a branch of the remote.
   * @param refs as they are after the fetch
   * @param trackingRef where an ordinary fetch puts it, in full, as in `refs/remotes/origin/main`
   * @param remoteBranch what it is called there
   * @throws GitCommandError
   */
  find(
    refs: RefLookup,
    trackingRef: string,
    remoteBranch: string,
  ): Promise<FetchedBranch | undefined>;
}

export interface FetchedBranch {
  readonly oid: Oid;
  /** The remote does not have it any more, or it is not fetched: it is from an earlier time. */
  readonly isLeftover: boolean;
}

/** What the last ordinary fetch has brought, which is in the remote-tracking refs and in FETCH_HEAD. */
export function readFetched(repository: Repository): Fetched {
  return {
    place: (trackingRef) => trackingRef,
    async find(refs, trackingRef, remoteBranch) {
      const ref = await refs.find(trackingRef);
      if (ref === undefined) return undefined;
      const isLeftover = !(await readFetchedBranches(repository)).has(remoteBranch);
      return { oid: ref.oid, isLeftover };
    },
  };
}
