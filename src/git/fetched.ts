import { readFetchedBranches } from './fetch-head.ts';
import type { Oid } from './oid.ts';
import type { LookDeps } from './pull-order.ts';
import { findRefs } from './ref.ts';

/** What a fetch has brought. */
export interface Fetched {
  /**
   * The commit of a branch of the remote.
   * @param trackingRef where a fetch puts it, in full, as in `refs/remotes/origin/main`
   * @param remoteBranch what it is called there
   * @throws GitCommandError
   */
  find(trackingRef: string, remoteBranch: string): Promise<FetchedBranch | undefined>;
}

export interface FetchedBranch {
  readonly oid: Oid;
  /** The remote does not have it any more, or it is not fetched: it is from an earlier time. */
  readonly isLeftover: boolean;
}

/** What the last ordinary fetch has brought, which is in the remote-tracking refs and in FETCH_HEAD. */
export function readFetched({ git, repository, signal }: LookDeps): Fetched {
  return {
    async find(trackingRef, remoteBranch) {
      const ref = (await findRefs(git, repository, [trackingRef], signal)).get(trackingRef);
      if (ref === undefined) return undefined;
      const isLeftover = !(await readFetchedBranches(repository)).has(remoteBranch);
      return { oid: ref.oid, isLeftover };
    },
  };
}
