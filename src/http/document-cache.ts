import type { DocumentNode } from 'graphql';

/** What yoga asks of a cache of parsed documents. */
export interface DocumentCache {
  get(source: string): DocumentNode | undefined;
  set(source: string, document: DocumentNode): void;
}

/** Longer ones are parsed each time: what programs and pages send again and again is shorter. */
const MAX_LENGTH = 4096;
const MAX_DOCUMENTS = 100;

/**
 * Keeps the documents that were asked last. yoga's own cache keeps 1024 of any length, and as many that
 * could not be parsed: anybody, also without credentials, could fill gigabytes with it.
 */
export function createDocumentCache(): DocumentCache {
  const documents = new Map<string, DocumentNode>();
  return {
    get(source) {
      const document = documents.get(source);
      if (document === undefined) return undefined;
      // A Map keeps its keys in the order in which they came: the first is the one to go.
      documents.delete(source);
      documents.set(source, document);
      return document;
    },
    set(source, document) {
      if (source.length > MAX_LENGTH) return;
      documents.set(source, document);
      const [oldest] = documents.keys();
      if (documents.size > MAX_DOCUMENTS && oldest !== undefined) documents.delete(oldest);
    },
  };
}
