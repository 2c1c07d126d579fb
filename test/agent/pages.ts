/** Connections, page by page. */
import assert from 'node:assert/strict';
import type { Answer } from './git-answer.ts';

export interface Page {
  readonly edges: readonly { readonly cursor: string; readonly node: Answer }[];
  readonly pageInfo: {
    readonly startCursor: string | null;
    readonly endCursor: string | null;
    readonly hasNextPage: boolean;
    readonly hasPreviousPage: boolean;
  };
}

/** A connection, and what is asked of its nodes. */
export function page(node: string): string {
  return `{ edges { cursor node ${node} } pageInfo { startCursor endCursor hasNextPage hasPreviousPage } }`;
}

/**
 * Follows a connection for three pages, and checks what they say of themselves.
 * @param ask given the arguments that a page is asked with
 * @param first how many nodes a page has
 * @returns the nodes, and whether others follow
 */
export async function readPages(
  ask: (args: string) => Promise<Page>,
  first: number,
): Promise<{ nodes: Answer[]; hasMore: boolean }> {
  const nodes: Answer[] = [];
  let after: string | null = null;
  for (let left = 2; ; left--) {
    const args: string = `first: ${first}${after === null ? '' : `, after: "${after}"`}`;
    const { edges, pageInfo }: Page = await ask(args);
    const { hasNextPage, ...rest } = pageInfo;
    assert.deepEqual(rest, {
      hasPreviousPage: after !== null,
      startCursor: edges[0]?.cursor ?? null,
      endCursor: edges.at(-1)?.cursor ?? null,
    });
    nodes.push(...edges.map(({ node }) => node));
    if (hasNextPage) assert.equal(edges.length, first);
    if (!hasNextPage || left === 0) return { nodes, hasMore: hasNextPage };
    after = pageInfo.endCursor;
  }
}
