import { LRUCache } from 'lru-cache';
import type { CatFileAnswer, CatFileRequest } from './cat-file-answer.ts';

export type FoundAnswer = Extract<CatFileAnswer, { kind: 'object' }>;

/** What was read of objects, of all repositories: an object never changes. */
export interface ObjectCache {
  /** @param place tells repositories from each other, and from what lay there before */
  recall(place: string, request: CatFileRequest): FoundAnswer | undefined;
  remember(place: string, request: CatFileRequest, answer: CatFileAnswer | Error): void;
}

/** What remembering costs besides the content. */
const ENTRY_BYTES = 300;

/** @param maxBytes what is remembered may take so much; 0 remembers nothing */
export function createObjectCache(maxBytes: number): ObjectCache {
  const cache = new LRUCache<string, FoundAnswer>({
    // 0 would mean no limit.
    maxSize: Math.max(1, maxBytes),
    maxEntrySize: Math.max(1, Math.ceil(maxBytes / 4)),
    sizeCalculation: ({ body }) => ENTRY_BYTES + (body?.length ?? 0),
  });
  return {
    recall(place, { command, name }) {
      if (!isFullId(name)) return undefined;
      const known = cache.get(place + name);
      if (known === undefined || command === 'info') return known;
      return known.body === null ? undefined : known;
    },
    remember(place, request, answer) {
      if (answer instanceof Error || answer.kind !== 'object') return;
      const key = place + answer.info.oid;
      if (request.command === 'info' && cache.has(key)) return;
      cache.set(key, answer);
    },
  };
}

/** Named by its content, and so the same for ever. */
export function isFullId(name: string): boolean {
  return /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/.test(name);
}
